//! A simulated day: the revalidator ticks, verifiers take chunks from the queue, roles change, STS fails.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex},
    time::{Duration, Instant as WallInstant},
};

use async_trait::async_trait;
use latchkey_aws::{dynamodb::DynamoDbStore, paced_sts::PacedSts, system::Cuid2Ids};
use latchkey_core::{
    domain::{
        connection::{Connection, State, Status},
        proof::reason::ReasonCode,
        sweep::SweepPlan,
    },
    ports::{Clock as _, ConnectionStore as _, Unavailable, VerificationQueue, VerificationTask},
    use_cases::{
        check_chunk::{CheckChunk, ChunkChecked},
        last_verified::LastVerified,
        probe_role::ProbeRole,
        recheck_role::RecheckRole,
        revalidate::{Revalidate, SweepBudget},
    },
};
use latchkey_testing::{builders::created, scripted_sts::tiers};

use crate::{
    sts::{Fate, SimSts},
    table::{Table, Units},
    wire::adapter,
    world::{SimClock, id_of, pattern, tenant_of},
};
use tokio::task::{LocalSet, spawn_local};

pub const HOUR: f64 = 3_600.0;
pub const PLAN: SweepPlan = SweepPlan {
    slots: 1_440,
    degraded_slots: 30,
};
pub const BUDGET: SweepBudget = SweepBudget {
    calls_per_second: 300,
    tick_seconds: 60,
    proof_every: 7,
};
/// Verifiers of the sweep at once, and what they share.
const VERIFIERS: usize = 2;
const PROBE_CONCURRENCY: usize = 64;
/// SQS's limits on a batch.
const BATCH_MESSAGES: usize = 10;
const BATCH_BYTES: usize = 250_000;
/// Batches that the queue's adapter sends side by side.
const BATCHES_AT_ONCE: u32 = 8;
/// How long each call of DynamoDB and SQS takes: the single-digit milliseconds that DynamoDB promises.
pub const LATENCY: Duration = Duration::from_millis(5);
/// What SQS bills as one request.
const SQS_UNIT: usize = 65_536;

/// What happens on the day.
pub struct Plot {
    pub connections: u32,
    pub plan: SweepPlan,
    pub hours: f64,
    pub fates: BTreeMap<u32, Fate>,
    /// Seconds of the outage of STS.
    pub outage: std::ops::Range<f64>,
    /// Hours in which the schedule does not tick.
    pub silent: std::ops::Range<f64>,
    /// Seconds in which others use so many of STS's calls.
    pub others: u64,
}

/// What a day came to.
#[derive(Debug)]
pub struct Report {
    pub units: Units,
    pub sqs_requests: u64,
    pub chunks: u64,
    pub invocations: u64,
    /// Virtual seconds that verifiers were at work.
    pub verifier_seconds: f64,
    pub checks: u64,
    pub calls: u64,
    pub simulations: u64,
    pub throttled: u64,
    pub busiest_second: u64,
    pub busiest_tick_calls: u64,
    /// What each tick's run of the revalidator takes: the virtual time in which it waits and the real time in which it
    /// works, in seconds.
    pub ticks: Vec<f64>,
    /// The part of it in which it waits for DynamoDB and SQS.
    pub waits: Vec<f64>,
    /// How long after its change each changed role was found, in hours.
    pub deleted_found: Vec<f64>,
    pub loosened_found: Vec<f64>,
    pub not_found: Vec<(u32, Fate)>,
    pub wrong: Vec<u32>,
    pub resident_mb: (f64, f64),
    pub real_seconds: f64,
    pub never_verified: usize,
}

type Waiting = BinaryHeap<Reverse<(u64, u64, u32)>>;

/// SQS: messages that are not seen before their time.
struct SimQueue {
    clock: Arc<SimClock>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    waiting: Waiting,
    tasks: BTreeMap<u64, String>,
    next: u64,
    requests: u64,
    chunks: u64,
}

