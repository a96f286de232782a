//! The sweep at scale: a simulated day with everything that goes wrong on a bad one, the week that it begins, and what
//! it costs.
//!
//! The real use cases and the real adapter of the table run over the stub of DynamoDB, a stub of STS (`sts.rs`) and
//! virtual time. The day has 10,000 connections in CI; `cargo xtask simulate` plays it with as many as it is told to.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "this is a test, and it stops at what it did not expect"
)]
mod cost;
mod day;
mod queue;
mod sts;
mod world;

use std::collections::BTreeMap;

use latchkey_aws::dynamodb::DynamoDbStore;
use latchkey_core::{
    domain::{
        connection::Connection,
        sweep::{Group, SweepPlan, tick_at},
    },
    ports::{Change, Conflict, ConnectionStore as _, SweepIndex as _},
};
use latchkey_testing::builders::altered;
use serde_json::json;

use day::{BUDGET, HOUR, LATENCY, PLAN, Plot, Report, play, read, table_of};
use sts::Fate;
use world::{base, id_of, made, pattern};

/// Connections of the day in CI.
const MANY: u32 = 10_000;
/// Calls that a tick waits for one after the other, however many connections there are: the cursor, a page of each group,
/// the messages, side by side, and the cursor again.
const CALLS_OF_A_TICK: u32 = 5;
/// Where most ticks find degraded connections, too, their messages are one more.
const SOMEBODY_IS_DEGRADED: u32 = 50_000;
/// How much later than after a sweep somebody may be reached when ticks were missed, as a part of the sweep.
const LATE: f64 = 0.02;
/// How long STS is out, in seconds.
const OUTAGE: f64 = 300.0;
/// What memory may grow by in the second half of a run, as a factor and in MB: findings are kept until its end.
const MORE_MEMORY: f64 = 1.2;
const SOME_MB: f64 = 2.0;
/// The short sweep of the week, where a day is of 24 minutes.
const SHORT: SweepPlan = SweepPlan {
    slots: 24,
    degraded_slots: 6,
};

/// How long a sweep takes, in hours.
fn sweep_hours(plan: SweepPlan) -> f64 {
    f64::from(plan.slots * BUDGET.tick_seconds) / HOUR
}

