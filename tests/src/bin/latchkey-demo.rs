//! `latchkey-demo`: plays the main job in a local AWS. `cargo xtask demo` starts it.

use std::{io::Write as _, process::ExitCode};

use latchkey_tests::{
    Error, demo,
    local_aws::Ready,
    program::{exit, say, with_local_aws},
};
use lexopt::{Arg, ValueExt as _};

const USAGE: &str = "latchkey-demo [--once] [--port N]";

fn parse() -> Result<(bool, Option<u16>), Error> {
    let mut parser = lexopt::Parser::from_env();
    let (mut once, mut port) = (false, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("once") => once = true,
            Arg::Long("port") => port = Some(parser.value()?.parse()?),
            other => return Err(format!("{}\n\n{USAGE}", other.unexpected()).into()),
        }
    }
    Ok((once, port))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    exit(run().await)
}

async fn run() -> Result<ExitCode, Error> {
    let (once, port) = parse()?;
    with_local_aws(port, async |ready, signals| {
        tokio::select! {
            told = tell(ready, once) => told,
            code = signals.end() => Ok(code),
        }
    })
    .await
}

async fn tell(ready: &Ready, once: bool) -> Result<ExitCode, Error> {
    let chapters = demo::play(ready).await?;
    let connections = demo::summaries(&chapters);
    let good = connections
        .iter()
        .all(|connection| connection["as_expected"] == true);
    for connection in &connections {
        writeln!(std::io::stdout(), "{connection}")?;
    }
    if !once {
        let token = ready.tokens.get("acme").map(String::as_str).unwrap_or_default();
        say("\nThe local AWS stays until Ctrl-C. Try the API yourself:");
        say(&format!(
            "  curl -s -H 'authorization: Bearer {token}' {}/v1/connections",
            ready.api_url
        ));
        std::future::pending::<()>().await;
    }
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