impl SimQueue {
    fn put(&self, text: String, delay: f64, receives: u32) {
        let at = ((self.clock.elapsed() + delay) * 1_000.0) as u64;
        let mut inner = self.inner.lock().unwrap();
        let number = inner.next;
        inner.next += 1;
        inner.tasks.insert(number, text);
        inner.waiting.push(Reverse((at, number, receives)));
    }

    /// The next message that can be seen, with how often it came; or when there will be one.
    fn take(&self) -> Result<(VerificationTask, String, u32), Option<u64>> {
        let now = (self.clock.elapsed() * 1_000.0) as u64;
        let mut inner = self.inner.lock().unwrap();
        match inner.waiting.peek() {
            None => Err(None),
            Some(Reverse((at, ..))) if *at > now => Err(Some(*at - now)),
            Some(_) => {
                let Reverse((_, number, receives)) = inner.waiting.pop().unwrap();
                let text = inner.tasks.remove(&number).unwrap();
                // Received, and deleted or hidden again.
                inner.requests += text.len().div_ceil(SQS_UNIT) as u64 + 1;
                Ok((serde_json::from_str(&text).unwrap(), text, receives + 1))
            }
        }
    }
}

#[async_trait]
impl VerificationQueue for SimQueue {
    async fn send_spread(&self, tasks: &[(VerificationTask, u16)]) -> Result<(), Unavailable> {
        let (mut batch, mut bytes, mut batches) = (0, 0, u32::from(!tasks.is_empty()));
        for (task, delay) in tasks {
            let text = serde_json::to_string(task).unwrap();
            assert!(text.len() <= 64_000, "{} bytes", text.len());
            if batch == BATCH_MESSAGES || bytes + text.len() > BATCH_BYTES {
                self.inner.lock().unwrap().requests += bytes.div_ceil(SQS_UNIT) as u64;
                (batch, bytes) = (0, 0);
                batches += 1;
            }
            batch += 1;
            bytes += text.len();
            self.put(text, f64::from(*delay), 0);
        }
        {
            let mut inner = self.inner.lock().unwrap();
            inner.requests += bytes.div_ceil(SQS_UNIT) as u64;
            inner.chunks += tasks.len() as u64;
        }
        tokio::time::sleep(LATENCY * batches.div_ceil(BATCHES_AT_ONCE)).await;
        Ok(())
    }
}

#[derive(Default)]
struct Work {
    invocations: u64,
    seconds: f64,
    checks: u64,
}

struct Verifier {
    chunks: CheckChunk,
    queue: Arc<SimQueue>,
    clock: Arc<SimClock>,
    work: Arc<Mutex<Work>>,
}

impl Verifier {
    /// Works as Lambda lets it, one message at a time, until `end`.
    async fn run(self, end: f64) {
        while self.clock.elapsed() < end {
            let (task, text, receives) = match self.queue.take() {
                Ok(taken) => taken,
                Err(wait) => {
                    let wait = wait.unwrap_or(1_000).clamp(1, 1_000);
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                    continue;
                }
            };
            let began = self.clock.elapsed();
            let mut checks = 0;
            match &task {
                VerificationTask::Chunk(chunk) => match self.chunks.run(chunk).await.unwrap() {
                    ChunkChecked::Done { members, .. } => checks = members as u64,
                    ChunkChecked::StsInTrouble => {
                        let delay = (30.0 * f64::from(1 << (receives - 1).min(5))).min(900.0);
                        self.queue.put(text, delay, receives);
                    }
                },
                VerificationTask::Recheck {
                    tenant,
                    connection_id,
                    attempt,
                } => {
                    let rechecked = self.chunks.run_single(tenant, connection_id, *attempt).await;
                    rechecked.unwrap();
                    checks = 1;
                }
                VerificationTask::Request { .. } => unreachable!("no stack waits here"),
            }
            let took = self.clock.elapsed() - began;
            assert!(took < 45.0, "{took} s for one message");
            let mut work = self.work.lock().unwrap();
            work.invocations += 1;
            work.seconds += took;
            work.checks += checks;
        }
    }
}

