//! What a million connections cost: counted calls × list prices of us-east-1. `docs/COST.md` is made from it.

use std::{collections::BTreeMap, fmt::Write as _, fs};

use latchkey_core::domain::sweep::SweepPlan;

use crate::day::{BUDGET, HOUR, PLAN, Plot, Report, play};

/// The variable that has the document written anew.
const LATCHKEY_WRITE_COST: &str = "LATCHKEY_WRITE_COST";
const DAYS: f64 = 30.0;
/// List prices in USD, us-east-1.
const LAMBDA_REQUEST: f64 = 0.20e-6;
const LAMBDA_GB_SECOND: f64 = 0.000_013_3;
const SQS_REQUEST: f64 = 0.40e-6;
const WRITE_UNIT: f64 = 0.625e-6;
const READ_UNIT: f64 = 0.125e-6;
/// Memory of the functions, in GB (`MemorySize` in template.yaml).
const GB: f64 = 0.25;
/// Lambda keeps five pollers at a queue, each waiting 20 s for messages.
const POLLS_A_MONTH: f64 = 5.0 * 3.0 * 60.0 * 24.0 * DAYS;
/// Billed time of a tick with nothing to do, in seconds, and of each message that a tick sends: `cargo xtask bench` has 29 ms with
/// 2 of them CPU time, of which 256 MB has a seventh.
const TICK_SECONDS: f64 = 0.05;
const SEND_SECONDS: f64 = 0.02;
/// A million and ten million connections, each of which is counted in some of its slots.
const MILLION: f64 = 1e6;
const TEN_MILLION: f64 = 1e7;
const SLOTS_OF_A_MILLION: u32 = 28;
const SLOTS_OF_TEN_MILLION: u32 = 4;
const SIZES: [f64; 4] = [1e3, 1e5, MILLION, TEN_MILLION];

type Count = fn(&PerCheck) -> f64;

/// What one daily check takes, on average over a week.
#[derive(Debug, Clone, Copy)]
pub struct PerCheck {
    pub sts_calls: f64,
    pub iam_calls: f64,
    pub messages: f64,
    pub sqs_requests: f64,
    pub index_read_units: f64,
    pub read_units: f64,
    pub ledger_write_units: f64,
    pub write_units: f64,
    pub verifier_seconds: f64,
}

impl PerCheck {
    pub fn of(report: &Report) -> Self {
        let Report {
            units, work, asked, ..
        } = report;
        let per = |value: f64| value / work.checks as f64;
        Self {
            sts_calls: per(asked.calls() as f64),
            iam_calls: per(asked.simulations as f64),
            messages: per(work.chunks as f64),
            sqs_requests: per(work.sqs_requests as f64),
            index_read_units: per(units.index_reads),
            read_units: per(units.gets as f64),
            ledger_write_units: per(units.ledger_writes),
            write_units: per(2.0 * units.commits as f64),
            verifier_seconds: per(work.verifier_seconds),
        }
    }

    fn monthly(&self, connections: f64) -> BTreeMap<&'static str, f64> {
        let checks = connections * DAYS;
        let ticks = f64::from(PLAN.slots) * DAYS;
        // A slot with few connections is one message, one query and one line of the ledger all the same.
        let messages = (checks * self.messages).max(ticks.min(checks));
        let scale = messages / (checks * self.messages);
        BTreeMap::from([
            (
                "Lambda, verifier",
                messages * LAMBDA_REQUEST + checks * self.verifier_seconds * GB * LAMBDA_GB_SECOND,
            ),
            (
                "Lambda, revalidator",
                ticks * LAMBDA_REQUEST
                    + (ticks * TICK_SECONDS + messages * SEND_SECONDS) * GB * LAMBDA_GB_SECOND,
            ),
            (
                "SQS",
                (checks * self.sqs_requests * scale + POLLS_A_MONTH) * SQS_REQUEST,
            ),
            (
                "DynamoDB reads",
                (checks * (self.index_read_units + self.read_units) + ticks * 2.0) * READ_UNIT,
            ),
            (
                "DynamoDB writes",
                (checks * self.ledger_write_units * scale + checks * self.write_units + ticks) * WRITE_UNIT,
            ),
        ])
    }
}

