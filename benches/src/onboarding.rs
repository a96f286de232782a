//! How long stacks wait for their answer while nothing else happens, and while a sweep is under way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use latchkey_testing::runtime_api::{Function, Program};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};

use crate::{
    Error,
    report::{Limit, Report},
    scenes::Scenes,
    starts::ms,
    stub::{Quota, Service, Stub},
    throughput::REAL_MEMBERS,
};

/// How long each answer of AWS takes.
const LATENCY: Duration = Duration::from_millis(20);
/// AssumeRole calls a second in an account and region: the quota that STS has by default.
const QUOTA: u32 = 600;
/// Verifiers of the sweep, by the template's default.
const SWEEPERS: usize = 2;
/// Calls of STS in a second that they share, by the template's default, and the least of it that a sweep has to keep up, for
/// it to have been one.
const PACE: u32 = 300;
const AT_WORK: f64 = 0.8;
/// Customers without a sweep and during one, in turns of so many.
const TURNS: usize = 4;
const CUSTOMERS_OF_A_TURN: usize = 75;
/// Customers before the measurement, for connections to be open.
const SETTLING_CUSTOMERS: usize = 5;
/// A sweep that has just begun opens connections.
const SETTLING_TIME: Duration = Duration::from_secs(2);

/// How long the stacks of one kind of turn waited, and the calls of STS meanwhile.
#[derive(Default)]
struct Turns {
    waits: Vec<Duration>,
    time: Duration,
    calls: u64,
}

impl Turns {
    /// The wait that so many in a hundred did not exceed, in milliseconds.
    fn percentile(&mut self, share: usize) -> f64 {
        self.waits.sort_unstable();
        let nearest = (self.waits.len() * share).div_ceil(100).saturating_sub(1);
        self.waits.get(nearest).copied().map_or(0.0, ms)
    }

    fn calls_a_second(&self) -> f64 {
        self.calls as f64 / self.time.as_secs_f64()
    }
}

/// Connects customers one after the other, without a sweep and during one, in turns.
pub async fn measure(
    report: &mut Report,
    stub: &Stub,
    scenes: &Scenes,
    listener: &Program,
    verifier: &Program,
) -> Result<(), Error> {
    let mut sweeper = verifier.clone();
    sweeper.variables.extend([
        ("STS_CALLS_PER_SECOND".to_owned(), PACE.to_string()),
        ("SWEEP_CONCURRENCY".to_owned(), SWEEPERS.to_string()),
    ]);
    let mut stack = Stack {
        stub,
        scenes,
        listener: Function::start(listener).await?,
        verifier: Function::start(verifier).await?,
    };
    {
        let mut world = stub.world();
        world.latency = LATENCY;
        world.sts_quota = Some(Quota::new(QUOTA, Instant::now()));
        world.is_frozen = false;
    }
    for _ in 0..SETTLING_CUSTOMERS {
        stack.connect().await?;
    }
    let (mut quiet, mut busy) = (Turns::default(), Turns::default());
    for _ in 0..TURNS {
        turn(&mut stack, &mut quiet).await?;
        let sweep = Sweep::start(&sweeper, &scenes.chunk(REAL_MEMBERS)).await?;
        turn(&mut stack, &mut busy).await?;
        sweep.stop().await?;
    }
    let sts_calls = busy.calls_a_second() - quiet.calls_a_second();
    if sts_calls < AT_WORK * f64::from(PACE) {
        return Err(format!("the sweep was not at work: {sts_calls:.0} calls of STS a second").into());
    }
    for (name, turns) in [("without a sweep", &mut quiet), ("during a sweep", &mut busy)] {
        let (median, p99) = (turns.percentile(50), turns.percentile(99));
        let (stacks, calls) = (turns.waits.len(), turns.calls_a_second());
        report.fact(
            format!("stacks {name}, 20 ms a call"),
            format!("median {median:.0} ms, p99 {p99:.0} ms of {stacks}; {calls:.0} calls of STS a second"),
        );
    }
    let ratio = busy.percentile(99) / quiet.percentile(99);
    report.bar("stacks: p99 during a sweep ÷ without", ratio, Limit::Most(1.1));
    Ok(())
}

async fn turn(stack: &mut Stack<'_>, turns: &mut Turns) -> Result<(), Error> {
    stack.stub.world().take_calls();
    let begun = Instant::now();
    for _ in 0..CUSTOMERS_OF_A_TURN {
        turns.waits.push(stack.connect().await?);
    }
    turns.time += begun.elapsed();
    let calls = stack.stub.world().take_calls();
    turns.calls += calls
        .get(&(Service::Sts, "AssumeRole".to_owned()))
        .copied()
        .unwrap_or(0);
    Ok(())
}

/// A customer's stack, and the functions that it is connected by.
struct Stack<'a> {
    stub: &'a Stub,
    scenes: &'a Scenes,
    listener: Function,
    verifier: Function,
}

impl Stack<'_> {
    /// Creates it; how long it waited for its answer. What SQS takes to hand a message on is not in it.
    async fn connect(&mut self) -> Result<Duration, Error> {
        let event = self.scenes.create_now()?;
        self.stub.world().table = self.scenes.pending.clone();
        let begun = Instant::now();
        self.listener.answer(&event).await?;
        let body = self
            .stub
            .world()
            .queued
            .pop()
            .ok_or("the listener queued nothing")?;
        let (_, result) = self.verifier.answer(&Scenes::verification(&body)).await?;
        let answer = self.stub.world().answered.clone();
        let answer = answer.filter(|(answered, _)| *answered > begun);
        let (answered, answer) = answer.ok_or_else(|| format!("the verifier put the stack off: {result}"))?;
        let answer: Value = serde_json::from_slice(&answer)?;
        if answer["Status"] != "SUCCESS" {
            return Err(format!("the stack was not connected: {answer}").into());
        }
        Ok(answered - begun)
    }
}

/// Verifiers that have one chunk after the other to check.
struct Sweep {
    sweepers: JoinSet<Result<(), Error>>,
    is_over: Arc<AtomicBool>,
}

impl Sweep {
    async fn start(program: &Program, chunk: &str) -> Result<Self, Error> {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut sweepers = JoinSet::new();
        for _ in 0..SWEEPERS {
            let mut function = Function::start(program).await?;
            let (chunk, is_over) = (chunk.to_owned(), is_over.clone());
            sweepers.spawn(async move {
                while !is_over.load(Ordering::SeqCst) {
                    let (_, result) = function.answer(&chunk).await?;
                    if result["batchItemFailures"] != json!([]) {
                        return Err(format!("a chunk was given back: {result}").into());
                    }
                }
                Ok(())
            });
        }
        sleep(SETTLING_TIME).await;
        Ok(Self { sweepers, is_over })
    }

    async fn stop(mut self) -> Result<(), Error> {
        self.is_over.store(true, Ordering::SeqCst);
        while let Some(ended) = self.sweepers.join_next().await {
            ended??;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_wait_of_its_rank() {
        let mut turns = Turns {
            waits: (1..=200).rev().map(Duration::from_millis).collect(),
            time: Duration::from_secs(2),
            calls: 100,
        };
        assert_eq!((turns.percentile(50), turns.percentile(99)), (100.0, 198.0));
        assert_eq!(turns.calls_a_second(), 50.0);
    }
}
