//! Starts each program over and over, in turns, and counts what a start, a first and a warm event cost.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use serde::Serialize;

use crate::{
    Error,
    neighbours::Neighbours,
    runtime_api::{Function, Program},
    scenes::Proof,
    stub::{Snapshot, Stub},
};

/// Warm events of a start that are not counted: interpreters and their compilers still settle.
const SETTLING_EVENTS: u64 = 10;
/// Warm events that are counted, together: their mean is one round's value, so that a collector's pauses are in it.
const WARM_EVENTS: u64 = 40;

/// One program with one kind of event.
pub struct Case {
    /// What it is called in the table.
    pub name: String,
    /// How it is started.
    pub program: Program,
    /// What it is handed, each time.
    pub event: String,
    /// What has to come of it.
    pub proof: Proof,
    /// How the stub's table is.
    pub world: Snapshot,
    /// How often it has its turn in a round: a start of a few milliseconds is disturbed by more than one of hundreds.
    pub turns: usize,
}

/// What was measured, as medians over the rounds. CPU time is that of the process, user and system.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Measured {
    /// From `exec` to the first request for an event, in milliseconds.
    pub init_wall_ms: f64,
    /// CPU time of that, in milliseconds.
    pub init_cpu_ms: f64,
    /// From the first event to its answer, in milliseconds.
    pub first_wall_ms: f64,
    /// CPU time of the first event, in milliseconds.
    pub first_cpu_ms: f64,
    /// CPU time of start and first event together, in milliseconds.
    pub cold_cpu_ms: f64,
    /// From a warm event to its answer, in milliseconds.
    pub warm_wall_ms: f64,
    /// CPU time of a warm event, in milliseconds.
    pub warm_cpu_ms: f64,
    /// Memory after the warm events, in megabytes (10^6 bytes).
    pub rss_mb: f64,
    /// The calls that one warm event makes, such as `3 GetItem`.
    pub calls: String,
}

/// All that was measured of one program, by rounds.
#[derive(Debug, Clone)]
pub struct Series(Vec<Vec<Measured>>);

impl Series {
    /// The medians over all turns.
    pub fn middle(&self) -> Measured {
        middle(&self.0.concat())
    }

    /// `value` of this program ÷ `other_value` of the other one: the median of each round's ratio. What a round has in common, such
    /// as a neighbour on the processor, is not taken for a difference between programs.
    pub fn ratio(&self, value: fn(&Measured) -> f64, other: &Self, other_value: fn(&Measured) -> f64) -> f64 {
        let of = |turns: &[Measured], value| median(turns.iter().map(value).collect());
        let rounds = self.0.iter().zip(&other.0);
        median(
            rounds
                .map(|(ours, others)| of(ours, value) / of(others, other_value))
                .collect(),
        )
    }
}

/// The middle of some numbers; of an even number of them, the mean of the two in the middle. 0 of none.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match numbers.len() {
        0 => 0.0,
        count if count % 2 == 1 => numbers[middle],
        _ => f64::midpoint(numbers[middle - 1], numbers[middle]),
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// Measures all cases, `rounds` times their turns: what disturbs the machine disturbs all of them, and what other virtual machines
/// disturb is measured again. Each round has an order of its own, since a processor that was busy a moment ago is faster than
/// one that has waited.
pub async fn measure(
    stub: &Stub,
    cases: &[Case],
    rounds: usize,
    neighbours: &mut Neighbours,
    mut progress: impl FnMut(usize),
) -> Result<Vec<Series>, Error> {
    let mut all = vec![Series(Vec::new()); cases.len()];
    for round in 0..rounds {
        progress(round);
        all.iter_mut().for_each(|series| series.0.push(Vec::new()));
        for at in order(cases, round) {
            let case = &cases[at];
            let once = neighbours.let_measure(async || once(stub, case).await).await;
            all[at].0[round].push(once.map_err(|error| format!("{}: {error}", case.name))?);
        }
    }
    Ok(all)
}

/// Every case as often as it has its turn, shuffled; the same in each run.
fn order(cases: &[Case], round: usize) -> Vec<usize> {
    let turns = cases
        .iter()
        .enumerate()
        .flat_map(|(at, case)| (0..case.turns).map(move |turn| (at, turn)));
    let mut order: Vec<_> = turns.collect();
    order.sort_by_cached_key(|turn| {
        let mut hasher = DefaultHasher::new();
        (round, turn).hash(&mut hasher);
        hasher.finish()
    });
    order.into_iter().map(|(at, _)| at).collect()
}

