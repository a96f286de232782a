//! `latchkey-local`: the local AWS as a process of its own. `cargo xtask local` and `cargo xtask test` start it.

use std::{ffi::OsString, io::Write as _, process::ExitCode, time::Duration};

use latchkey_tests::{
    Error,
    local_aws::Options,
    local_aws::ready::READY_VARIABLE,
    program::{exit, with_local_aws},
};
use lexopt::{Arg, ValueExt as _};
use tokio::process::{Child, Command};

const USAGE: &str = "\
latchkey-local [--port N] [--without-issuer]  start, print one line of JSON, stay until Ctrl-C or SIGTERM
latchkey-local -- COMMAND [ARG...]  start, run COMMAND with LATCHKEY_LOCAL_AWS set, stop, exit as it did";

fn parse() -> Result<(Options, Vec<OsString>), Error> {
    let mut parser = lexopt::Parser::from_env();
    let (mut options, mut command) = (Options::default(), Vec::new());
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("port") => options.port = Some(parser.value()?.parse()?),
            Arg::Long("without-issuer") => options.issuer = false,
            Arg::Value(first) => {
                command.push(first);
                command.extend(parser.raw_args()?);
            }
            other => return Err(format!("{}\n\n{USAGE}", other.unexpected()).into()),
        }
    }
    Ok((options, command))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    exit(run().await)
}

async fn run() -> Result<ExitCode, Error> {
    let (options, command) = parse()?;
    with_local_aws(options, async |ready, signals| {
        let ready = serde_json::to_string(ready)?;
        let Some((program, rest)) = command.split_first() else {
            writeln!(std::io::stdout(), "{ready}")?;
            signals.end().await;
            return Ok(ExitCode::SUCCESS);
        };
        let mut child = Command::new(program)
            .args(rest)
            .env(READY_VARIABLE, ready)
            .kill_on_drop(true)
            .spawn()?;
        tokio::select! {
            status = child.wait() => {
                Ok(ExitCode::from(u8::try_from(status?.code().unwrap_or(1)).unwrap_or(1)))
            }
            code = signals.end() => {
                end(&mut child).await?;
                Ok(code)
            }
        }
    })
    .await
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
