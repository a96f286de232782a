//! The link generator's configuration.

use jiff::SignedDuration;
use latchkey_api_types::options::TierBody;
use latchkey_aws::config::{ConfigError, Environment, listener_topics::ListenerTopics};
use latchkey_core::{
    domain::aws::{Region, stack_name_is_valid},
    use_cases::start_connection::LinkPolicy,
};

use crate::state::Settings;

/// What customers' roles can be for.
const TIERS: &str = include_str!("../../../customer/rendered/offered-tiers.json");

fn offered_tiers() -> Result<Vec<TierBody>, ConfigError> {
    serde_json::from_str(TIERS).map_err(|error| ConfigError {
        variable: "customer/rendered/offered-tiers.json",
        problem: format!("is malformed: {error}"),
    })
}

pub struct Config {
    pub table: String,
    pub queue_url: String,
    pub audit_retention_days: u32,
    pub topics: ListenerTopics,
    pub lets_in_single_accounts: bool,
    pub settings: Settings,
}

impl Config {
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        let topics = ListenerTopics::from_environment(environment)?;
        let offered_tiers = offered_tiers()?;
        let default_region: Region = environment.parsed("DEFAULT_REGION")?;
        if !topics.regions.contains(&default_region) {
            return Err(ConfigError {
                variable: "DEFAULT_REGION",
                problem: "must be one of LISTENER_REGIONS".to_owned(),
            });
        }
        let stack_name_prefix = environment.text("STACK_NAME_PREFIX")?;
        if !stack_name_is_valid(&stack_name_prefix) {
            return Err(ConfigError {
                variable: "STACK_NAME_PREFIX",
                problem: "must be a letter, then letters, digits and dashes".to_owned(),
            });
        }
        let lifetime = environment.number("LINK_LIFETIME_SECONDS")?;
        Ok(Self {
            table: environment.text("TABLE_NAME")?,
            queue_url: environment.text("VERIFICATION_QUEUE_URL")?,
            audit_retention_days: environment.audit_retention_days()?,
            lets_in_single_accounts: ListenerTopics::for_single_accounts(environment)?.is_some(),
            settings: Settings {
                tenant_claim: environment.optional_text("TENANT_CLAIM"),
                vendor_account: environment.parsed("VENDOR_ACCOUNT_ID")?,
                verification_deadline_seconds: environment.verification_deadline_seconds()?,
                sweep_plan: environment.sweep_plan()?,
                listener_regions: topics.regions.clone(),
                tiers: offered_tiers.clone(),
                link_policy: LinkPolicy {
                    lifetime: SignedDuration::from_secs(lifetime.into()),
                    default_region,
                    requires_account: environment.parsed("REQUIRE_ACCOUNT_ID")?,
                    stack_name_prefix,
                    offered_tiers: offered_tiers.iter().map(|tier| tier.name.clone()).collect(),
                },
            },
            topics,
        })
    }
}