/// Memory of this process, in MB.
fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok())
        .unwrap_or_default()
        / 1_024.0
}

/// A table of so many connections, each as the adapter writes it.
pub async fn table_of(number: u32, plan: SweepPlan, pattern: &Connection) -> Arc<Table> {
    let scratch = Arc::new(Table::empty());
    let stored = adapter(&scratch, plan).insert(pattern, &created(pattern)).await;
    stored.unwrap();
    Arc::new(Table::of(number, pattern, &scratch, plan))
}

/// A connection as it is now.
pub async fn read(store: &DynamoDbStore, number: u32) -> Connection {
    let stored = store.get(&tenant_of(number), &id_of(number)).await;
    stored.unwrap().unwrap()
}

/// What comes of a future, and the real time in which it was at work: not waiting, and not in `table`.
async fn working_time<F: Future>(future: F, table: &Table) -> (F::Output, Duration) {
    let mut future = pin!(future);
    let mut worked = Duration::ZERO;
    let output = poll_fn(|context| {
        let (began, before) = (WallInstant::now(), table.busy());
        let polled = future.as_mut().poll(context);
        worked += began.elapsed().saturating_sub(table.busy() - before);
        polled
    })
    .await;
    (output, worked)
}

/// Plays a day. Under Tokio's paused clock: time jumps to whatever is next.
pub async fn play(plot: Plot) -> Report {
    LocalSet::new().run_until(play_here(plot)).await
}

