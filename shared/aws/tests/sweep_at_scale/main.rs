//! The sweep at scale: a simulated day with everything that goes wrong on a bad one, the week that it begins, and what it costs.
//!
//! The real use cases and the real adapter of the table run over a table in memory (`table.rs`) that DynamoDB's protocol is
//! spoken over (`wire.rs`), a stub of STS (`sts.rs`) and virtual time. In CI with
//! a few thousand connections; `cargo xtask simulate` plays it with up to a million and writes docs/benchmarks/sweep.md.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "this is a test, and it stops at what it did not expect"
)]
mod cost;
mod day;
mod expression;
mod report;
mod sts;
mod table;
mod wire;
mod world;

use std::collections::BTreeMap;

use latchkey_core::domain::sweep::{Group, SweepPlan, tick_at};

use day::{BUDGET, HOUR, LATENCY, PLAN, Plot, Report, play};
use report::{median, show, write_row};
use sts::Fate;
use world::id_of;

/// Connections of the run in CI.
const FEW: u32 = 3_000;
/// Calls that a tick waits for one after the other, however many connections there are: the cursor, a page of each group, the
/// messages, side by side, and the cursor again.
const CALLS_OF_A_TICK: u32 = 5;
/// Where most ticks find degraded connections, too, their messages are one more.
const SOMEBODY_IS_DEGRADED: u32 = 50_000;
/// How much later than after a sweep somebody may be reached when ticks were missed, as a part of the sweep.
const LATE: f64 = 0.02;
/// How long STS is out, in seconds.
const OUTAGE: f64 = 300.0;
/// One connection in so many loses its role on a bad day, and one in twice as many has it loosened.
const ONE_IN: u32 = 1_000;
/// The same in the week in CI.
const ONE_IN_OF_THE_SHORT: u32 = 100;
/// What memory may grow by in the second half of a run, as a factor and in MB: findings are kept until its end.
const MORE_MEMORY: f64 = 1.2;
const SOME_MB: f64 = 2.0;
/// Connections of the week in CI.
const SOME: u32 = 6_000;
/// The short sweep of that week, where a day is of 24 minutes.
const SHORT: SweepPlan = SweepPlan {
    slots: 24,
    degraded_slots: 6,
};

/// How long a sweep takes, in hours.
fn sweep_hours(plan: SweepPlan) -> f64 {
    f64::from(plan.slots * BUDGET.tick_seconds) / HOUR
}

/// One role in `one_in` is deleted and one in twice as many loosened in the first hour and a half of 24, spread over all numbers.
fn fates(connections: u32, plan: SweepPlan, one_in: u32) -> BTreeMap<u32, Fate> {
    let mut fates = BTreeMap::new();
    let within = plan.slots * BUDGET.tick_seconds / 16;
    let change = |number: u32| f64::from(number.wrapping_mul(2_654_435_761) % within);
    for number in (7..connections).step_by(one_in as usize) {
        fates.insert(number, Fate::Deleted(change(number)));
    }
    for number in (13..connections).step_by(2 * one_in as usize) {
        fates.insert(number, Fate::Loosened(change(number)));
    }
    fates
}

/// A bad day is as long as a sweep and a tenth; `days` of them, of which the first is bad.
fn bad_days(connections: u32, plan: SweepPlan, days: u32, one_in: u32) -> Plot {
    let day = sweep_hours(plan);
    let outage = day * HOUR * 10.0 / 24.0;
    Plot {
        connections,
        plan,
        hours: day * (f64::from(days) + 2.5 / 24.0),
        fates: fates(connections, plan, one_in),
        outage: outage..outage + OUTAGE,
        silent: day * 15.0 / 24.0..day * 16.0 / 24.0,
        others: 0,
    }
}

/// How many connections are to be simulated, if somebody says it.
fn simulated() -> Option<u32> {
    let number = std::env::var("LATCHKEY_SIMULATED_CONNECTIONS").ok()?;
    Some(number.parse().unwrap())
}

