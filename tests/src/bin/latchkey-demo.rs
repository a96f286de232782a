//! `latchkey-demo`: plays the main job in a local AWS. `cargo xtask demo` starts it.

use std::{io::Write as _, process::ExitCode};

use latchkey_tests::{
    Error, demo,
    local_aws::{Options, Ready},
    program::{exit, say, with_local_aws},
};
use lexopt::{Arg, ValueExt as _};

const USAGE: &str = "latchkey-demo [--once] [--port N] [--without-issuer]";

fn parse() -> Result<(bool, Options), Error> {
    let mut parser = lexopt::Parser::from_env();
    let (mut once, mut options) = (false, Options::default());
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("once") => once = true,
            Arg::Long("port") => options.port = Some(parser.value()?.parse()?),
            Arg::Long("without-issuer") => options.issuer = false,
            other => return Err(format!("{}\n\n{USAGE}", other.unexpected()).into()),
        }
    }
    Ok((once, options))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    exit(run().await)
}

async fn run() -> Result<ExitCode, Error> {
    let (once, options) = parse()?;
    with_local_aws(options, async |ready, signals| {
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
        say("\nThe local AWS stays until Ctrl-C. Try the API yourself:");
        // Without the stage: curl signs a `$` in a path as it stands, and AWS does not.
        let url = format!("{}/_aws/execute-api/{}", ready.endpoint, ready.api_id);
        if let Some(token) = ready.tokens.get("acme") {
            say(&format!(
                "  curl -s -H 'authorization: Bearer {token}' {url}/v1/connections"
            ));
        }
        let session = &ready.back_end;
        say(&format!(
            "  curl -s --aws-sigv4 aws:amz:{}:execute-api --user '{}:{}' -H 'x-amz-security-token: {}' \
             '{url}/v1/tenants/acme/connections'",
            ready.hub_region, session.access_key_id, session.secret_access_key, session.session_token
        ));
        std::future::pending::<()>().await;
    }
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
