//! The verifier's configuration.

use latchkey_shared::{
    config::{ConfigError, Environment, local_endpoint::LocalEndpoint},
    domain::sweep::SweepPlan,
};

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
            audit_retention_days: environment.audit_retention_days()?,
            sweep_plan: environment.sweep_plan()?,
            local_answer_endpoint: LocalEndpoint::from_environment(environment)?,
        })
    }
}
