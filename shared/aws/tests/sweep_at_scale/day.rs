//! A simulated day: the revalidator ticks, verifiers take chunks from the queue, roles change, STS fails.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex},
    time::{Duration, Instant as WallInstant},
};

use latchkey_aws::{dynamodb::DynamoDbStore, paced_sts::PacedSts, system::Cuid2Ids};
use latchkey_core::{
    domain::{
        connection::{Connection, State, Status},
        proof::{reason::ReasonCode, trust_report::OnOpenTrust},
        sweep::SweepPlan,
    },
    ports::{Clock as _, ConnectionStore as _},
    use_cases::{
        check_chunk::CheckChunk,
        last_verified::LastVerified,
        members::Members,
        probe_role::{ProbeRole, TrustRules},
        recheck_role::RecheckRole,
        revalidate::{Revalidate, SweepBudget},
    },
};
use latchkey_testing::{
    builders::{VENDOR_ACCOUNT, VENDOR_ROLE_PATH, account, created},
    dynamodb_stub::{Crowd, InProcess, Table, Units, number_of_sort_key},
    scripted_sts::tiers,
};

use crate::{
    queue::{SimQueue, Work, verify},
    sts::{Asked, Fate, SimSts},
    world::{SimClock, TENANT_SIZE, base, id_of, made, pattern, tenant_of},
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
/// How long each call of DynamoDB and SQS takes: the single-digit milliseconds that DynamoDB promises.
pub const LATENCY: Duration = Duration::from_millis(5);

/// What happens on the day; a quiet one by default.
#[derive(Default)]
pub struct Plot {
    pub connections: u32,
    pub hours: f64,
    pub fates: BTreeMap<u32, Fate>,
    /// Seconds of the outage of STS.
    pub outage: Range<f64>,
    /// Hours in which the schedule does not tick.
    pub silent: Range<f64>,
    /// Calls of STS that others make each second.
    pub others: u64,
}

#[derive(Debug)]
pub struct Report {
    pub units: Units,
    pub work: Work,
    pub asked: Asked,
    /// How long each tick's run of the revalidator waits for DynamoDB and SQS, in virtual seconds.
    pub waits: Vec<f64>,
    /// How long after its change each changed role was found, in hours.
    pub deleted_found: Vec<f64>,
    pub loosened_found: Vec<f64>,
    pub not_found: Vec<(u32, Fate)>,
    pub wrong: Vec<u32>,
    /// Memory of the process at noon and at the end, in MB.
    pub resident_mb: (f64, f64),
    pub real_seconds: f64,
    pub never_verified: usize,
}

fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1_024.0
}

fn store(stub: &InProcess, plan: SweepPlan) -> DynamoDbStore {
    DynamoDbStore::new(&stub.config(), "latchkey".to_owned(), 400, plan)
}

/// A table of so many connections, each as the adapter writes it.
pub async fn table_of(pattern: Connection, connections: u32, plan: SweepPlan) -> InProcess {
    let scratch = InProcess::new(Table::default(), LATENCY);
    let stored = store(&scratch, plan).insert(&pattern, &created(&pattern)).await;
    stored.unwrap();
    let original = scratch.table().connections().next().unwrap().1;
    let slot = move |number| plan.slot(&made(&pattern, number)).unwrap();
    let mut table = Table::default();
    table.gather(Crowd::new(original, connections, TENANT_SIZE, slot));
    InProcess::new(table, LATENCY)
}

/// A connection as it is now.
pub async fn read(store: &DynamoDbStore, number: u32) -> Connection {
    let stored = store.get(&tenant_of(number), &id_of(number)).await;
    stored.unwrap().unwrap()
}

/// Plays a day. Under Tokio's paused clock: time jumps to whatever is next.
pub async fn play(plan: SweepPlan, plot: Plot) -> Report {
    LocalSet::new().run_until(play_here(plan, plot)).await
}

