//! How many roles a verifier gets through in a sweep while every call takes a fixed time.

use std::time::{Duration, Instant};

use latchkey_testing::runtime_api::{Function, Program};

use crate::{
    Error,
    process::{cpu_at_rest, memory_mb},
    report::{Limit, Report},
    scenes::{Proof, Scenes},
    starts::{median, ms},
    stub::{CONNECTION, Stub},
};

/// How long the stub takes for each answer.
const LATENCY: Duration = Duration::from_millis(20);
/// Connections that are looked at side by side.
const CONCURRENCY: u32 = 128;
const ROUNDS: usize = 3;
/// Longest measurement of one of them.
const TIME: Duration = Duration::from_secs(3);
/// Connections in a chunk: so many that its end weighs little, when some of the checks and then the ledger are all that is
/// left.
const MEMBERS: usize = 3_500;
/// The most that a chunk really has, for the memory that it takes (`MAX_CHUNK_MEMBERS` of the sweep), and how many such
/// chunks there are.
pub const REAL_MEMBERS: usize = 200;
const REAL_CHUNKS: usize = 50;
/// Chunks before the measurement: connections are opened, and no check is the first.
const SETTLING_CHUNKS: usize = 3;

/// Calls a second, their share of what would be if nothing but the stub took time, and CPU time of a call.
type Speed = [f64; 3];

pub async fn measure(
    report: &mut Report,
    stub: &Stub,
    scenes: &Scenes,
    verifier: &Program,
) -> Result<(), Error> {
    let mut verifier = verifier.clone();
    verifier
        .variables
        .insert("PROBE_CONCURRENCY".to_owned(), CONCURRENCY.to_string());
    {
        let mut world = stub.world();
        world.table = scenes.active.clone();
        world.latency = LATENCY;
    }
    let (mut speeds, mut peaks) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        speeds.push(speed(stub, scenes, &verifier).await?);
        peaks.push(peak_mb(stub, scenes, &verifier).await?);
    }
    stub.world().latency = Duration::ZERO;
    let [calls, share, cpu] = [0, 1, 2].map(|of| median(speeds.iter().map(|speed: &Speed| speed[of])));
    let name = format!("verifier, {CONCURRENCY} connections at once");
    let peak = median(peaks);
    report.fact(
        &name,
        format!("{calls:.0} calls a second, {cpu:.0} µs CPU each; {peak:.1} MB at most"),
    );
    report.bar(
        format!("{name}: % of the ideal"),
        share * 100.0,
        Limit::Least(85.0),
    );
    Ok(())
}

async fn speed(stub: &Stub, scenes: &Scenes, verifier: &Program) -> Result<Speed, Error> {
    let mut function = Function::start(verifier).await?;
    let chunk = scenes.chunk(MEMBERS);
    for _ in 0..SETTLING_CHUNKS {
        function.answer(&chunk).await?;
    }
    let before = cpu_at_rest(&mut function).await?;
    stub.world().take_calls();
    stub.world().take_mean_wait();
    let (begun, mut worked) = (Instant::now(), Duration::ZERO);
    let mut calls = 0;
    while begun.elapsed() < TIME {
        let (took, answer) = function.answer(&chunk).await?;
        worked += took;
        let mut world = stub.world();
        let made = world
            .calls
            .iter()
            .filter(|((_, operation), _)| operation != CONNECTION);
        calls += made.map(|(_, count)| count).sum::<u64>();
        Proof::Checked.check(MEMBERS as u64, &answer, &mut world)?;
    }
    let cpu = cpu_at_rest(&mut function).await? - before;
    let per_second = calls as f64 / worked.as_secs_f64();
    let ideal = f64::from(CONCURRENCY) / stub.world().take_mean_wait().as_secs_f64();
    Ok([per_second, per_second / ideal, 1e3 * ms(cpu) / calls as f64])
}

/// The most memory, in megabytes, that a verifier holds while it works through chunks as the revalidator makes them.
async fn peak_mb(stub: &Stub, scenes: &Scenes, verifier: &Program) -> Result<f64, Error> {
    let mut function = Function::start(verifier).await?;
    let chunk = scenes.chunk(REAL_MEMBERS);
    for _ in 0..REAL_CHUNKS {
        stub.world().take_calls();
        let (_, answer) = function.answer(&chunk).await?;
        Proof::Checked.check(REAL_MEMBERS as u64, &answer, &mut stub.world())?;
    }
    Ok(memory_mb(&function)?.1)
}
