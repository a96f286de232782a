//! How many roles a verifier gets through in a sweep while every call takes a fixed time.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::{
    Error,
    cold_warm::median,
    neighbours::Neighbours,
    runtime_api::{Function, Program},
    scenes::{Proof, Scenes},
    stub::{Calls, Stub},
    subjects::PROBE_CONCURRENCY,
};

/// How long the stub takes for each answer.
pub const LATENCY: Duration = Duration::from_millis(20);
/// Times that each concurrency is measured, by a new process each.
const ROUNDS: usize = 3;
/// Longest measurement of one concurrency in one round.
const TIME: Duration = Duration::from_secs(3);
/// Connections in a chunk: so many that its end weighs little, when some of the checks and then the ledger are all that is left.
const MEMBERS: usize = 3_500;
/// The most that a chunk really has, for the memory that it takes (`MAX_CHUNK_MEMBERS` of latchkey-core).
pub const REAL_MEMBERS: usize = 200;
/// Chunks of so many whose peak of memory is looked at.
const REAL_CHUNKS: usize = 50;
/// Chunks before the measurement: connections are opened, and no check is the first.
const SETTLING_CHUNKS: usize = 3;

/// What was measured at one concurrency, as medians over the rounds.
#[derive(Debug, Clone, Serialize)]
pub struct Throughput {
    /// Connections that are looked at side by side.
    pub concurrency: usize,
    /// How long the stub took for an answer, in milliseconds: [`LATENCY`], and what its timer and its processor added.
    pub latency_ms: f64,
    /// Calls a second.
    pub calls_per_second: f64,
    /// The same, as a share of what would be if nothing but the stub took time.
    pub share_of_ideal: f64,
    /// CPU time of a call, in microseconds.
    pub cpu_us_per_call: f64,
    /// The most memory that was held with chunks as they are on AWS, in megabytes (10^6 bytes).
    pub peak_rss_mb: f64,
    /// The same with the chunks that the speed was measured with.
    pub peak_rss_of_large_chunks_mb: f64,
    /// Connections that were opened after the settling, in all rounds.
    pub reconnections: u64,
}

fn total(calls: &Calls, is_connection: bool) -> u64 {
    let of_kind = |operation: &String| (operation == "connection") == is_connection;
    calls
        .iter()
        .filter(|((_, operation), _)| of_kind(operation))
        .map(|(_, count)| count)
        .sum()
}

/// Measures a verifier at each of these concurrencies.
pub async fn measure(
    stub: &Stub,
    scenes: &Scenes,
    verifier: &Program,
    concurrencies: &[usize],
    neighbours: &mut Neighbours,
) -> Result<Vec<Throughput>, Error> {
    stub.world.restore(&scenes.active);
    stub.world.set_latency(LATENCY);
    let mut results = Vec::new();
    for concurrency in concurrencies {
        let mut verifier = verifier.clone();
        verifier
            .variables
            .insert(PROBE_CONCURRENCY.to_owned(), concurrency.to_string());
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push(round(stub, scenes, &verifier, *concurrency, neighbours).await?);
        }
        results.push(middle(*concurrency, &rounds));
    }
    stub.world.set_latency(Duration::ZERO);
    Ok(results)
}

fn middle(concurrency: usize, rounds: &[Throughput]) -> Throughput {
    let of = |value: fn(&Throughput) -> f64| median(rounds.iter().map(value).collect());
    Throughput {
        concurrency,
        latency_ms: of(|t| t.latency_ms),
        calls_per_second: of(|t| t.calls_per_second),
        share_of_ideal: of(|t| t.share_of_ideal),
        cpu_us_per_call: of(|t| t.cpu_us_per_call),
        peak_rss_mb: of(|t| t.peak_rss_mb),
        peak_rss_of_large_chunks_mb: of(|t| t.peak_rss_of_large_chunks_mb),
        reconnections: rounds.iter().map(|t| t.reconnections).sum(),
    }
}

/// The most memory, in megabytes, that a verifier holds while it works through chunks as the revalidator makes them.
async fn peak_of_real_chunks(stub: &Stub, scenes: &Scenes, verifier: &Program) -> Result<f64, Error> {
    let mut function = Function::start(verifier).await?;
    let (chunk, mut last) = (scenes.chunk(REAL_MEMBERS), Vec::new());
    stub.world.take_calls();
    for _ in 0..REAL_CHUNKS {
        (_, last) = function.invoke(&chunk).await?;
    }
    let checked = (REAL_CHUNKS * REAL_MEMBERS) as u64;
    Proof::Checked.check(checked, &stub.world.take_calls(), &last, stub)?;
    let peak = function.memory()?.peak;
    function.stop().await?;
    Ok(peak as f64 / 1e6)
}

async fn round(
    stub: &Stub,
    scenes: &Scenes,
    verifier: &Program,
    concurrency: usize,
    neighbours: &mut Neighbours,
) -> Result<Throughput, Error> {
    let peak_rss_mb = peak_of_real_chunks(stub, scenes, verifier).await?;
    let mut function = Function::start(verifier).await?;
    let chunk = scenes.chunk(MEMBERS);
    for _ in 0..SETTLING_CHUNKS {
        function.invoke(&chunk).await?;
    }
    let timed = neighbours
        .let_measure(async || timed(stub, &mut function, &chunk, concurrency, peak_rss_mb).await)
        .await?;
    function.stop().await?;
    Ok(timed)
}

/// What one process does in [`TIME`]; `peak_rss_mb` is what another one held.
async fn timed(
    stub: &Stub,
    function: &mut Function,
    chunk: &str,
    concurrency: usize,
    peak_rss_mb: f64,
) -> Result<Throughput, Error> {
    stub.world.take_calls();
    stub.world.take_mean_wait();
    let cpu = function.cpu_at_rest().await?;
    let (begun, mut chunks, mut last) = (Instant::now(), 0_u64, Vec::new());
    let mut worked = Duration::ZERO;
    while begun.elapsed() < TIME {
        let (took, answer) = function.invoke(chunk).await?;
        worked += took;
        last = answer;
        chunks += 1;
    }
    let cpu = function.cpu_at_rest().await? - cpu;
    let calls = stub.world.take_calls();
    Proof::Checked.check(chunks * MEMBERS as u64, &calls, &last, stub)?;
    let count = total(&calls, false) as f64;
    let per_second = count / worked.as_secs_f64();
    let latency = stub.world.take_mean_wait();
    let ideal = concurrency as f64 / latency.as_secs_f64();
    Ok(Throughput {
        concurrency,
        latency_ms: latency.as_secs_f64() * 1e3,
        calls_per_second: per_second,
        share_of_ideal: per_second / ideal,
        cpu_us_per_call: cpu.as_secs_f64() * 1e6 / count,
        peak_rss_mb,
        peak_rss_of_large_chunks_mb: function.memory()?.peak as f64 / 1e6,
        reconnections: total(&calls, true),
    })
}