async fn play_here(plan: SweepPlan, plot: Plot) -> Report {
    let real = WallInstant::now();
    let clock = Arc::new(SimClock::new());
    let stub = table_of(pattern(), plot.connections, plan).await;
    let store = Arc::new(store(&stub, plan));
    let sts = Arc::new(SimSts {
        clock: clock.clone(),
        fates: plot.fates.clone(),
        outage: plot.outage.clone(),
        others: plot.others,
        asked: Mutex::default(),
    });
    let queue = Arc::new(SimQueue {
        clock: clock.clone(),
        waiting: Mutex::default(),
        work: Mutex::default(),
    });
    let verified = LastVerified {
        ledger: store.clone(),
        plan,
    };
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
                    store: store.clone(),
                    ids: Arc::new(Cuid2Ids),
                    clock: clock.clone(),
                    tiers: tiers(),
                    trust: TrustRules {
                        vendor: account(VENDOR_ACCOUNT),
                        role_path: VENDOR_ROLE_PATH.parse().unwrap(),
                        on_open: OnOpenTrust::Refuse,
                    },
                }),
                verified: verified.clone(),
                members: Members {
                    store: store.clone(),
                    clock: clock.clone(),
                    caller: None,
                },
                clock: clock.clone(),
            };
            let chunks = CheckChunk {
                recheck: Arc::new(recheck),
                assumer: paced,
                queue: queue.clone(),
                ledger: store.clone(),
                clock: clock.clone(),
                concurrency: PROBE_CONCURRENCY,
            };
            spawn_local(verify(queue.clone(), chunks, end))
        })
        .collect();
    let revalidate = Revalidate {
        index: store.clone(),
        queue: queue.clone(),
        clock: clock.clone(),
        plan,
        budget: BUDGET,
    };
    let mut waits = Vec::new();
    let mut resident_at_noon = 0.0;
    let ticks = (end / f64::from(BUDGET.tick_seconds)) as u32;
    for tick in 0..ticks {
        let began = clock.elapsed();
        if !plot.silent.contains(&(began / HOUR)) {
            revalidate.run().await.unwrap();
            waits.push(clock.elapsed() - began);
        }
        if tick == ticks / 2 {
            resident_at_noon = resident_mb();
        }
        let next = f64::from(tick + 1) * f64::from(BUDGET.tick_seconds);
        tokio::time::sleep(Duration::from_secs_f64((next - clock.elapsed()).max(0.0))).await;
    }
    for verifier in verifiers {
        verifier.await.unwrap();
    }
    let mut report = Report {
        units: stub.table().take_units(),
        work: std::mem::take(&mut *queue.work.lock().unwrap()),
        asked: std::mem::take(&mut *sts.asked.lock().unwrap()),
        waits,
        deleted_found: Vec::new(),
        loosened_found: Vec::new(),
        not_found: Vec::new(),
        wrong: Vec::new(),
        resident_mb: (resident_at_noon, resident_mb()),
        real_seconds: 0.0,
        never_verified: 0,
    };
    judge(&mut report, &stub, &store, &plot).await;
    // Whom the ledger says nothing of since a sweep and a tenth.
    let sweep = f64::from(plan.slots * BUDGET.tick_seconds);
    let since = clock.now() - jiff::SignedDuration::from_secs_f64(sweep * (1.0 + 2.5 / 24.0));
    for number in (0..plot.connections).step_by((plot.connections / 500).max(1) as usize) {
        let connection = read(&store, number).await;
        let known = verified.complete(connection.clone()).await.unwrap();
        let is_known = known.last_verified_at() > Some(since);
        report.never_verified += usize::from(connection.state().status() == Status::Active && !is_known);
    }
    report.real_seconds = real.elapsed().as_secs_f64();
    report
}

/// Who was found, and who was wrongly judged.
async fn judge(report: &mut Report, stub: &InProcess, store: &DynamoDbStore, plot: &Plot) {
    let numbers = stub
        .table()
        .connections()
        .filter_map(|(sk, _)| number_of_sort_key(sk))
        .collect::<Vec<_>>();
    for number in numbers {
        let connection = read(store, number).await;
        if connection.state().status() == Status::Degraded && !plot.fates.contains_key(&number) {
            report.wrong.push(number);
        }
    }
    for (number, fate) in &plot.fates {
        let found = match read(store, *number).await.state() {
            State::Degraded { reason, since, .. } => {
                Some((reason.code, since.duration_since(base()).as_secs_f64()))
            }
            _ => None,
        };
        match (fate, found) {
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
}