/// The straightforward design: a message, an invocation's share of a batch of ten, a read, three calls of STS one after
/// the other of 20 ms, and a write of a connection (2 KB, and its index entry) for each check.
fn straightforward(connections: f64) -> BTreeMap<&'static str, f64> {
    let checks = connections * DAYS;
    BTreeMap::from([
        (
            "Lambda, verifier",
            checks / 10.0 * LAMBDA_REQUEST + checks * 0.1 * GB * LAMBDA_GB_SECOND,
        ),
        (
            "Lambda, revalidator",
            checks / 10.0 * 0.01 * GB * LAMBDA_GB_SECOND,
        ),
        ("SQS", (checks * 0.3 + POLLS_A_MONTH) * SQS_REQUEST),
        ("DynamoDB reads", checks * 1.5 * READ_UNIT),
        ("DynamoDB writes", checks * 2.0 * WRITE_UNIT),
    ])
}

fn total(costs: &BTreeMap<&'static str, f64>) -> f64 {
    costs.values().sum()
}

/// What each size comes to, from the count whose slots are as full.
fn monthly(million: &PerCheck, ten_million: &PerCheck) -> Vec<BTreeMap<&'static str, f64>> {
    let of = |size: f64| if size > MILLION { ten_million } else { million };
    SIZES.iter().map(|size| of(*size).monthly(*size)).collect()
}

fn document(million: &PerCheck, ten_million: &PerCheck) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{HEAD}");
    let rows: [(&str, Count); 9] = [
        ("STS calls", |counted| counted.sts_calls),
        ("IAM simulations", |counted| counted.iam_calls),
        ("messages of the sweep", |counted| counted.messages),
        ("SQS requests", |counted| counted.sqs_requests),
        ("read units of the index", |counted| counted.index_read_units),
        ("reads of a connection", |counted| counted.read_units),
        ("write units of the ledger", |counted| counted.ledger_write_units),
        ("write units of connections", |counted| counted.write_units),
        ("seconds of a verifier", |counted| counted.verifier_seconds),
    ];
    let _ = writeln!(
        text,
        "| for one daily check, counted | of a million | of ten million |\n|---|---:|---:|"
    );
    for (name, value) in rows {
        let _ = writeln!(
            text,
            "| {name} | {:.4} | {:.4} |",
            value(million),
            value(ten_million)
        );
    }
    let _ = writeln!(
        text,
        "\n## A month\n\nIn USD, {DAYS} sweeps, every connection checked in each.\n"
    );
    let _ = writeln!(text, "| | 1 k | 100 k | 1 M | 10 M |\n|---|---:|---:|---:|---:|");
    let ours = monthly(million, ten_million);
    let other: Vec<_> = SIZES.iter().map(|size| straightforward(*size)).collect();
    for name in ours[0].keys() {
        let cells: Vec<String> = ours.iter().map(|costs| format!("{:.2}", costs[name])).collect();
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    }
    let line = |costs: &[BTreeMap<&'static str, f64>]| {
        let cells: Vec<String> = costs
            .iter()
            .map(|costs| format!("**{:.2}**", total(costs)))
            .collect();
        cells.join(" | ")
    };
    let _ = writeln!(text, "| **Latchkey** | {} |", line(&ours));
    let _ = writeln!(text, "| **the straightforward design** | {} |", line(&other));
    let ratios: Vec<String> = ours
        .iter()
        .zip(&other)
        .map(|(ours, other)| match total(other) / total(ours) {
            ratio if ratio < 2.0 => format!("{:.1}", 1.0 / ratio),
            ratio => format!("1/{ratio:.0}"),
        })
        .collect();
    let _ = writeln!(text, "| ratio | {} |", ratios.join(" | "));
    let (tick, send) = (TICK_SECONDS * 1e3, SEND_SECONDS * 1e3);
    let ticks = format!("a tick each minute, {tick} ms and {send} ms for each message that it sends");
    let _ = writeln!(text, "{}", TAIL.replace("{ticks}", &ticks));
    text
}

const HEAD: &str = "# What the sweep costs

