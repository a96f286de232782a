//! The revalidator's configuration.

use latchkey_shared::{
    config::{ConfigError, Environment, listener_topics::ListenerTopics},
    domain::sweep::SweepPlan,
};

/// Longest tick: a day.
const MAX_TICK_SECONDS: u32 = 86_400;

pub struct Config {
    pub table: String,
    pub queue_url: String,
    pub sweep_plan: SweepPlan,
    pub tick_seconds: u32,
    pub single_accounts: Option<ListenerTopics>,
}

impl Config {
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            table: environment.text("TABLE_NAME")?,
            queue_url: environment.text("VERIFICATION_QUEUE_URL")?,
            sweep_plan: environment.sweep_plan()?,
            single_accounts: ListenerTopics::for_single_accounts(environment)?,
            tick_seconds: environment.number("SWEEP_TICK_SECONDS", 1, MAX_TICK_SECONDS)?,
        })
    }
}
