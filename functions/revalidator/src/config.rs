//! The revalidator's configuration.

use latchkey_aws::config::{
    ConfigError, Environment, listener_topics::ListenerTopics, local_endpoint::LocalEndpoint,
};
use latchkey_core::{domain::sweep::SweepPlan, use_cases::revalidate::SweepBudget};

pub struct Config {
    pub table: String,
    pub queue_url: String,
    pub sweep_plan: SweepPlan,
    pub budget: SweepBudget,
    pub single_accounts: Option<ListenerTopics>,
    pub local_endpoint: Option<LocalEndpoint>,
}

impl Config {
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            table: environment.text("TABLE_NAME")?,
            queue_url: environment.text("SWEEP_QUEUE_URL")?,
            sweep_plan: environment.sweep_plan()?,
            single_accounts: ListenerTopics::for_single_accounts(environment)?,
            local_endpoint: LocalEndpoint::from_environment(environment)?,
            budget: SweepBudget {
                calls_per_second: environment.sts_calls_per_second()?,
                tick_seconds: environment.number("SWEEP_TICK_SECONDS")?,
                proof_every: environment.number("PROOF_EVERY_SWEEPS")?,
            },
        })
    }
}
