//! Reading a function's configuration: every variable that it needs, checked at start.

pub mod listener_topics;
pub mod local_endpoint;

use std::str::FromStr;

use latchkey_core::domain::{aws::Region, sweep::SweepPlan};

/// Why a function does not start. It names the variable and the rule, not the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {variable} {problem}")]
pub struct ConfigError {
    /// The variable's name.
    pub variable: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

/// Looks a variable up by its name.
type Lookup = dyn Fn(&str) -> Option<String>;

/// The environment of a process, or a test's stand-in for it.
pub struct Environment(Box<Lookup>);

impl Environment {
    /// The environment of this process.
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

    /// A whole number from `min` to `max`.
    pub fn number(&self, variable: &'static str, min: u32, max: u32) -> Result<u32, ConfigError> {
        let number = self.parsed(variable)?;
        if (min..=max).contains(&number) {
            Ok(number)
        } else {
            Err(ConfigError {
                variable,
                problem: format!("must be from {min} to {max}"),
            })
        }
    }

    /// How the sweep is cut, from `SWEEP_SLOTS` and `DEGRADED_SLOTS`. Every function that stores a connection has to
    /// have the same.
    pub fn sweep_plan(&self) -> Result<SweepPlan, ConfigError> {
        /// Most slots of a sweep: one a minute for a week.
        const MAX_SLOTS: u32 = 10_080;
        Ok(SweepPlan {
            slots: self.number("SWEEP_SLOTS", 1, MAX_SLOTS)?,
            degraded_slots: self.number("DEGRADED_SLOTS", 1, MAX_SLOTS)?,
        })
    }

    /// How long a role may take to become assumable, in seconds, from `VERIFICATION_DEADLINE_SECONDS`: a custom resource
    /// waits an hour at most.
    pub fn verification_deadline_seconds(&self) -> Result<u32, ConfigError> {
        const MAX_SECONDS: u32 = 3_600;
        self.number("VERIFICATION_DEADLINE_SECONDS", 1, MAX_SECONDS)
    }

    /// Calls of STS that the sweep may make in a second, from `STS_CALLS_PER_SECOND`.
    pub fn sts_calls_per_second(&self) -> Result<u32, ConfigError> {
        /// More than any account's quota.
        const MAX_CALLS: u32 = 10_000;
        self.number("STS_CALLS_PER_SECOND", 20, MAX_CALLS)
    }

    /// How long the audit log is kept, from `AUDIT_RETENTION_DAYS`.
    pub fn audit_retention_days(&self) -> Result<u32, ConfigError> {
        /// Ten years.
        const MAX_AUDIT_DAYS: u32 = 3_650;
        self.number("AUDIT_RETENTION_DAYS", 1, MAX_AUDIT_DAYS)
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
                environment.number("N", 8, 9).unwrap_err(),
                "environment variable N must be from 8 to 9",
            ),
            (
                environment.number("BAD", 0, 9).unwrap_err(),
                "environment variable BAD is malformed: invalid digit found in string",
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
        assert_eq!(environment.number("N", 7, 7), Ok(7));
        assert_eq!(environment.regions("REGIONS").unwrap().len(), 2);
        assert_eq!(environment.optional_text("EMPTY"), None);
    }
}
