//! `latchkey-demo`: plays the main job in a local AWS. `cargo xtask demo` starts it.

use std::{io::Write as _, process::ExitCode};

use latchkey_tests::{
    Error, demo,
    local_aws::{LocalAws, Options},
};
use lexopt::{Arg, ValueExt as _};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "latchkey-demo [--once] [--port N]";

struct Arguments {
    once: bool,
    port: Option<u16>,
}

fn parse() -> Result<Arguments, Error> {
    let mut parser = lexopt::Parser::from_env();
    let mut arguments = Arguments {
        once: false,
        port: None,
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("once") => arguments.once = true,
            Arg::Long("port") => arguments.port = Some(parser.value()?.parse()?),
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
    let aws = tokio::select! {
        started = LocalAws::start(options, |text| say(&format!("  · {text}"))) => started?,
        _ = interrupt.recv() => return Ok(ExitCode::from(130)),
        _ = terminate.recv() => return Ok(ExitCode::from(143)),
    };
    let told = tokio::select! {
        told = tell(&aws, arguments.once) => told,
        _ = interrupt.recv() => Ok(ExitCode::from(130)),
        _ = terminate.recv() => Ok(ExitCode::from(143)),
    };
    aws.stop().await?;
    told
}

async fn tell(aws: &LocalAws, once: bool) -> Result<ExitCode, Error> {
    let chapters = demo::play(&aws.ready).await?;
    let connections = demo::summaries(&chapters);
    let good = connections
        .iter()
        .all(|connection| connection["as_expected"] == true);
    for connection in &connections {
        writeln!(std::io::stdout(), "{connection}")?;
    }
    if !once {
        say("\nThe local AWS stays until Ctrl-C. Try the API yourself:");
        say(&format!(
            "  curl -s -H 'authorization: Bearer {}' {}/v1/connections",
            aws.ready
                .tokens
                .get("acme")
                .map(String::as_str)
                .unwrap_or_default(),
            aws.ready.api_url
        ));
        std::future::pending::<()>().await;
    }
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn say(text: &str) {
    // Nobody is left to tell where stderr is closed.
    let _ = writeln!(std::io::stderr(), "{text}");
}
