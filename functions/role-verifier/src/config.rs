//! The verifier's configuration.

use latchkey_shared::{
    config::{ConfigError, Environment, local_endpoint::LocalEndpoint},
    domain::sweep::SweepPlan,
};

/// Longest time that the audit log is kept: ten years.
const MAX_AUDIT_DAYS: u32 = 3_650;
/// Most slots of a sweep: one a minute for a week.
const MAX_SLOTS: u32 = 10_080;

pub struct Config {
    pub table: String,
    pub queue_url: String,
    pub audit_retention_days: u32,
    pub sweep_plan: SweepPlan,
    pub local_answer_endpoint: Option<LocalEndpoint>,
}

impl Config {
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            table: environment.text("TABLE_NAME")?,
            queue_url: environment.text("VERIFICATION_QUEUE_URL")?,
            audit_retention_days: environment.number("AUDIT_RETENTION_DAYS", 1, MAX_AUDIT_DAYS)?,
            sweep_plan: SweepPlan {
                slots: environment.number("SWEEP_SLOTS", 1, MAX_SLOTS)?,
                degraded_slots: environment.number("DEGRADED_SLOTS", 1, MAX_SLOTS)?,
            },
            local_answer_endpoint: LocalEndpoint::from_environment(environment)?,
        })
    }
}
