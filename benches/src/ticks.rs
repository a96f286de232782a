//! What a tick of the sweep takes in a table with few connections and in one with very many.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::{
    Error,
    cold_warm::median,
    neighbours::Neighbours,
    runtime_api::{Function, Program},
    scenes::Scenes,
    stub::{Service, Stub},
    subjects::{SLOTS_OF_TEMPLATE as SLOTS, SWEEP_SLOTS},
};

/// How many connections the tables have.
pub const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// How long each answer takes: the single-digit milliseconds that DynamoDB promises.
pub const LATENCY: Duration = Duration::from_millis(5);
/// Whose the connections are.
const TENANT: &str = "tenant-acme";
/// Ticks that do not count, and ticks that do.
const SETTLING_TICKS: usize = 3;
const TICKS: usize = 25;

/// What a tick took in one table.
#[derive(Debug, Clone, Serialize)]
pub struct Tick {
    /// Connections in the table.
    pub connections: usize,
    /// Connections that a tick found due and queued.
    pub queued: u64,
    /// Messages that it queued them in.
    pub messages: u64,
    /// From the event to its answer, in milliseconds.
    pub wall_ms: f64,
    /// CPU time, in milliseconds.
    pub cpu_ms: f64,
    /// Memory held after the ticks, in megabytes (10^6 bytes).
    pub rss_mb: f64,
    /// Calls to the table.
    pub table_calls: u64,
    /// Calls to the queue, eight of which are made side by side.
    pub queue_calls: u64,
}

/// Lets `revalidator` tick in tables of all sizes. `event` is the schedule's.
pub async fn measure(
    stub: &Stub,
    scenes: &Scenes,
    revalidator: &Program,
    event: &str,
    neighbours: &mut Neighbours,
) -> Result<Vec<Tick>, Error> {
    let mut revalidator = revalidator.clone();
    let slots = (SWEEP_SLOTS.to_owned(), SLOTS.to_string());
    revalidator.variables.extend([slots]);
    let mut ticks = Vec::new();
    for connections in SIZES {
        let mut table = scenes.active.clone();
        table.copy_connection(TENANT, connections, SLOTS)?;
        stub.world.exchange(&mut table);
        let tick = neighbours.let_measure(async || in_a_table(stub, &revalidator, event, connections).await);
        ticks.push(tick.await?);
        stub.world.exchange(&mut table);
    }
    Ok(ticks)
}

async fn in_a_table(
    stub: &Stub,
    revalidator: &Program,
    event: &str,
    connections: usize,
) -> Result<Tick, Error> {
    let mut function = Function::start(revalidator).await?;
    stub.world.set_latency(LATENCY);
    for _ in 0..SETTLING_TICKS {
        function.invoke(event).await?;
    }
    stub.world.take_calls();
    let before = function.cpu_at_rest().await?;
    let (mut walls, mut last) = (Vec::new(), Vec::new());
    for _ in 0..TICKS {
        let (wall, answer) = function.invoke(event).await?;
        walls.push(wall.as_secs_f64() * 1e3);
        last = answer;
    }
    let cpu = function.cpu_at_rest().await? - before;
    stub.world.set_latency(Duration::ZERO);
    let calls = stub.world.take_calls();
    let count = |of| {
        let calls = calls.iter().filter(|((service, _), _)| *service == of);
        calls.map(|(_, count)| count).sum::<u64>() / TICKS as u64
    };
    let answer: Value = serde_json::from_slice(&last)?;
    let number = |name: &str| {
        let number = answer[name].as_u64();
        number.ok_or_else(|| format!("no {name}: {answer}; it wrote: {}", function.output()))
    };
    let queued = number("queued")?;
    let due = (connections / SLOTS) as u64;
    // The connection that was copied is in one of the slots as well.
    if !(due..=due + 2).contains(&queued) || number("left")? > 0 {
        return Err(format!("{queued} of {due} that were due: {answer}").into());
    }
    let tick = Tick {
        connections,
        queued,
        messages: number("messages")?,
        wall_ms: median(walls),
        cpu_ms: cpu.as_secs_f64() * 1e3 / TICKS as f64,
        rss_mb: function.memory()?.resident as f64 / 1e6,
        table_calls: count(Service::DynamoDb),
        queue_calls: count(Service::Sqs),
    };
    function.stop().await?;
    Ok(tick)
}
