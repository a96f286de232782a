//! Asks, before a deployment, for what would make it fail, or harm customers later. It reads, and changes nothing.

mod account;
mod issuer;
mod plan;

use std::fmt;

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use latchkey_aws::public_reader::AnonymousReader;

pub use plan::{Plan, PlanError};

/// How bad what was found is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Fine,
    /// It works, and there is something to do or to know.
    Advice,
    /// It could not be asked, so that nothing is known.
    NotAsked,
    /// The deployment fails, or its customers' links do.
    Stop,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was found.
    pub what: String,
    /// What to do; empty where there is nothing to do.
    pub to_do: String,
}

impl Finding {
    fn new(level: Level, what: impl Into<String>, to_do: impl Into<String>) -> Self {
        Self {
            level,
            what: what.into(),
            to_do: to_do.into(),
        }
    }

    fn fine(what: impl Into<String>) -> Self {
        Self::new(Level::Fine, what, "")
    }

    fn stop(what: impl Into<String>, to_do: impl Into<String>) -> Self {
        Self::new(Level::Stop, what, to_do)
    }

    fn not_asked(what: &str, cause: impl fmt::Display) -> Self {
        Self::new(
            Level::NotAsked,
            format!("{what} could not be asked: {cause}"),
            "allow it for your credentials, or look for yourself (docs/DEPLOY.md)",
        )
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Fine => "fine  ",
            Level::Advice => "advice",
            Level::NotAsked => "?     ",
            Level::Stop => "STOP  ",
        };
        write!(formatter, "{level} {}", self.what)?;
        if self.to_do.is_empty() {
            return Ok(());
        }
        write!(formatter, "\n       → {}", self.to_do)
    }
}

/// Everything, in the order in which a deployment would meet it. What no SDK asks goes over `connector`.
pub async fn run(config: &SdkConfig, connector: &SharedHttpConnector, plan: &Plan) -> Vec<Finding> {
    let mut findings = plan.findings();
    findings.extend(account::findings(config, connector, plan).await);
    let reader = AnonymousReader::new(connector.clone(), None);
    findings.push(issuer::finding(&reader, plan.value("JwtIssuer")).await);
    findings
}

#[cfg(test)]
mod tests;
