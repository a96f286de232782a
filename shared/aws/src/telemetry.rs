//! Logging: one JSON object a line, with dotted fields, at the boundary of a function.

use tracing_subscriber::{
    Layer as _,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::config::{ConfigError, Environment};

/// How the names of the crates begin that the functions share.
const SHARED_CRATES: &str = "latchkey_";

/// Starts logging: the lines of `function`'s own crate and of the shared ones at the level of
/// `LOG_LEVEL`, everybody else's from WARN on. The runtime and the SDKs trace whole events, requests
/// and answers, and with them answer URLs (I4), at levels below that.
pub fn init(environment: &Environment, function: &str) -> Result<(), ConfigError> {
    let level: LevelFilter = environment.parsed("LOG_LEVEL")?;
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_filter(targets(function, level));
    tracing_subscriber::registry().with(lines).init();
    Ok(())
}

fn targets(function: &str, level: LevelFilter) -> Targets {
    Targets::new()
        .with_default(LevelFilter::WARN.min(level))
        .with_targets([SHARED_CRATES, function].map(|target| (target, level)))
}

/// An error and what caused it, on one line for the log.
pub fn causes(error: &dyn std::error::Error) -> String {
    /// Deeper than any chain of the SDK.
    const MAX_CAUSES: usize = 12;
    std::iter::successors(Some(error), |error| error.source())
        .take(MAX_CAUSES)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn no_level_makes_the_runtime_or_an_sdk_tell_what_it_carries() {
        for level in [LevelFilter::TRACE, LevelFilter::DEBUG, LevelFilter::INFO] {
            let targets = targets("role_verifier", level);
            for target in [
                "lambda_runtime",
                "aws_smithy_runtime::client::orchestrator",
                "hyper_util",
            ] {
                assert!(!targets.would_enable(target, &Level::INFO), "{target} at {level}");
                assert!(targets.would_enable(target, &Level::ERROR));
            }
            for target in ["role_verifier::handler", module_path!()] {
                assert!(targets.would_enable(target, &Level::INFO), "{target} at {level}");
            }
        }
        assert!(!targets("role_verifier", LevelFilter::ERROR).would_enable("hyper_util", &Level::WARN));
    }
}
