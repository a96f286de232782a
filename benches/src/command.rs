//! The commands: the whole benchmark, and the check of starts.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use lexopt::ValueExt as _;

use crate::machine;
use latchkey_bench::{
    Error,
    bars::{self, ListenerEvent},
    cold_warm::{Case, measure},
    instructions::{count_by_callgrind, count_steps},
    linked,
    neighbours::Neighbours,
    onboarding, reads,
    report::{Line, Report},
    runtime_api::Program,
    scenes::{Proof, Scenes},
    start_bounds::StartBounds,
    stub::{Keys, Snapshot, Stub},
    subjects::{EMPTY, FUNCTIONS, Places},
    throughput, ticks,
};

const USAGE: &str = "\
latchkey-bench measure [--rounds N] [--check]   the whole benchmark; writes docs/benchmarks/; --check fails if a bar is missed
latchkey-bench starts [--record]                looks for clients that a function does not need and for what unwinds a panic, counts the instructions of
                                                each start, and holds them against the record";
/// Where the record is.
const BOUNDS: &str = "benches/start-instructions.json";
/// Rounds, unless asked otherwise.
const ROUNDS: usize = 30;
/// How often each of our functions has its turn in a round, and each of the peers.
const TURNS: usize = 3;
const TURNS_OF_A_PEER: usize = 1;
/// Messages at once that the verifier is tried with.
const CONCURRENCIES: [usize; 3] = [8, 32, 128];
/// The listener's events in the table.
const QUEUED: &str = "request queued";
const REFUSED: &str = "request refused";

fn say(text: &str) {
    // Nobody is left to tell where stderr is closed.
    let _ = writeln!(std::io::stderr(), "▸ {text}");
}

/// Runs what the arguments say.
#[tokio::main]
pub async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("latchkey-bench: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether everything that had to hold holds.
async fn run() -> Result<bool, Error> {
    let (mut rounds, mut is_check, mut is_record, mut command) = (ROUNDS, false, false, String::new());
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("rounds") => rounds = arguments.value()?.string()?.parse()?,
            lexopt::Arg::Long("check") => is_check = true,
            lexopt::Arg::Long("record") => is_record = true,
            lexopt::Arg::Value(word) if command.is_empty() => command = word.string()?,
            other => return Err(format!("{}\n\n{USAGE}", other.unexpected()).into()),
        }
    }
    if !["measure", "starts"].contains(&command.as_str()) {
        return Err(USAGE.into());
    }
    let places = places()?;
    places.unpack_functions()?;
    match command.as_str() {
        "measure" => Ok(measure_all(&places, rounds).await? || !is_check),
        _ => starts(&places, is_record).await,
    }
}

fn places() -> Result<Places, Error> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let work = repository.join("target/bench");
    std::fs::create_dir_all(&work)?;
    let node = machine::first_line(Path::new("node"), &["-p", "process.execPath"]);
    let (packages, venv, task) = (work.join("node"), work.join("venv/bin/python"), work.join("task"));
    Ok(Places {
        built: repository.join("target/lambda"),
        binaries: work.join("unpacked"),
        node: (!node.is_empty() && packages.join("node_modules").exists()).then(|| (node.into(), packages)),
        python: (venv.exists() && task.exists()).then_some((venv, task)),
        python_of_keys: repository.join("target/bench-keys/venv/bin/python"),
        authority: work.join(format!("authority-{}.pem", std::process::id())),
        repository,
    })
}

/// What the listener's lines are called: for that event as deployed, with connections opened before it, or without.
fn listener_line(name: &str, prewarms: bool) -> String {
    format!("listener, {}", listener_event(name, prewarms))
}

fn listener_event(name: &str, prewarms: bool) -> String {
    format!(
        "{name}, {}",
        if prewarms {
            "as deployed"
        } else {
            "no connection before"
        }
    )
}

