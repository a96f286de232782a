//! Logging: one JSON object a line, with dotted fields, at the boundary of a function.

use tracing_subscriber::filter::LevelFilter;

use crate::config::{ConfigError, Environment};

/// Starts logging at the level of `LOG_LEVEL`.
pub fn init(environment: &Environment) -> Result<(), ConfigError> {
    let level: LevelFilter = environment.parsed("LOG_LEVEL")?;
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_max_level(level)
        .init();
    Ok(())
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
