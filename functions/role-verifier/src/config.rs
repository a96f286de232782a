//! The verifier's configuration.

use latchkey_aws::config::{ConfigError, Environment, local_endpoint::LocalEndpoint};
use latchkey_core::{domain::sweep::SweepPlan, use_cases::probe_role::TrustRules};

pub struct Config {
    pub table: String,
    pub queue_url: String,
    pub sweep_queue_url: String,
    /// This verifier's share of the calls of STS that the sweep may make in a second.
    pub sweep_calls_per_second: f64,
    pub probe_concurrency: usize,
    pub audit_retention_days: u32,
    pub sweep_plan: SweepPlan,
    pub trust: TrustRules,
    pub local_answer_endpoint: Option<LocalEndpoint>,
}

impl Config {
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            table: environment.text("TABLE_NAME")?,
            queue_url: environment.text("VERIFICATION_QUEUE_URL")?,
            sweep_queue_url: environment.text("SWEEP_QUEUE_URL")?,
            sweep_calls_per_second: f64::from(environment.sts_calls_per_second()?)
                / f64::from(environment.number("SWEEP_CONCURRENCY")?),
            probe_concurrency: environment.number("PROBE_CONCURRENCY")? as usize,
            audit_retention_days: environment.audit_retention_days()?,
            sweep_plan: environment.sweep_plan()?,
            trust: TrustRules {
                vendor: environment.parsed("VENDOR_ACCOUNT_ID")?,
                role_path: environment.parsed("ROLE_PATH")?,
                on_open: environment.parsed("ON_OPEN_TRUST")?,
            },
            local_answer_endpoint: LocalEndpoint::from_environment(environment)?,
        })
    }
}