/// The cases, the empty function first; the listener's come by [`QUEUED`] and [`REFUSED`].
fn cases(places: &Places, stub: &Stub, scenes: &Scenes) -> Result<Vec<Case>, Error> {
    let variables = |prewarms| places.variables(stub, prewarms);
    let function = |name: &str, prewarms| Some(places.function(name, variables(prewarms)));
    let mut cases = Vec::new();
    let mut add = |name: String, program: Option<Program>, event: &str, proof, world: &Snapshot| {
        let Some(program) = program else {
            say(&format!("{name} is not measured: its language is not installed"));
            return;
        };
        let is_ours = Path::new(&program.command[0]).starts_with(&places.binaries);
        cases.push(Case {
            name,
            turns: if is_ours { TURNS } else { TURNS_OF_A_PEER },
            program,
            event: event.to_owned(),
            proof,
            world: world.clone(),
        });
    };
    add(
        EMPTY.to_owned(),
        function(EMPTY, false),
        "{}",
        Proof::Nothing,
        &scenes.pending,
    );
    for (name, event, proof) in [
        (QUEUED, &scenes.create, Proof::Queued),
        (REFUSED, &scenes.create_unknown, Proof::Refused),
    ] {
        let ours = |prewarms| function("custom-resource-listener", prewarms);
        let for_peer = Scenes::for_peer(event, stub)?;
        let world = &scenes.pending;
        for prewarms in [false, true] {
            add(listener_line(name, prewarms), ours(prewarms), event, proof, world);
        }
        let python = |handler| places.python_peer(handler, variables(false));
        add(
            format!("Node, {name}"),
            places.node_peer(variables(false)),
            &for_peer,
            proof,
            world,
        );
        add(
            format!("Python, boto3, {name}"),
            python("boto3_alone"),
            &for_peer,
            proof,
            world,
        );
        add(
            format!("Python, boto3 + crhelper, {name}"),
            python("with_crhelper"),
            &for_peer,
            proof,
            world,
        );
    }
    for (name, event, proof, world) in [
        (
            "link-generator",
            &scenes.make_link,
            Proof::LinkMade,
            &scenes.pending,
        ),
        ("role-verifier", &scenes.chunk(1), Proof::Checked, &scenes.active),
        ("revalidator", &scenes.tick, Proof::Swept, &scenes.active),
    ] {
        add(name.to_owned(), function(name, true), event, proof, world);
    }
    Ok(cases)
}

/// Runs everything, writes the report and prints the table. Returns whether all bars are met.
async fn measure_all(places: &Places, rounds: usize) -> Result<bool, Error> {
    let date = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string();
    let mut facts = machine::facts(places);
    let mut neighbours = Neighbours::new(say);
    let mut maker = Command::new(&places.python_of_keys);
    maker.arg(places.repository.join("benches/rsa_keys/make.py"));
    let stub = Stub::start(&places.authority, Keys::like_those_of_aws(&mut maker)?).await?;
    say("a connection is made, for the functions to work on");
    let scenes = Scenes::play(&stub, places).await?;
    let cases = cases(places, &stub, &scenes)?;
    let results = measure(&stub, &cases, rounds, &mut neighbours, |round| {
        say(&format!("round {} of {rounds}", round + 1))
    })
    .await?;
    say("the verifier, with 20 ms for each call");
    let verifier = places.function("role-verifier", places.variables(&stub, true));
    let throughput = throughput::measure(&stub, &scenes, &verifier, &CONCURRENCIES, &mut neighbours).await?;
    say("pages of a tenant with few connections, and of one with many among a million");
    let list = places.repository.join("events/link-generator/list.json");
    let list = serde_json::from_str(&std::fs::read_to_string(list)?)?;
    let link_generator = places.function("link-generator", places.variables(&stub, true));
    let reads = reads::measure(&stub, &scenes, &link_generator, &list, &mut neighbours).await?;
    say("a tick of the sweep, in tables of up to a million connections");
    let revalidator = places.function("revalidator", places.variables(&stub, true));
    let ticks = ticks::measure(&stub, &scenes, &revalidator, &scenes.tick, &mut neighbours).await?;
    say("stacks, without a sweep and during one");
    let listener = places.function("custom-resource-listener", places.variables(&stub, true));
    let onboarding = onboarding::measure(&stub, &scenes, &listener, &verifier, &mut neighbours).await?;
    facts.extend(neighbours.facts());
    let found = |name: &str| {
        let mut found = cases.iter().zip(&results).filter(|(case, _)| case.name == name);
        found.next().map(|(_, series)| series)
    };
    let empty = found(EMPTY).ok_or("the empty function was not measured")?;
    let mut lines = Vec::new();
    for (case, series) in cases.iter().zip(&results) {
        let is_ours = Path::new(&case.program.command[0]).starts_with(&places.binaries);
        lines.push(Line {
            name: case.name.clone(),
            measured: series.middle(),
            times_first: series.ratio(|m| m.cold_cpu_ms, empty, |m| m.cold_cpu_ms),
            zip_mb: Some(machine::zip_mb(
                &places.repository.join("target/bench"),
                &zipped(places, case)?,
            )?),
            init_instructions_m: match is_ours {
                true => count_by_callgrind(&case.program)?.map(|count| count as f64 / 1e6),
                false => None,
            },
        });
    }
    std::fs::remove_file(&places.authority)?;
    let mut events = Vec::new();
    for (name, prewarms) in [(QUEUED, false), (QUEUED, true), (REFUSED, false), (REFUSED, true)] {
        events.push(ListenerEvent {
            name: listener_event(name, prewarms),
            ours: found(&listener_line(name, prewarms)).ok_or("the listener was not measured")?,
            node: found(&format!("Node, {name}")),
            crhelper: found(&format!("Python, boto3 + crhelper, {name}")),
        });
    }
    let zips = zips(&lines);
    let mut bars = bars::of_starts(empty, &events, &zips);
    bars.extend(
        throughput
            .last()
            .into_iter()
            .flat_map(|highest| bars::of_throughput(highest, empty)),
    );
    bars.push(bars::of_onboarding(&onboarding));
    let report = Report {
        date,
        machine: facts,
        rounds,
        lines,
        throughput,
        reads,
        ticks,
        onboarding,
        bars,
    };
    let folder = places.repository.join("docs/benchmarks");
    std::fs::write(folder.join("measured.md"), report.markdown())?;
    std::fs::write(
        folder.join("measured.json"),
        serde_json::to_string_pretty(&report)? + "\n",
    )?;
    std::fs::write(folder.join("cold-start.svg"), report.svg())?;
    writeln!(std::io::stdout(), "{}", report.markdown())?;
    Ok(report.bars.iter().all(bars::Bar::is_met))
}