async fn play_here(plot: Plot) -> Report {
    let real = WallInstant::now();
    let clock = Arc::new(SimClock::new());
    let table = table_of(plot.connections, plot.plan, &pattern(clock.now())).await;
    let store = Arc::new(adapter(&table, plot.plan));
    let sts = Arc::new(SimSts {
        clock: clock.clone(),
        fates: plot.fates.clone(),
        outage: plot.outage.clone(),
        others: plot.others,
        seconds: Mutex::default(),
        throttled: 0.into(),
        calls: 0.into(),
        simulations: 0.into(),
    });
    let queue = Arc::new(SimQueue {
        clock: clock.clone(),
        inner: Mutex::default(),
    });
    let verified = LastVerified {
        ledger: store.clone(),
        plan: plot.plan,
    };
    let work = Arc::new(Mutex::new(Work::default()));
    let end = plot.hours * HOUR;
    let verifiers: Vec<_> = (0..VERIFIERS)
        .map(|_| {
            let share = f64::from(BUDGET.calls_per_second) / VERIFIERS as f64;
            let paced = Arc::new(PacedSts::new(sts.clone(), share));
            let recheck = RecheckRole {
                store: store.clone(),
                probes: Arc::new(ProbeRole {
                    assumer: paced.clone(),
                    inspector: paced.clone(),
                    ids: Arc::new(Cuid2Ids),
                    clock: clock.clone(),
                    tiers: tiers(),
                }),
                verified: verified.clone(),
                clock: clock.clone(),
            };
            let verifier = Verifier {
                chunks: CheckChunk {
                    recheck: Arc::new(recheck),
                    assumer: paced,
                    queue: queue.clone(),
                    ledger: store.clone(),
                    clock: clock.clone(),
                    concurrency: PROBE_CONCURRENCY,
                },
                queue: queue.clone(),
                clock: clock.clone(),
                work: work.clone(),
            };
            spawn_local(verifier.run(end))
        })
        .collect();
    let revalidate = Revalidate {
        index: store.clone(),
        queue: queue.clone(),
        clock: clock.clone(),
        plan: plot.plan,
        budget: BUDGET,
    };
    let (mut ticks, mut waits) = (Vec::new(), Vec::new());
    let mut resident_at_noon = 0.0;
    let ticks_in_all = (end / f64::from(BUDGET.tick_seconds)) as u32;
    for tick in 0..ticks_in_all {
        let hour = clock.elapsed() / HOUR;
        if !plot.silent.contains(&hour) {
            let began = clock.elapsed();
            let (swept, work) = working_time(revalidate.run(), &table).await;
            swept.unwrap();
            let waited = clock.elapsed() - began;
            ticks.push(waited + work.as_secs_f64());
            waits.push(waited);
        }
        if tick == ticks_in_all / 2 {
            resident_at_noon = resident_mb();
        }
        let next = f64::from(tick + 1) * f64::from(BUDGET.tick_seconds);
        tokio::time::sleep(Duration::from_secs_f64((next - clock.elapsed()).max(0.0))).await;
    }
    for verifier in verifiers {
        verifier.await.unwrap();
    }
    let (sqs_requests, chunks) = {
        let inner = queue.inner.lock().unwrap();
        (inner.requests, inner.chunks)
    };
    let work = std::mem::take(&mut *work.lock().unwrap());
    let busiest_second = sts.seconds.lock().unwrap().values().copied().max();
    let mut report = Report {
        units: table.units(),
        sqs_requests,
        chunks,
        invocations: work.invocations,
        verifier_seconds: work.seconds,
        checks: work.checks,
        calls: sts.calls.load(std::sync::atomic::Ordering::Relaxed),
        simulations: sts.simulations.load(std::sync::atomic::Ordering::Relaxed),
        throttled: sts.throttled.load(std::sync::atomic::Ordering::Relaxed),
        busiest_second: busiest_second.unwrap_or_default(),
        busiest_tick_calls: busiest_tick(&sts),
        ticks,
        waits,
        deleted_found: Vec::new(),
        loosened_found: Vec::new(),
        not_found: Vec::new(),
        wrong: Vec::new(),
        resident_mb: (resident_at_noon, resident_mb()),
        real_seconds: 0.0,
        never_verified: 0,
    };
    let began = clock_base(&clock);
    for number in table.written() {
        let connection = read(&store, number).await;
        if connection.state().status() == Status::Degraded && !plot.fates.contains_key(&number) {
            report.wrong.push(number);
        }
    }
    for (number, fate) in &plot.fates {
        let connection = read(&store, *number).await;
        match (fate, found(&connection, began)) {
            (Fate::Deleted(at), Some((ReasonCode::RoleGone, found))) => {
                report.deleted_found.push((found - at) / HOUR);
            }
            (Fate::Loosened(at), Some((ReasonCode::ExternalIdNotEnforced, found))) => {
                report.loosened_found.push((found - at) / HOUR);
            }
            (_, Some(_)) => report.wrong.push(*number),
            (fate, None) => report.not_found.push((*number, *fate)),
        }
    }
    // Whom the ledger says nothing of since a sweep and a tenth.
    let sweep = f64::from(plot.plan.slots * BUDGET.tick_seconds);
    let since = clock.now() - jiff::SignedDuration::from_secs_f64(sweep * (1.0 + 2.5 / 24.0));
    for number in (0..plot.connections).step_by((plot.connections / 500).max(1) as usize) {
        let made = read(&store, number).await;
        let known = verified.complete(made.clone()).await.unwrap();
        let is_known = known.last_verified_at() > Some(since);
        if made.state().status() == Status::Active && !is_known {
            report.never_verified += 1;
        }
    }
    report.real_seconds = real.elapsed().as_secs_f64();
    report
}

fn clock_base(clock: &SimClock) -> f64 {
    clock.now().as_millisecond() as f64 / 1_000.0 - clock.elapsed()
}

fn busiest_tick(sts: &SimSts) -> u64 {
    let mut ticks: BTreeMap<u64, u64> = BTreeMap::new();
    for (second, calls) in sts.seconds.lock().unwrap().iter() {
        *ticks.entry(second / u64::from(BUDGET.tick_seconds)).or_default() += calls;
    }
    ticks.values().copied().max().unwrap_or_default()
}

/// Why and when a connection was found to be broken, in seconds since the beginning.
fn found(connection: &Connection, began: f64) -> Option<(ReasonCode, f64)> {
    match connection.state() {
        State::Degraded { reason, since, .. } => {
            Some((reason.code, since.as_millisecond() as f64 / 1_000.0 - began))
        }
        _ => None,
    }
}