Made by `shared/aws/tests/sweep_at_scale/cost.rs` from counted calls, and checked by it: a call more per check, or another size of a message, makes the test fail until this
file is written anew (`LATCHKEY_WRITE_COST=1 cargo nextest run -p latchkey-aws --test sweep_at_scale`).

## Counted

A quiet sweep over the real use cases, with as many connections in a slot as a million or ten million have: all are as they should be, each is entered once and a seventh of them proven.
";
const TAIL: &str = "
## How

- Prices (list, us-east-1): Lambda 0.20 a million requests and 0.0000133 a GB-second (arm64, 0.25 GB); SQS 0.40 a million requests of 64 KB; DynamoDB on demand
  0.625 a million write units (1 KB) and 0.125 a million read units (4 KB, twice as much where an older state will do).
- Verifier: messages × request + checks × seconds × 0.25 GB. Its time is waiting: for STS (20 ms a call) and for its turn (150 calls a second each, two verifiers).
- Revalidator: {ticks}.
- SQS: each message is sent, received and deleted, by 64 KB; and Lambda's five pollers ask an empty queue three times a minute all month: 0.26, whatever the size.
- DynamoDB: the index is read in pages of 1 MB; a proof reads its connection; each chunk writes its line of the ledger; each tick reads and writes the cursor.
- Not in it: storage, which is the same in both designs (a connection has about 3 KB with its index entry and claims: 0.75 a month for a million); logs (one line of 300 bytes a chunk here, one a check there); what
  broken connections cost (a read, five calls and a write for each of their checks).
- STS and IAM cost nothing; what bounds them is the quota.
- **The straightforward design**, for comparison: a message that is sent, received and deleted in batches of ten, a tenth of an invocation of ten messages that takes 100 ms a message at 0.25 GB, a read (and the index), three
  calls of STS and a write of 2 units for each check. With a thousand connections both cost what polling an empty queue costs, and ours the ticks that find nobody.
- Ticks of a minute, rather than of five (`SweepTickMinutes` 5, `SweepSlots` 288), cost nine cents a month up to some hundred thousand connections, and nothing with a million: the ledger's items, whose size is billed with each line, are smaller.
";

#[tokio::test(start_paused = true)]
async fn the_document_of_costs_is_what_the_counted_calls_come_to() {
    let million = counted(MILLION, SLOTS_OF_A_MILLION).await;
    let ten_million = counted(TEN_MILLION, SLOTS_OF_TEN_MILLION).await;
    let month = total(&million.monthly(MILLION));
    assert!(month < 5.0, "a million connections cost {month} USD a month");
    assert!(total(&straightforward(MILLION)) / month > 20.0);
    let (path, made) = (
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/COST.md"),
        document(&million, &ten_million),
    );
    if std::env::var(LATCHKEY_WRITE_COST).is_ok() {
        fs::write(path, &made).unwrap();
    }
    assert_eq!(
        fs::read_to_string(path).unwrap_or_default(),
        made,
        "docs/COST.md is stale"
    );
}

/// A quiet sweep over `slots` slots that are as full as those of a deployment with `connections`.
async fn counted(connections: f64, slots: u32) -> PerCheck {
    let number = (connections / f64::from(PLAN.slots)) as u32 * slots;
    let quiet = Plot {
        connections: number,
        hours: f64::from(slots * BUDGET.tick_seconds) / HOUR,
        ..Plot::default()
    };
    let report = play(SweepPlan { slots, ..PLAN }, quiet).await;
    let (checks, proofs) = (report.work.checks, report.units.gets);
    assert_eq!(checks, u64::from(number), "everybody once in a sweep");
    assert_eq!(report.units.commits, 0, "no write for whom is well");
    assert_eq!(report.units.records, report.work.chunks);
    // What a check needs: a look is one call and nothing else; a proof five calls, two simulations and a read.
    assert_eq!(report.asked.calls(), (checks - proofs) + 5 * proofs);
    assert_eq!(report.asked.simulations, 2 * proofs);
    assert!(
        (proofs as f64 * 7.0 / checks as f64 - 1.0).abs() < 0.1,
        "{proofs}"
    );
    assert_eq!(report.work.invocations, report.work.chunks);
    PerCheck::of(&report)
}
