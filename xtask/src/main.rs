//! The project's own commands. Without dependencies, so that a fresh clone runs them at once.

mod bench;
mod ci;
mod lint;
mod python;
mod references;
mod simulate;
mod steps;

use std::{
    env,
    path::PathBuf,
    process::{Command, ExitCode},
};

use steps::{Error, replace_process_by, workspace_build};

const USAGE: &str = "\
cargo xtask demo [--once] [--port N] [--without-issuer]
                                       the main job, played in a local AWS; --once ends after the story
cargo xtask local [--port N] [--without-issuer]
                                       a local AWS with Latchkey deployed; prints one line of JSON when it is ready
cargo xtask test [NEXTEST ARGUMENTS]   every test, unit to end-to-end
cargo xtask simulate [CONNECTIONS ..]  a bad day of the sweep, simulated with a million connections or as many as are named
cargo xtask render                     render what customers run and read from customer/permissions.yaml
cargo xtask manifest                   check that file, also against AWS's own lists of actions
cargo xtask bench [--rounds N] [--check]  cold and warm starts against references, as docs/benchmarks/README.md says
cargo xtask lint                       the house's own rules for sources and documents
cargo xtask ci                         what .ci/run runs: formatting, clippy, lint, manifest, template lint, all tests";

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let done = match command.as_str() {
        "demo" => demo(&rest),
        "local" => local(&rest),
        "test" => test(&rest),
        "render" => render(),
        "manifest" => manifest(),
        "bench" => bench::bench(&rest),
        "simulate" => simulate::run(&rest),
        "lint" => lint::run(),
        "ci" => ci::run(),
        _ => Err(format!("unknown command {command:?}\n\n{USAGE}").into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn demo(arguments: &[String]) -> Result<(), Error> {
    prepare(&[])?;
    replace_process_by("latchkey-demo", arguments)
}

fn local(arguments: &[String]) -> Result<(), Error> {
    prepare(&[])?;
    replace_process_by("latchkey-local", arguments)
}

fn render() -> Result<(), Error> {
    workspace_build(&[])?;
    replace_process_by("latchkey-publish", &["render".to_owned()])
}

fn manifest() -> Result<(), Error> {
    workspace_build(&[])?;
    ci::manifest()
}

/// Every test. The last step replaces this process, so that a signal reaches the one that cleans up.
fn test(arguments: &[String]) -> Result<(), Error> {
    prepare(&["--all-targets"])?;
    if arguments.is_empty() {
        python::self_test()?;
    }
    say_what_is_skipped();
    let mut command = vec!["--".to_owned(), steps::cargo()];
    command.extend(steps::test_runner().iter().map(|&word| word.to_owned()));
    command.extend_from_slice(arguments);
    replace_process_by("latchkey-local", &command)
}

/// Says what the tests cannot try on this machine: they pass without it.
fn say_what_is_skipped() {
    let folder = env::var_os("LATCHKEY_DYNAMODB_LOCAL");
    let folder = folder.map_or_else(|| steps::target_dir().join("dynamodb-local"), PathBuf::from);
    let has_java = Command::new("java").arg("-version").output().is_ok();
    if !has_java || !folder.join("DynamoDBLocal.jar").exists() {
        steps::say(&format!(
            "SKIPPED: the store's contract over Amazon's DynamoDB Local (needs java, and DynamoDBLocal.jar in {})",
            folder.display()
        ));
    }
}

/// Installs the local AWS while cargo builds, since neither waits for the other.
fn prepare(build_flags: &[&str]) -> Result<(), Error> {
    let install = std::thread::spawn(python::install_local_aws);
    let built = workspace_build(build_flags);
    let installed = install.join().map_err(|_| "installing the local AWS panicked")?;
    built?;
    installed
}
