//! How long stacks wait for their answer while nothing else happens, and while a sweep is under way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Serialize;
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};

use crate::{
    Error,
    neighbours::Neighbours,
    runtime_api::{Function, Program},
    scenes::Scenes,
    stub::{Service, Stub},
    subjects::{STS_CALLS_PER_SECOND, SWEEP_CONCURRENCY},
    throughput::REAL_MEMBERS,
};

/// How long each answer of AWS takes.
pub const LATENCY: Duration = Duration::from_millis(20);
/// AssumeRole calls a second in an account and region: the quota that STS has by default.
pub const QUOTA: u32 = 600;
/// Verifiers of the sweep, by the template's default.
const SWEEPERS: usize = 2;
/// Calls of STS in a second that they share, by the template's default.
const PACE: u32 = 300;
/// The least of that which a sweep has to keep up, for it to have been one.
const AT_WORK: f64 = 0.8;
/// Customers without a sweep and during one, in turns of so many.
const TURNS: usize = 4;
const CUSTOMERS_OF_A_TURN: usize = 75;
/// Customers before the measurement, for connections to be open.
const SETTLING_CUSTOMERS: usize = 5;
/// A sweep that has just begun opens connections.
const SETTLING_TIME: Duration = Duration::from_secs(2);

/// How long stacks waited.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Waits {
    /// What went on meanwhile.
    pub name: &'static str,
    /// How many stacks there were.
    pub customers: usize,
    /// From SNS's delivery to the answer at CloudFormation's bucket, in milliseconds: the middle one.
    pub median_ms: f64,
    /// The same of the slowest but one in a hundred.
    pub p99_ms: f64,
    /// Calls of STS in a second, the stacks' own among them.
    pub sts_calls_per_second: f64,
    /// Calls of STS that were refused for its quota.
    pub throttled: u64,
}

/// What goes on in one kind of turn.
#[derive(Default)]
struct Turns {
    waits: Vec<Duration>,
    time: Duration,
    calls: u64,
    throttled: u64,
}

impl Turns {
    fn result(mut self, name: &'static str) -> Waits {
        self.waits.sort_unstable();
        let at = |share: usize| {
            let nearest = (self.waits.len() * share).div_ceil(100).saturating_sub(1);
            self.waits.get(nearest).map_or(0.0, Duration::as_secs_f64) * 1e3
        };
        Waits {
            name,
            customers: self.waits.len(),
            median_ms: at(50),
            p99_ms: at(99),
            sts_calls_per_second: self.calls as f64 / self.time.as_secs_f64(),
            throttled: self.throttled,
        }
    }
}

/// Connects customers one after the other, without a sweep and during one, in turns; what came of the two.
pub async fn measure(
    stub: &Stub,
    scenes: &Scenes,
    listener: &Program,
    verifier: &Program,
    neighbours: &mut Neighbours,
) -> Result<[Waits; 2], Error> {
    let mut sweeper = verifier.clone();
    sweeper.variables.extend([
        (STS_CALLS_PER_SECOND.to_owned(), PACE.to_string()),
        (SWEEP_CONCURRENCY.to_owned(), SWEEPERS.to_string()),
    ]);
    let mut stack = Stack {
        stub,
        scenes,
        listener: Function::start(listener).await?,
        verifier: Function::start(verifier).await?,
    };
    stub.world.set_latency(LATENCY);
    stub.world.set_sts_quota(Some(QUOTA));
    stub.world.freeze(false);
    for _ in 0..SETTLING_CUSTOMERS {
        stack.connect().await?;
    }
    let (mut quiet, mut busy) = (Turns::default(), Turns::default());
    for _ in 0..TURNS {
        turn(&mut stack, &mut quiet, neighbours).await?;
        let sweep = Sweep::start(&sweeper, &scenes.chunk(REAL_MEMBERS)).await?;
        turn(&mut stack, &mut busy, neighbours).await?;
        sweep.stop().await?;
    }
    stub.world.freeze(true);
    stub.world.set_sts_quota(None);
    stub.world.set_latency(Duration::ZERO);
    stack.listener.stop().await?;
    stack.verifier.stop().await?;
    let results = [quiet.result("without a sweep"), busy.result("during a sweep")];
    let sts_calls = results[1].sts_calls_per_second - results[0].sts_calls_per_second;
    if sts_calls < AT_WORK * f64::from(PACE) {
        return Err(
            format!("the sweep was not at work: it made {sts_calls:.0} calls of STS a second").into(),
        );
    }
    Ok(results)
}

async fn turn(stack: &mut Stack<'_>, turns: &mut Turns, neighbours: &mut Neighbours) -> Result<(), Error> {
    let world = &stack.stub.world;
    world.take_calls();
    let begun = Instant::now();
    for _ in 0..CUSTOMERS_OF_A_TURN {
        let wait = neighbours.let_measure(async || stack.connect().await);
        turns.waits.push(wait.await?);
    }
    turns.time += begun.elapsed();
    let calls = world.take_calls();
    let count = |operation: &str| {
        let key = (Service::Sts, operation.to_owned());
        calls.get(&key).copied().unwrap_or(0)
    };
    turns.calls += count("AssumeRole");
    turns.throttled += count("throttled");
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
        let world = &self.stub.world;
        let event = self.scenes.create_now()?;
        world.restore(&self.scenes.pending);
        let begun = Instant::now();
        self.listener.invoke(&event).await?;
        let body = world.take_queued().pop().ok_or("the listener queued nothing")?;
        let (_, result) = self.verifier.invoke(&Scenes::verification(&body)).await?;
        let answer = world.last_answer().filter(|(answered, _)| *answered > begun);
        let (answered, answer) = answer.ok_or_else(|| {
            let result = String::from_utf8_lossy(&result);
            format!("the verifier put the stack off: {result}")
        })?;
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
                    let (_, result) = function.invoke(&chunk).await?;
                    let result: Value = serde_json::from_slice(&result)?;
                    if result["batchItemFailures"] != json!([]) {
                        return Err(format!("a chunk was given back: {result}").into());
                    }
                }
                function.stop().await
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
    fn the_slowest_but_one_in_a_hundred_is_by_its_rank() {
        let turns = Turns {
            waits: (1..=200).rev().map(Duration::from_millis).collect(),
            time: Duration::from_secs(2),
            calls: 100,
            throttled: 0,
        };
        let waits = turns.result("test");
        assert_eq!((waits.median_ms, waits.p99_ms), (100.0, 198.0));
        assert_eq!(waits.sts_calls_per_second, 50.0);
    }
}