async fn once(stub: &Stub, case: &Case) -> Result<Measured, Error> {
    stub.world.restore(&case.world);
    let mut function = Function::start(&case.program).await?;
    let init_cpu = function.cpu_at_rest().await?;
    stub.world.take_calls();
    let (first_wall, answer) = function.invoke(&case.event).await?;
    let first_cpu = function.cpu_at_rest().await? - init_cpu;
    let checked = case.proof.check(1, &stub.world.take_calls(), &answer, stub);
    checked.map_err(|error| format!("{error}; it wrote: {}", function.output()))?;
    for _ in 0..SETTLING_EVENTS {
        function.invoke(&case.event).await?;
    }
    stub.world.take_calls();
    let before = function.cpu_at_rest().await?;
    let (mut walls, mut last) = (Vec::new(), Vec::new());
    for _ in 0..WARM_EVENTS {
        let (wall, answer) = function.invoke(&case.event).await?;
        walls.push(ms(wall));
        last = answer;
    }
    let warm_cpu = (function.cpu_at_rest().await? - before) / u32::try_from(WARM_EVENTS)?;
    let calls = stub.world.take_calls();
    case.proof.check(WARM_EVENTS, &calls, &last, stub)?;
    let rss_mb = function.memory()?.resident as f64 / 1e6;
    let init_wall = function.start;
    function.stop().await?;
    let described: Vec<String> = calls
        .iter()
        .filter(|((_, operation), _)| operation != "connection")
        .map(|((_, operation), count)| format!("{} {operation}", count / WARM_EVENTS))
        .collect();
    Ok(Measured {
        init_wall_ms: ms(init_wall),
        init_cpu_ms: ms(init_cpu),
        first_wall_ms: ms(first_wall),
        first_cpu_ms: ms(first_cpu),
        cold_cpu_ms: ms(init_cpu + first_cpu),
        warm_wall_ms: median(walls),
        warm_cpu_ms: ms(warm_cpu),
        rss_mb,
        calls: described.join(", "),
    })
}

fn middle(results: &[Measured]) -> Measured {
    let of = |value: fn(&Measured) -> f64| median(results.iter().map(value).collect());
    Measured {
        init_wall_ms: of(|m| m.init_wall_ms),
        init_cpu_ms: of(|m| m.init_cpu_ms),
        first_wall_ms: of(|m| m.first_wall_ms),
        first_cpu_ms: of(|m| m.first_cpu_ms),
        cold_cpu_ms: of(|m| m.cold_cpu_ms),
        warm_wall_ms: of(|m| m.warm_wall_ms),
        warm_cpu_ms: of(|m| m.warm_cpu_ms),
        rss_mb: of(|m| m.rss_mb),
        calls: results.last().map(|m| m.calls.clone()).unwrap_or_default(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_and_one_bad_round_does_not_move_it() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![1.0, 2.0, 3.0, 1_000.0]), 2.5);
        assert_eq!(median(Vec::new()), 0.0);
    }

    /// What was measured in each of these rounds, a number for each turn.
    pub fn series(rounds: &[&[f64]]) -> Series {
        let measured = |cold_cpu_ms: &f64| Measured {
            cold_cpu_ms: *cold_cpu_ms,
            warm_cpu_ms: 0.5,
            ..Measured::default()
        };
        Series(
            rounds
                .iter()
                .map(|turns| turns.iter().map(measured).collect())
                .collect(),
        )
    }

    #[test]
    fn programs_are_compared_within_each_round() {
        let empty = series(&[&[1.0, 1.0, 9.0], &[2.0, 2.0, 2.0], &[4.0, 4.0, 4.0]]);
        let ours = series(&[&[3.0, 3.0, 3.0], &[4.0, 5.0, 9.0], &[8.0, 1.0, 8.0]]);
        // 3, 2.5 and 2, although the medians over all turns are 4 and 2.
        assert_eq!(ours.ratio(|m| m.cold_cpu_ms, &empty, |m| m.cold_cpu_ms), 2.5);
        assert_eq!(ours.middle().cold_cpu_ms, 4.0);
        assert_eq!(ours.ratio(|m| m.cold_cpu_ms, &ours, |m| m.warm_cpu_ms), 10.0);
    }
}
