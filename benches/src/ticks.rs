//! What a tick of the sweep takes in a table with few connections and in one with very many.

use std::time::Duration;

use latchkey_testing::runtime_api::{Function, Program};

use crate::{
    Error,
    process::{cpu_at_rest, memory_mb},
    report::Report,
    scenes::Scenes,
    starts::{median, ms},
    stub::{Service, Stub},
    subjects::SLOTS,
};

/// How many connections the tables have.
const SIZES: [u32; 2] = [1_000, 1_000_000];
/// How long each answer takes: the single-digit milliseconds that DynamoDB promises.
const LATENCY: Duration = Duration::from_millis(5);
/// Ticks that do not count, and ticks that do.
const SETTLING_TICKS: usize = 3;
const TICKS: u32 = 25;

pub async fn measure(
    report: &mut Report,
    stub: &Stub,
    scenes: &Scenes,
    revalidator: &Program,
) -> Result<(), Error> {
    let mut revalidator = revalidator.clone();
    revalidator
        .variables
        .insert("SWEEP_SLOTS".to_owned(), SLOTS.to_string());
    for connections in SIZES {
        stub.world().table = scenes.crowded(connections, connections);
        let mut function = Function::start(&revalidator).await?;
        stub.world().latency = LATENCY;
        for _ in 0..SETTLING_TICKS {
            function.answer(&scenes.tick).await?;
        }
        stub.world().take_calls();
        let before = cpu_at_rest(&mut function).await?;
        let (mut walls, mut queued) = (Vec::new(), 0);
        for _ in 0..TICKS {
            let (wall, answer) = function.answer(&scenes.tick).await?;
            walls.push(ms(wall));
            queued = answer["queued"]
                .as_u64()
                .ok_or_else(|| format!("no sweep: {answer}"))?;
            let due = u64::from(connections / SLOTS);
            // The real connection is in one of the slots as well.
            if !(due..=due + 2).contains(&queued) || answer["left"] != 0 {
                return Err(format!("{queued} of {due} that were due: {answer}").into());
            }
        }
        let cpu = ms(cpu_at_rest(&mut function).await? - before) / f64::from(TICKS);
        stub.world().latency = Duration::ZERO;
        let calls = stub.world().take_calls();
        let of_table = calls
            .iter()
            .filter(|((service, _), _)| *service == Service::DynamoDb);
        let of_table = of_table.map(|(_, count)| count).sum::<u64>() / u64::from(TICKS);
        let (wall, memory) = (median(walls), memory_mb(&function)?.0);
        report.fact(
            format!("a tick among {connections} connections, 5 ms a call"),
            format!(
                "{wall:.1} ms ({cpu:.2} CPU), {of_table} calls to the table, {queued} queued; {memory:.1} MB"
            ),
        );
    }
    Ok(())
}