/// The size of each function's zip file, once.
fn zips(lines: &[Line]) -> Vec<(String, f64)> {
    let mut zips = BTreeMap::new();
    for line in lines {
        let function = if line.name.starts_with("listener") {
            FUNCTIONS[0]
        } else {
            line.name.as_str()
        };
        if let (true, Some(size)) = (FUNCTIONS.contains(&function), line.zip_mb) {
            zips.insert(function.to_owned(), size);
        }
    }
    zips.into_iter().collect()
}

/// What a deployment of the case's program would upload.
fn zipped(places: &Places, case: &Case) -> Result<Vec<PathBuf>, Error> {
    let folder = &case.program.folder;
    match (&places.node, &places.python) {
        (Some((node, _)), _) if Path::new(&case.program.command[0]) == node => {
            Ok(["index.mjs", "package.json", "node_modules"]
                .map(|name| folder.join(name))
                .to_vec())
        }
        (_, Some((python, _))) if Path::new(&case.program.command[0]) == python => {
            let library = python
                .parent()
                .and_then(Path::parent)
                .ok_or("no venv")?
                .join("lib");
            let version = std::fs::read_dir(&library)?.next().ok_or("an empty venv")??;
            let mut packages = machine::packages(&version.path().join("site-packages"))?;
            packages.push(folder.clone());
            Ok(packages)
        }
        _ => Ok(vec![PathBuf::from(&case.program.command[0])]),
    }
}

/// Looks at whose clients the functions have and whether they unwind, and counts the instructions of all starts, several at a time. Returns whether none
/// takes more than recorded.
async fn starts(places: &Places, is_record: bool) -> Result<bool, Error> {
    linked::check(&places.binaries)?;
    let stub = Stub::start(&places.authority, Keys::quick()?).await?;
    let mut counts = Vec::new();
    for name in FUNCTIONS.into_iter().chain([EMPTY]) {
        // Not prewarmed: a handshake's instructions depend on chance.
        let program = places.function(name, places.variables(&stub, false));
        counts.push((name, tokio::task::spawn_blocking(move || count_steps(&program))));
    }
    let mut instructions = BTreeMap::new();
    for (name, count) in counts {
        instructions.insert(name.to_owned(), count.await??);
    }
    std::fs::remove_file(&places.authority)?;
    let now = StartBounds {
        architecture: std::env::consts::ARCH.to_owned(),
        toolchain: machine::toolchain(),
        instructions,
    };
    let path = places.repository.join(BOUNDS);
    if is_record {
        now.write(&path)?;
        say(&format!("recorded in {BOUNDS}"));
        return Ok(true);
    }
    let recorded = StartBounds::read(&path)?;
    let (lines, is_within) = recorded.compare(&now)?;
    for line in lines {
        say(&line);
    }
    if !is_within {
        say(&format!(
            "recorded with {}, counted with {}. A start is slower: find out why, or, if it is worth it, record it with \
             `cargo xtask bench --starts --record`",
            recorded.toolchain, now.toolchain
        ));
    }
    Ok(is_within)
}
