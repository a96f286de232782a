//! What a day came to, for people and for `cargo xtask simulate`.

use std::io::Write as _;

use crate::day::Report;

fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

pub fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Adds a row to the file that `LATCHKEY_SIMULATION_ROWS` names, if it does: numbers between tabs.
pub fn write_row(connections: u32, report: &Report) {
    let Ok(path) = std::env::var("LATCHKEY_SIMULATION_ROWS") else {
        return;
    };
    let row = [
        f64::from(connections),
        report.checks as f64,
        report.calls as f64 / report.checks as f64,
        report.busiest_second as f64,
        report.busiest_tick_calls as f64,
        report.throttled as f64,
        report.deleted_found.len() as f64,
        most(&report.deleted_found),
        report.loosened_found.len() as f64,
        most(&report.loosened_found),
        report.not_found.len() as f64,
        report.wrong.len() as f64,
        report.chunks as f64,
        1_000.0 * median(&report.waits),
        1_000.0 * most(&report.waits),
        1_000.0 * median(&report.ticks),
        1_000.0 * most(&report.ticks),
        report.resident_mb.0,
        report.resident_mb.1,
        report.real_seconds,
    ];
    let row: Vec<String> = row.iter().map(ToString::to_string).collect();
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    writeln!(file, "{}", row.join("\t")).unwrap();
}

/// Prints a day's report.
#[expect(clippy::print_stdout, reason = "the report is what one runs this for")]
pub fn show(connections: u32, report: &Report) {
    println!("connections        {connections}");
    println!("checks             {}", report.checks);
    println!(
        "STS calls          {} ({:.2} a check)",
        report.calls,
        report.calls as f64 / report.checks as f64
    );
    println!(
        "busiest second     {} calls, busiest tick {}",
        report.busiest_second, report.busiest_tick_calls
    );
    println!("throttled          {}", report.throttled);
    println!(
        "deleted found      {}, after {:.1} h on average, {:.1} h at most",
        report.deleted_found.len(),
        mean(&report.deleted_found),
        most(&report.deleted_found)
    );
    println!(
        "loosened found     {}, after {:.1} h at most; {} had no proof due yet",
        report.loosened_found.len(),
        most(&report.loosened_found),
        report.not_found.len()
    );
    println!("wrong verdicts     {}", report.wrong.len());
    println!(
        "messages           {} ({} invocations, {:.0} verifier seconds)",
        report.chunks, report.invocations, report.verifier_seconds
    );
    println!(
        "tick               median {:.2} ms, most {:.2} ms",
        1_000.0 * median(&report.ticks),
        1_000.0 * most(&report.ticks)
    );
    println!(
        "tick, waiting      median {:.2} ms, most {:.2} ms",
        1_000.0 * median(&report.waits),
        1_000.0 * most(&report.waits)
    );
    println!(
        "memory             {:.0} MB at noon, {:.0} MB at the end",
        report.resident_mb.0, report.resident_mb.1
    );
    println!("units              {:?}", report.units);
    println!("real time          {:.1} s", report.real_seconds);
}