/// Days of a sweep each, and a tenth of one more, of which the first is bad. In its first hour and a half of 24 one role
/// in `one_in` is deleted and one in twice as many loosened, spread over all numbers.
fn bad_days(connections: u32, plan: SweepPlan, days: u32, one_in: u32) -> Plot {
    let within = plan.slots * BUDGET.tick_seconds / 16;
    let change = |number: u32| f64::from(number.wrapping_mul(2_654_435_761) % within);
    let deleted = (7..connections).step_by(one_in as usize);
    let loosened = (13..connections).step_by(2 * one_in as usize);
    let mut fates: BTreeMap<_, _> = deleted
        .map(|number| (number, Fate::Deleted(change(number))))
        .collect();
    fates.extend(loosened.map(|number| (number, Fate::Loosened(change(number)))));
    let day = sweep_hours(plan);
    let outage = day * HOUR * 10.0 / 24.0;
    Plot {
        connections,
        hours: day * (f64::from(days) + 2.5 / 24.0),
        fates,
        outage: outage..outage + OUTAGE,
        silent: day * 15.0 / 24.0..day * 16.0 / 24.0,
        others: 0,
    }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// What must hold of each run: what was changed is found in time, nobody is wrongly judged, and the quota is kept.
fn check_findings(plan: SweepPlan, report: &Report) {
    assert!(report.wrong.is_empty(), "wrongly judged: {:?}", report.wrong);
    let bound = sweep_hours(plan) * (1.0 + LATE) + OUTAGE / HOUR;
    for hours in &report.deleted_found {
        assert!(*hours <= bound, "a deleted role was found after {hours} hours");
    }
    let allowed = u64::from(BUDGET.calls_per_second);
    let seconds = u64::from(BUDGET.tick_seconds);
    let (second, tick) = (report.asked.busiest(1), report.asked.busiest(seconds));
    assert!(second <= allowed + allowed / 5, "{second} calls in a second");
    assert!(tick <= allowed * seconds, "{tick} calls in a tick");
    assert_eq!(report.asked.throttled, 0, "the quota was never reached");
    assert_eq!(report.never_verified, 0, "the ledger knows of everybody");
}

/// What must hold of every bad day, whatever its size.
fn check_day(connections: u32, report: &Report) {
    check_findings(PLAN, report);
    let pattern = pattern();
    for (number, fate) in &report.not_found {
        let Fate::Loosened(at) = fate else {
            panic!("the deleted role of {number} was not found");
        };
        // Its proof was not due in the sweep that came by after the change.
        let first = (*at / f64::from(BUDGET.tick_seconds)).ceil() as i64;
        let first = first + tick_at(base(), BUDGET.tick_seconds);
        let slot = PLAN.slot(&made(&pattern, *number)).unwrap();
        let due = (first + 1..first + i64::from(PLAN.slots)).any(|tick| {
            PLAN.slot_at(Group::Active, tick) == slot
                && PLAN.is_due_for_proof(&id_of(*number), tick, BUDGET.proof_every)
        });
        assert!(
            !due,
            "the loosened role of {number} was not found when its proof was due"
        );
    }
    let waited = median(&report.waits);
    let calls = CALLS_OF_A_TICK + u32::from(connections >= SOMEBODY_IS_DEGRADED);
    let few_calls = f64::from(calls) * LATENCY.as_secs_f64();
    assert!(
        waited < few_calls + 1e-3,
        "a tick waited {waited} s for its calls"
    );
}

#[expect(clippy::print_stdout, reason = "the table is what one runs this for")]
fn show(connections: u32, report: &Report) {
    let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let Report {
        work, asked, waits, ..
    } = report;
    let rows = [
        ("connections", f64::from(connections)),
        ("checks", work.checks as f64),
        ("STS calls a check", asked.calls() as f64 / work.checks as f64),
        ("STS calls in the busiest second", asked.busiest(1) as f64),
        ("deleted roles found", report.deleted_found.len() as f64),
        ("the latest after hours", most(&report.deleted_found)),
        ("loosened roles found", report.loosened_found.len() as f64),
        ("the latest after hours", most(&report.loosened_found)),
        ("their proof not due yet", report.not_found.len() as f64),
        ("wrong verdicts", report.wrong.len() as f64),
        ("messages", work.chunks as f64),
        ("a tick waits, median ms", 1e3 * median(waits)),
        ("a tick waits, longest ms", 1e3 * most(waits)),
        ("memory at noon, MB", report.resident_mb.0),
        ("memory at the end, MB", report.resident_mb.1),
        ("real seconds", report.real_seconds),
    ];
    for (name, value) in rows {
        println!("| {name} | {} |", (value * 100.0).round() / 100.0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_day_finds_every_changed_role_in_time() {
    let simulated = std::env::var("LATCHKEY_SIMULATED_CONNECTIONS").ok();
    let connections = simulated.as_ref().map_or(MANY, |number| number.parse().unwrap());
    let report = play(PLAN, bad_days(connections, PLAN, 1, 1_000)).await;
    show(connections, &report);
    check_day(connections, &report);
    if simulated.is_some() {
        // Nothing else runs in its process.
        let (noon, end) = report.resident_mb;
        let is_steady = noon > 0.0 && end <= noon * MORE_MEMORY + SOME_MB;
        assert!(is_steady, "{noon} MB at noon, {end} MB at the end");
    }
}

#[tokio::test(start_paused = true)]
async fn a_week_with_a_bad_day_finds_every_changed_role() {
    let report = play(SHORT, bad_days(6_000, SHORT, BUDGET.proof_every, 100)).await;
    check_findings(SHORT, &report);
    assert!(report.not_found.is_empty(), "not found: {:?}", report.not_found);
}

#[tokio::test(start_paused = true)]
async fn a_used_up_quota_slows_the_sweep_and_judges_nobody() {
    let plot = Plot {
        connections: 1_500,
        hours: 6.0,
        others: sts::QUOTA - 20,
        ..Plot::default()
    };
    let report = play(PLAN, plot).await;
    assert!(report.wrong.is_empty());
    assert!(report.work.checks > 200, "it goes on: {}", report.work.checks);
    let (throttled, calls) = (report.asked.throttled, report.asked.calls());
    assert!(
        throttled < calls / 4,
        "it runs against the wall: {throttled} of {calls}"
    );
}

#[tokio::test]
async fn a_made_connection_is_read_changed_once_and_swept() {
    let pattern = pattern();
    let stub = table_of(pattern.clone(), 40, PLAN).await;
    let store = DynamoDbStore::new(&stub.config(), "latchkey".to_owned(), 400, PLAN);
    let before = read(&store, 23).await;
    assert_eq!(before, made(&pattern, 23));
    let with_version = |more| altered(&before, json!({ "version": before.version() + more }));
    let (stale, after) = (with_version(7), with_version(1));
    let commit = async |before: &Connection| {
        let committed = store.commit(Change::new(before, &after)).await;
        committed.map_err(|error| error.conflict().unwrap())
    };
    assert_eq!(commit(&stale).await, Err(Conflict::ConnectionChanged));
    assert_eq!(stub.table().connections().count(), 0);
    assert_eq!(commit(&before).await, Ok(()));
    assert_eq!(
        commit(&before).await,
        Err(Conflict::ConnectionChanged),
        "once is enough"
    );
    assert_eq!(read(&store, 23).await, after);
    // Written or made, it is in its slot once.
    let page = store.slot_page(&PLAN.slot(&after).unwrap(), None).await.unwrap();
    let found = page
        .members
        .iter()
        .filter(|member| member.connection_id == *after.id());
    assert_eq!(found.count(), 1);
}
