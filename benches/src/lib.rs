//! Measures what starting and working costs the functions: docs/benchmarks/README.md. On Linux only.
#![cfg(target_os = "linux")]

mod machine;
mod onboarding;
mod process;
mod reads;
mod report;
mod scenes;
mod starts;
mod stub;
mod subjects;
mod throughput;
mod ticks;

use std::io::Write as _;

pub use latchkey_testing::Error;
use lexopt::ValueExt as _;

use report::{Limit, Report};
use scenes::{Proof, Scenes};
use starts::{Case, Measured};
use stub::Stub;
use subjects::{EMPTY, FUNCTIONS, Places};

const USAGE: &str =
    "latchkey-bench [--rounds N] [--check]   measures and prints a table; --check fails if a bar is missed";
const ROUNDS: usize = 30;
/// How often each of our functions has its turn in a round: a start of a few milliseconds is disturbed by more than one of
/// hundreds, as the peers' are.
const TURNS: usize = 3;
/// The listener's events, in the table.
const QUEUED: &str = "request queued";
const REFUSED: &str = "request refused";

pub fn say(text: &str) {
    // Nobody is left to tell where stderr is closed.
    let _ = writeln!(std::io::stderr(), "▸ {text}");
}

/// Does what the arguments say. Whether every bar is met, or nobody asked.
pub async fn run() -> Result<bool, Error> {
    let (mut rounds, mut is_check) = (ROUNDS, false);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("rounds") => rounds = arguments.value()?.string()?.parse()?,
            lexopt::Arg::Long("check") => is_check = true,
            other => return Err(format!("{}\n\n{USAGE}", other.unexpected()).into()),
        }
    }
    let places = Places::find()?;
    let report = measure(&places, rounds).await?;
    writeln!(
        std::io::stdout(),
        "{}",
        report.markdown(&machine::facts(&places, rounds))
    )?;
    Ok(!is_check || report.is_met())
}

async fn measure(places: &Places, rounds: usize) -> Result<Report, Error> {
    let mut report = Report::default();
    let stub = Stub::start(&places.authority).await?;
    say("a connection is made, for the functions to work on");
    let scenes = Scenes::play(&stub, places).await?;
    let cases = cases(places, &stub, &scenes)?;
    let measured = starts::measure(&stub, &cases, rounds).await?;
    report_starts(&mut report, &cases, &measured)?;
    for name in FUNCTIONS {
        let size = machine::zip_mb(places, name)?;
        report.bar(format!("zip of {name}, MB"), size, Limit::Most(3.0));
    }
    let function = |name| places.function(name, &stub);
    say("the verifier, with 20 ms for each call");
    throughput::measure(&mut report, &stub, &scenes, &function("role-verifier")).await?;
    say("pages of a tenant with few connections, and of one with many among a million");
    reads::measure(&mut report, &stub, &scenes, &function("link-generator")).await?;
    say("ticks of the sweep, in tables of up to a million connections");
    ticks::measure(&mut report, &stub, &scenes, &function("revalidator")).await?;
    say("stacks, without a sweep and during one");
    let (listener, verifier) = (function("custom-resource-listener"), function("role-verifier"));
    onboarding::measure(&mut report, &stub, &scenes, &listener, &verifier).await?;
    Ok(report)
}

/// The cases, the empty function first; what each is called has its event at its end.
fn cases(places: &Places, stub: &Stub, scenes: &Scenes) -> Result<Vec<Case>, Error> {
    let case = |name: &str, program, event: &str, proof, table| Case {
        name: name.to_owned(),
        turns: TURNS,
        program,
        event: event.to_owned(),
        proof,
        table: Clone::clone(table),
    };
    let ours = |name| places.function(name, stub);
    let mut cases = vec![case(EMPTY, ours(EMPTY), "{}", Proof::Nothing, &scenes.pending)];
    for (name, event, proof) in [
        (QUEUED, &scenes.create, Proof::Queued),
        (REFUSED, &scenes.create_unknown, Proof::Refused),
    ] {
        let (listener, table) = (ours("custom-resource-listener"), &scenes.pending);
        cases.push(case(&format!("listener, {name}"), listener, event, proof, table));
        for (language, program) in [("Node", places.node(stub)), ("Python", places.python(stub))] {
            let Some(program) = program else {
                say(&format!("{language} is not measured: it is not installed"));
                continue;
            };
            let name = format!("{language}, {name}");
            let peer = case(&name, program, &Scenes::for_peer(event, stub)?, proof, table);
            cases.push(Case { turns: 1, ..peer });
        }
    }
    for (name, event, proof, table) in [
        (
            "link-generator",
            &scenes.make_link,
            Proof::LinkMade,
            &scenes.pending,
        ),
        ("role-verifier", &scenes.chunk(1), Proof::Checked, &scenes.active),
        ("revalidator", &scenes.tick, Proof::Swept, &scenes.active),
    ] {
        cases.push(case(name, ours(name), event, proof, table));
    }
    Ok(cases)
}

fn report_starts(report: &mut Report, cases: &[Case], measured: &[Measured]) -> Result<(), Error> {
    for (case, measured) in cases.iter().zip(measured) {
        report.fact(&case.name, measured.to_string());
    }
    let cold = |name: &str| {
        let at = cases.iter().position(|case| case.name == name)?;
        Some(measured[at].cold_cpu_ms)
    };
    let empty = cold(EMPTY).ok_or("the empty function was not measured")?;
    for event in [QUEUED, REFUSED] {
        let ours = cold(&format!("listener, {event}")).ok_or("the listener was not measured")?;
        report.bar(
            format!("{event}: cold CPU ÷ empty function"),
            ours / empty,
            Limit::Most(3.0),
        );
        for (language, least) in [("Node", 45.0), ("Python", 65.0)] {
            if let Some(peer) = cold(&format!("{language}, {event}")) {
                let name = format!("{event}: {language}'s cold CPU ÷ ours");
                report.bar(name, peer / ours, Limit::Least(least));
            }
        }
    }
    Ok(())
}