/// What must hold of the memory of a run that has its process to itself.
fn check_memory(report: &Report) {
    let (noon, end) = report.resident_mb;
    assert!(
        noon > 0.0 && end <= noon * MORE_MEMORY + SOME_MB,
        "{noon} MB at noon, {end} MB at the end"
    );
}

/// What must hold of each run: what was changed is found in time, nobody is wrongly judged, and the quota is kept.
fn check_findings(plan: SweepPlan, report: &Report) {
    assert!(report.wrong.is_empty(), "wrongly judged: {:?}", report.wrong);
    let bound = sweep_hours(plan) * (1.0 + LATE) + OUTAGE / HOUR;
    for hours in &report.deleted_found {
        assert!(*hours <= bound, "a deleted role was found after {hours} hours");
    }
    let allowed = u64::from(BUDGET.calls_per_second);
    assert!(
        report.busiest_second <= allowed + allowed / 5,
        "{} calls in a second",
        report.busiest_second
    );
    assert!(
        report.busiest_tick_calls <= allowed * u64::from(BUDGET.tick_seconds),
        "{} calls in a tick",
        report.busiest_tick_calls
    );
    assert_eq!(report.throttled, 0, "the quota was never reached");
    assert_eq!(report.never_verified, 0, "the ledger knows of everybody");
}

/// What must hold of every bad day, whatever its size.
fn check_day(connections: u32, report: &Report) {
    check_findings(PLAN, report);
    for (number, fate) in &report.not_found {
        let Fate::Loosened(at) = fate else {
            panic!("the deleted role of {number} was not found");
        };
        // Its proof was not due in the sweep that came by after the change.
        let first = (*at / f64::from(BUDGET.tick_seconds)).ceil() as i64 + epoch_ticks();
        let slot = slot_of(*number);
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

/// The number of the tick at which a simulated day begins.
fn epoch_ticks() -> i64 {
    let base: jiff::Timestamp = "2026-08-03T00:00:00Z".parse().unwrap();
    tick_at(base, BUDGET.tick_seconds)
}

fn slot_of(number: u32) -> String {
    let pattern = world::pattern("2026-08-03T00:00:00Z".parse().unwrap());
    PLAN.slot(&world::made(&pattern, number)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn on_a_bad_day_every_changed_role_is_found_in_time_and_none_is_wrongly_degraded() {
    let connections = simulated().unwrap_or(FEW);
    let report = play(bad_days(connections, PLAN, 1, ONE_IN)).await;
    show(connections, &report);
    check_day(connections, &report);
    if simulated().is_some() {
        check_memory(&report);
    }
    write_row(connections, &report);
}

#[tokio::test(start_paused = true)]
async fn in_a_week_with_a_bad_day_every_changed_role_is_found_in_time() {
    let (connections, plan, one_in) = match simulated() {
        Some(number) => (number, PLAN, ONE_IN),
        None => (SOME, SHORT, ONE_IN_OF_THE_SHORT),
    };
    let report = play(bad_days(connections, plan, BUDGET.proof_every, one_in)).await;
    show(connections, &report);
    check_findings(plan, &report);
    assert!(report.not_found.is_empty(), "not found: {:?}", report.not_found);
    if simulated().is_some() {
        check_memory(&report);
    }
    write_row(connections, &report);
}

#[tokio::test(start_paused = true)]
async fn where_others_use_up_the_quota_the_sweep_slows_down_and_judges_nobody() {
    let mut plot = bad_days(1_500, PLAN, 1, ONE_IN);
    plot.others = sts::QUOTA - 20;
    plot.fates = BTreeMap::new();
    plot.hours = 6.0;
    plot.outage = 0.0..0.0;
    plot.silent = 0.0..0.0;
    let report = play(plot).await;
    assert!(report.wrong.is_empty());
    assert!(report.checks > 200, "it goes on: {}", report.checks);
    assert!(
        report.throttled < report.calls / 4,
        "it does not run against the wall: {} of {}",
        report.throttled,
        report.calls
    );
}
