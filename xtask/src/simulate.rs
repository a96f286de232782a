//! Plays the simulated day of `shared/aws/tests/sweep_at_scale/` in several sizes and the week that it begins in the largest, and writes
//! down what came of it.

use std::{fmt::Write as _, fs, process::Command};

use crate::steps::{Error, cargo, root, run as step, target_dir};

/// The sizes that are played if nobody says which.
const SIZES: [&str; 4] = ["1000", "10000", "100000", "1000000"];
/// What the columns of a row are, in the order in which the simulation writes them.
const COLUMNS: [&str; 20] = [
    "connections",
    "checks",
    "STS calls a check",
    "busiest second, calls",
    "busiest tick, calls",
    "throttled",
    "deleted found",
    "latest after, h",
    "loosened found",
    "latest of them after, h",
    "no proof due yet",
    "wrong verdicts",
    "messages",
    "tick waits, median ms",
    "tick waits, longest ms",
    "tick, median ms",
    "tick, longest ms",
    "memory at noon, MB",
    "memory at the end, MB",
    "real time, s",
];
/// Where the plotted numbers stand in a row.
const CONNECTIONS: usize = 0;
const MEDIAN_TICK: usize = 15;
const LONGEST_TICK: usize = 16;
const REPORT: &str = "docs/benchmarks/sweep.md";
const PLOT: &str = "docs/benchmarks/sweep.svg";

/// Plays each size, and writes the report if it was all of the usual ones.
pub fn run(sizes: &[String]) -> Result<(), Error> {
    let is_usual = sizes.is_empty();
    let usual = SIZES.map(str::to_owned);
    let sizes = if is_usual { &usual[..] } else { sizes };
    let rows = target_dir().join("simulation-rows.txt");
    fs::write(&rows, "")?;
    let days = sizes.iter().map(|size| ("day", "on_a_bad_day", size));
    let week = sizes
        .last()
        .map(|size| ("week", "in_a_week_with_a_bad_day", size));
    for (time, test, size) in days.chain(week) {
        step(
            &format!("a {time} with {size} connections"),
            Command::new(cargo())
                .args(["test", "--quiet", "--locked", "--profile", "simulation"])
                .args(["--package", "latchkey-aws"])
                .args(["--test", "sweep_at_scale", "--", test, "--nocapture"])
                .env("LATCHKEY_SIMULATED_CONNECTIONS", size)
                .env("LATCHKEY_SIMULATION_ROWS", &rows),
        )?;
    }
    if is_usual {
        let rows = read(&fs::read_to_string(rows)?)?;
        fs::write(root().join(REPORT), report(&rows))?;
        fs::write(root().join(PLOT), plot(&rows[..SIZES.len()]))?;
    }
    Ok(())
}

fn read(text: &str) -> Result<Vec<Vec<f64>>, Error> {
    let row = |line: &str| -> Result<Vec<f64>, Error> {
        let numbers: Vec<f64> = line.split('\t').map(str::parse).collect::<Result<_, _>>()?;
        if numbers.len() == COLUMNS.len() {
            Ok(numbers)
        } else {
            Err(format!("the simulation wrote {} numbers", numbers.len()).into())
        }
    };
    text.lines().map(row).collect()
}

fn report(rows: &[Vec<f64>]) -> String {
    let mut text = String::from(
        "# A bad day of the sweep\n\nWritten by `cargo xtask simulate`. The real use cases and the real adapter of the table, over a stub that speaks DynamoDB's protocol (the local AWS is too slow for a million items), a stub of STS (20 ms, a quota of 600 calls a second) and \
         virtual time (`shared/aws/tests/sweep_at_scale/`): 26.5 hours in which 0.1 % of the roles are deleted and 0.05 % loosened within the first hour and a half, the schedule does not tick for an hour, and STS \
         is out for five minutes; and in the largest size the week that begins so, in which everybody's proof comes by. The run fails if a deleted role is found later than 24.6 hours after its change, if a loosened one is missed by a proof that was due (one sweep in seven), if anybody is wrongly judged, if STS throttles, if the pace is not kept, if memory grows in the second half, or if the \
         ledger does not know of somebody.\n\n![Time of a tick](sweep.svg)\n\nA tick's time is the virtual time in which it waits for DynamoDB and SQS, 5 ms for each call, and the real time in which it works (signatures and all, without the stub's own part, in a build with `opt-level = 1`). A tick reads one slot of 1,440: with a \
         million connections that is one page of 700 entries. The longest is the one that catches up on what waited. docs/benchmarks/measured.md has the re-validator's process, over a socket. Memory is that of the whole process, the stub's table and its answers included.\n\n| |",
    );
    for (at, row) in rows.iter().enumerate() {
        let time = if at < SIZES.len() { "" } else { ", a week" };
        let _ = write!(text, " {}{time} |", row[CONNECTIONS]);
    }
    text.push_str("\n|---|");
    text.push_str(&"---:|".repeat(rows.len()));
    text.push('\n');
    for (column, name) in COLUMNS.iter().enumerate().skip(1) {
        let _ = write!(text, "| {name} |");
        for row in rows {
            let number = row[column];
            let _ = match number.fract() == 0.0 {
                true => write!(text, " {number} |"),
                false => write!(text, " {number:.2} |"),
            };
        }
        text.push('\n');
    }
    text
}

/// Both axes are logarithmic: a flat line is a tick that takes the same whatever the number of connections, and one that climbs
/// by a decade with each decade a tick whose connections take the same each.
fn plot(rows: &[Vec<f64>]) -> String {
    /// Pixels of a factor of ten.
    const DECADE: f64 = 90.0;
    /// Where a thousand connections and a millisecond are.
    const ORIGIN: (f64, f64) = (80.0, 410.0);
    let x = |connections: f64| ORIGIN.0 + DECADE * (connections / 1_000.0).max(1.0).log10();
    let y = |ms: f64| ORIGIN.1 - DECADE * ms.max(1.0).log10();
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"480\" height=\"450\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <text x=\"8\" y=\"20\" font-weight=\"bold\">Time of a tick in ms, by the number of connections (logarithmic)</text>\n",
    );
    for (ms, label) in [
        (1.0, "1"),
        (10.0, "10"),
        (100.0, "100"),
        (1_000.0, "1,000"),
        (10_000.0, "10,000"),
    ] {
        let at = y(ms);
        let _ = writeln!(
            svg,
            "<line x1=\"80\" x2=\"400\" y1=\"{at}\" y2=\"{at}\" stroke=\"#ccc\"/><text x=\"74\" y=\"{}\" text-anchor=\"end\" fill=\"#666\">{label}</text>",
            at + 4.0
        );
    }
    for (column, colour, name) in [
        (MEDIAN_TICK, "#3182bd", "median"),
        (LONGEST_TICK, "#e6550d", "longest"),
    ] {
        let points: Vec<String> = rows
            .iter()
            .map(|row| format!("{:.1},{:.1}", x(row[CONNECTIONS]), y(row[column])))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            points.join(" ")
        );
        if let Some(last) = rows.last() {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{name}</text>",
                x(last[CONNECTIONS]) + 8.0,
                y(last[column]) + 4.0
            );
        }
    }
    for row in rows {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"430\" text-anchor=\"middle\" fill=\"#666\">{}</text>",
            x(row[CONNECTIONS]),
            row[CONNECTIONS]
        );
    }
    svg.push_str("</svg>\n");
    svg
}
