//! Reading a function's configuration: every variable that it needs, checked at start.

pub mod listener_topics;
pub mod local_endpoint;

use std::{ops::RangeInclusive, str::FromStr};

use latchkey_core::domain::{aws::Region, sweep::SweepPlan};

/// The bounds of every variable that is a number. The parameters of `template.yaml` have the same
/// (`tests/tests/configuration.rs` compares them), so that no deployment stops its functions at start.
pub const BOUNDS: [(&str, RangeInclusive<u32>); 10] = [
    // Five minutes to ninety days.
    ("LINK_LIFETIME_SECONDS", 300..=7_776_000),
    // A stack waits 300 seconds for its answer; the rest is the verifier's time-out.
    ("VERIFICATION_DEADLINE_SECONDS", 30..=210),
    ("AUDIT_RETENTION_DAYS", 1..=3_650),
    // One slot a minute for a week, at most.
    ("SWEEP_SLOTS", 1..=10_080),
    ("DEGRADED_SLOTS", 1..=10_080),
    ("SWEEP_TICK_SECONDS", 60..=3_600),
    ("PROOF_EVERY_SWEEPS", 1..=90),
    // The most is more than any account's quota.
    ("STS_CALLS_PER_SECOND", 20..=10_000),
    // Lambda takes no smaller bound for what a queue starts.
    ("SWEEP_CONCURRENCY", 2..=50),
    // With fewer a chunk of slow answers outlasts its invocation; beyond, an answer waits longer
    // than it is worth.
    ("PROBE_CONCURRENCY", 8..=256),
];

/// Why a function does not start. It names the variable and the rule, not the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {variable} {problem}")]
pub struct ConfigError {
    pub variable: &'static str,
    pub problem: String,
}

/// Looks a variable up by its name.
type Lookup = dyn Fn(&str) -> Option<String>;

/// The environment of a process, or a test's stand-in for it.
pub struct Environment(Box<Lookup>);

impl Environment {
    pub fn of_process() -> Self {
        Self(Box::new(|name| std::env::var(name).ok()))
    }

    /// An environment of these variables alone.
    pub fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let variables: std::collections::HashMap<String, String> = variables.into_iter().collect();
        Self(Box::new(move |name| variables.get(name).cloned()))
    }

    /// A variable that must be there and not empty.
    pub fn text(&self, variable: &'static str) -> Result<String, ConfigError> {
        match (self.0)(variable) {
            Some(value) if !value.is_empty() => Ok(value),
            _ => Err(ConfigError {
                variable,
                problem: "is missing".to_owned(),
            }),
        }
    }

    /// A variable that may be absent or empty: only for what a deployment can do without.
    pub fn optional_text(&self, variable: &'static str) -> Option<String> {
        (self.0)(variable).filter(|value| !value.is_empty())
    }

    /// A variable of a checked type.
    pub fn parsed<T: FromStr<Err: std::fmt::Display>>(
        &self,
        variable: &'static str,
    ) -> Result<T, ConfigError> {
        self.text(variable)?.parse().map_err(|error: T::Err| ConfigError {
            variable,
            problem: format!("is malformed: {error}"),
        })
    }

    /// A whole number within the [`BOUNDS`] of its variable.
    pub fn number(&self, variable: &'static str) -> Result<u32, ConfigError> {
        let number = self.parsed(variable)?;
        let bounds = BOUNDS.into_iter().find(|(name, _)| *name == variable);
        let problem = match bounds {
            Some((_, bounds)) if bounds.contains(&number) => return Ok(number),
            Some((_, bounds)) => format!("must be from {} to {}", bounds.start(), bounds.end()),
            None => "has no bounds".to_owned(),
        };
        Err(ConfigError { variable, problem })
    }

    /// How the sweep is cut, from `SWEEP_SLOTS` and `DEGRADED_SLOTS`. Every function that stores a connection has to
    /// have the same.
    pub fn sweep_plan(&self) -> Result<SweepPlan, ConfigError> {
        Ok(SweepPlan {
            slots: self.number("SWEEP_SLOTS")?,
            degraded_slots: self.number("DEGRADED_SLOTS")?,
        })
    }

    /// How long a role may take to become assumable, in seconds, from `VERIFICATION_DEADLINE_SECONDS`.
    pub fn verification_deadline_seconds(&self) -> Result<u32, ConfigError> {
        self.number("VERIFICATION_DEADLINE_SECONDS")
    }

    /// Calls of STS that the sweep may make in a second, from `STS_CALLS_PER_SECOND`.
    pub fn sts_calls_per_second(&self) -> Result<u32, ConfigError> {
        self.number("STS_CALLS_PER_SECOND")
    }

    /// How long the audit log is kept, from `AUDIT_RETENTION_DAYS`.
    pub fn audit_retention_days(&self) -> Result<u32, ConfigError> {
        self.number("AUDIT_RETENTION_DAYS")
    }

    /// A comma-separated list of regions, at least one.
    pub fn regions(&self, variable: &'static str) -> Result<Vec<Region>, ConfigError> {
        self.text(variable)?
            .split(',')
            .map(|region| {
                Region::parse(region.trim()).map_err(|error| ConfigError {
                    variable,
                    problem: format!("is malformed: {error}"),
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchkey_core::domain::aws::AccountId;

    fn environment() -> Environment {
        Environment::of(
            [
                ("ACCOUNT", "111111111111"),
                ("EMPTY", ""),
                ("REGIONS", "eu-west-1, us-east-1"),
                ("SWEEP_SLOTS", "10080"),
                ("DEGRADED_SLOTS", "0"),
                ("PROOF_EVERY_SWEEPS", "x"),
                ("N", "7"),
                ("BAD", "x"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        )
    }

    #[test]
    fn a_variable_that_is_missing_or_malformed_is_named_and_its_value_is_not() {
        let environment = environment();
        for (error, text) in [
            (
                environment.text("NONE").unwrap_err(),
                "environment variable NONE is missing",
            ),
            (
                environment.text("EMPTY").unwrap_err(),
                "environment variable EMPTY is missing",
            ),
            (
                environment.parsed::<AccountId>("BAD").unwrap_err(),
                "environment variable BAD is malformed: account id must be 12 digits",
            ),
            (
                environment.number("DEGRADED_SLOTS").unwrap_err(),
                "environment variable DEGRADED_SLOTS must be from 1 to 10080",
            ),
            (
                environment.number("PROOF_EVERY_SWEEPS").unwrap_err(),
                "environment variable PROOF_EVERY_SWEEPS is malformed: invalid digit found in string",
            ),
            (
                environment.number("N").unwrap_err(),
                "environment variable N has no bounds",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
        assert!(environment.regions("BAD").is_err());
        assert!(environment.regions("EMPTY").is_err());
    }

    #[test]
    fn good_values_are_read() {
        let environment = environment();
        assert_eq!(
            environment.parsed::<AccountId>("ACCOUNT").unwrap().as_str(),
            "111111111111"
        );
        assert_eq!(environment.number("SWEEP_SLOTS"), Ok(10_080));
        assert_eq!(environment.regions("REGIONS").unwrap().len(), 2);
        assert_eq!(environment.optional_text("EMPTY"), None);
    }
}
