//! Starts each program over and over, in turns, and measures what a start, a first and a warm event cost.

use std::{fmt, time::Duration};

use latchkey_testing::{
    dynamodb_stub::Table,
    runtime_api::{Function, Program},
};

use crate::{
    Error,
    process::{cpu_at_rest, memory_mb},
    say,
    scenes::Proof,
    stub::Stub,
};

/// Warm events of a start that are not counted: interpreters and their compilers still settle.
const SETTLING_EVENTS: u64 = 10;
/// Warm events that are counted, together: their mean is one round's value, so that a collector's pauses are in it.
const WARM_EVENTS: u32 = 40;

/// One program with one kind of event.
pub struct Case {
    /// What it is called in the table.
    pub name: String,
    pub program: Program,
    /// What it is handed, each time.
    pub event: String,
    /// What has to come of it.
    pub proof: Proof,
    pub table: Table,
    /// How often it has its turn in a round.
    pub turns: usize,
}

/// What was measured, in milliseconds. CPU time is that of the process, user and system.
#[derive(Debug, Clone, Copy, Default)]
pub struct Measured {
    /// From `exec` to the first request for an event.
    pub start_cpu_ms: f64,
    pub first_cpu_ms: f64,
    /// From the first event to its answer.
    pub first_wall_ms: f64,
    pub cold_cpu_ms: f64,
    pub warm_cpu_ms: f64,
    /// Memory after the warm events, in megabytes (10^6 bytes).
    pub rss_mb: f64,
}

impl fmt::Display for Measured {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            start_cpu_ms: start,
            first_cpu_ms: first,
            first_wall_ms: wall,
            ..
        } = self;
        let Self {
            cold_cpu_ms: cold,
            warm_cpu_ms: warm,
            rss_mb: rss,
            ..
        } = self;
        write!(
            formatter,
            "cold {cold:.2} ms CPU (start {start:.2}, first event {first:.2}, answered in {wall:.1}); warm {warm:.2}; {rss:.1} MB"
        )
    }
}

/// The middle of some numbers; of an even number of them, the mean of the two in the middle. 0 of none.
pub fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.into_iter().collect();
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match numbers.len() {
        0 => 0.0,
        count if count % 2 == 1 => numbers[middle],
        _ => f64::midpoint(numbers[middle - 1], numbers[middle]),
    }
}

pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Measures all cases in turns, so that what disturbs the machine disturbs all of them; each round begins with another case,
/// since a processor that was busy a moment ago is faster than one that has waited.
pub async fn measure(stub: &Stub, cases: &[Case], rounds: usize) -> Result<Vec<Measured>, Error> {
    let most = cases.iter().map(|case| case.turns).max().unwrap_or_default();
    let mut all = vec![Vec::new(); cases.len()];
    for round in 0..rounds {
        say(&format!("round {} of {rounds}", round + 1));
        for (turn, offset) in (0..most).flat_map(|turn| (0..cases.len()).map(move |offset| (turn, offset))) {
            let at = (round + offset) % cases.len();
            let case = &cases[at];
            if turn < case.turns {
                let once = once(stub, case).await;
                all[at].push(once.map_err(|error| format!("{}: {error}", case.name))?);
            }
        }
    }
    Ok(all.iter().map(|turns| middle(turns)).collect())
}

async fn once(stub: &Stub, case: &Case) -> Result<Measured, Error> {
    stub.world().table = case.table.clone();
    let mut function = Function::start(&case.program).await?;
    let start_cpu = cpu_at_rest(&mut function).await?;
    stub.world().take_calls();
    let (first_wall, answer) = function.answer(&case.event).await?;
    let first_cpu = cpu_at_rest(&mut function).await? - start_cpu;
    let checked = case.proof.check(1, &answer, &mut stub.world());
    checked.map_err(|error| format!("{error}; it wrote: {}", function.output()))?;
    for _ in 0..SETTLING_EVENTS {
        function.answer(&case.event).await?;
    }
    stub.world().take_calls();
    let before = cpu_at_rest(&mut function).await?;
    let mut last = answer;
    for _ in 0..WARM_EVENTS {
        (_, last) = function.answer(&case.event).await?;
    }
    let warm_cpu = (cpu_at_rest(&mut function).await? - before) / WARM_EVENTS;
    case.proof.check(WARM_EVENTS.into(), &last, &mut stub.world())?;
    Ok(Measured {
        start_cpu_ms: ms(start_cpu),
        first_cpu_ms: ms(first_cpu),
        first_wall_ms: ms(first_wall),
        cold_cpu_ms: ms(start_cpu + first_cpu),
        warm_cpu_ms: ms(warm_cpu),
        rss_mb: memory_mb(&function)?.0,
    })
}

fn middle(turns: &[Measured]) -> Measured {
    let of = |value: fn(&Measured) -> f64| median(turns.iter().map(value));
    Measured {
        start_cpu_ms: of(|m| m.start_cpu_ms),
        first_cpu_ms: of(|m| m.first_cpu_ms),
        first_wall_ms: of(|m| m.first_wall_ms),
        cold_cpu_ms: of(|m| m.cold_cpu_ms),
        warm_cpu_ms: of(|m| m.warm_cpu_ms),
        rss_mb: of(|m| m.rss_mb),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_round_does_not_move_the_median() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([1.0, 2.0, 3.0, 1_000.0]), 2.5);
        assert_eq!(median([]), 0.0);
    }
}
