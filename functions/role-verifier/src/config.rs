//! The verifier's configuration.

use latchkey_aws::config::{ConfigError, Environment, local_endpoint::LocalEndpoint};
use latchkey_core::domain::sweep::SweepPlan;

/// Most verifiers of the sweep at once.
const MAX_SWEEP_CONCURRENCY: u32 = 1_000;
/// Fewest connections that one verifier checks side by side: with fewer a chunk of slow answers outlasts its invocation.
const MIN_PROBE_CONCURRENCY: u32 = 8;
/// Most connections that one verifier checks side by side: beyond, an answer waits longer than it is worth.
const MAX_PROBE_CONCURRENCY: u32 = 256;

pub struct Config {
    pub table: String,
    pub queue_url: String,
    pub sweep_queue_url: String,
    /// This verifier's share of the calls of STS that the sweep may make in a second.
    pub sweep_calls_per_second: f64,
    pub probe_concurrency: usize,
    pub audit_retention_days: u32,
    pub sweep_plan: SweepPlan,
    pub local_answer_endpoint: Option<LocalEndpoint>,
}

impl Config {
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            table: environment.text("TABLE_NAME")?,
            queue_url: environment.text("VERIFICATION_QUEUE_URL")?,
            sweep_queue_url: environment.text("SWEEP_QUEUE_URL")?,
            sweep_calls_per_second: f64::from(environment.sts_calls_per_second()?)
                / f64::from(environment.number("SWEEP_CONCURRENCY", 1, MAX_SWEEP_CONCURRENCY)?),
            probe_concurrency: environment.number(
                "PROBE_CONCURRENCY",
                MIN_PROBE_CONCURRENCY,
                MAX_PROBE_CONCURRENCY,
            )? as usize,
            audit_retention_days: environment.audit_retention_days()?,
            sweep_plan: environment.sweep_plan()?,
            local_answer_endpoint: LocalEndpoint::from_environment(environment)?,
        })
    }
}
