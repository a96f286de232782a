//! The listener's configuration.

use latchkey_aws::config::{
    ConfigError, Environment, listener_topics::ListenerTopics, local_endpoint::LocalEndpoint,
};
use latchkey_core::domain::sweep::SweepPlan;

pub struct Config {
    pub table: String,
    pub queue_url: String,
    pub topics: ListenerTopics,
    pub verification_deadline_seconds: u32,
    pub audit_retention_days: u32,
    /// A request to change a live connection is written down in the connection, which keeps its slot.
    pub sweep_plan: SweepPlan,
    pub local_answer_endpoint: Option<LocalEndpoint>,
}

impl Config {
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            table: environment.text("TABLE_NAME")?,
            queue_url: environment.text("VERIFICATION_QUEUE_URL")?,
            topics: ListenerTopics::from_environment(environment)?,
            verification_deadline_seconds: environment.verification_deadline_seconds()?,
            audit_retention_days: environment.audit_retention_days()?,
            sweep_plan: environment.sweep_plan()?,
            local_answer_endpoint: LocalEndpoint::from_environment(environment)?,
        })
    }
}
