//! `latchkey-local`: the local AWS as a process of its own. `cargo xtask local` and `cargo xtask test` start it.

use std::{io::Write as _, process::ExitCode, time::Duration};

use latchkey_tests::{
    Error,
    local_aws::{LocalAws, Options, ready::READY_VARIABLE},
};
use lexopt::{Arg, ValueExt as _};
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
};

const USAGE: &str = "\
latchkey-local [--port N]              start, print one line of JSON, stay until Ctrl-C or SIGTERM
latchkey-local -- COMMAND [ARG...]     start, run COMMAND with LATCHKEY_LOCAL_AWS set, stop, exit as it did";

struct Arguments {
    port: Option<u16>,
    command: Vec<std::ffi::OsString>,
}

fn parse() -> Result<Arguments, Error> {
    let mut parser = lexopt::Parser::from_env();
    let mut arguments = Arguments {
        port: None,
        command: Vec::new(),
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("port") => arguments.port = Some(parser.value()?.parse()?),
            Arg::Value(first) => {
                arguments.command.push(first);
                arguments.command.extend(parser.raw_args()?);
            }
            other => return Err(format!("{}\n\n{USAGE}", other.unexpected()).into()),
        }
    }
    Ok(arguments)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<ExitCode, Error> {
    let arguments = parse()?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let options = Options {
        port: arguments.port,
        ..Options::default()
    };
    let started = tokio::select! {
        started = LocalAws::start(options, say) => started?,
        _ = interrupt.recv() => return Ok(ExitCode::from(130)),
        _ = terminate.recv() => return Ok(ExitCode::from(143)),
    };
    let ready = serde_json::to_string(&started.ready)?;
    let code = match arguments.command.split_first() {
        None => {
            writeln!(std::io::stdout(), "{ready}")?;
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            ExitCode::SUCCESS
        }
        Some((program, rest)) => {
            let mut child = Command::new(program)
                .args(rest)
                .env(READY_VARIABLE, ready)
                .kill_on_drop(true)
                .spawn()?;
            tokio::select! {
                status = child.wait() => {
                    ExitCode::from(u8::try_from(status?.code().unwrap_or(1)).unwrap_or(1))
                }
                _ = interrupt.recv() => { end(&mut child).await?; ExitCode::from(130) }
                _ = terminate.recv() => { end(&mut child).await?; ExitCode::from(143) }
            }
        }
    };
    started.stop().await?;
    Ok(code)
}

/// Asks a command to end, so that it can end what it started itself; after a while it is killed.
async fn end(child: &mut Child) -> Result<(), Error> {
    /// Long enough for a test runner to end its tests.
    const GRACE: Duration = Duration::from_secs(10);
    if let Some(pid) = child.id() {
        // It may have ended by itself, as on Ctrl-C, which it got as well.
        let _ = Command::new("kill").arg(pid.to_string()).status().await?;
    }
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        child.kill().await?;
    }
    Ok(())
}

fn say(text: &str) {
    // Nobody is left to tell where stderr is closed.
    let _ = writeln!(std::io::stderr(), "  · {text}");
}
