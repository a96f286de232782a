//! How `latchkey-local` and `latchkey-demo` begin and end.

use std::{io::Write as _, process::ExitCode};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    Error,
    local_aws::{LocalAws, Options, Ready},
};

/// Ctrl-C and SIGTERM.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Waits for one of them: what a program exits with that it ends.
    pub async fn end(&mut self) -> ExitCode {
        tokio::select! {
            _ = self.interrupt.recv() => ExitCode::from(130),
            _ = self.terminate.recv() => ExitCode::from(143),
        }
    }
}

/// Starts a local AWS, acts in it and stops it. A signal during its start ends the program.
pub async fn with_local_aws(
    options: Options,
    act: impl AsyncFnOnce(&Ready, &mut Signals) -> Result<ExitCode, Error>,
) -> Result<ExitCode, Error> {
    let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut signals = Signals { interrupt, terminate };
    let aws = tokio::select! {
        started = LocalAws::start(options, |text| say(&format!("  · {text}"))) => started?,
        code = signals.end() => return Ok(code),
    };
    let done = act(&aws.ready, &mut signals).await;
    aws.stop().await?;
    done
}

/// The program's exit code, once its error was told.
pub fn exit(done: Result<ExitCode, Error>) -> ExitCode {
    done.unwrap_or_else(|error| {
        say(&format!("error: {}", latchkey_aws::telemetry::causes(&*error)));
        ExitCode::FAILURE
    })
}

pub fn say(text: &str) {
    // Nobody is left to tell where stderr is closed.
    let _ = writeln!(std::io::stderr(), "{text}");
}
