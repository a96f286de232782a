//! The link generator's configuration.

use jiff::SignedDuration;
use latchkey_aws::config::{ConfigError, Environment, listener_topics::ListenerTopics};
use latchkey_core::{
    domain::{
        aws::{Region, stack_name_is_valid},
        proof::tiers::TierName,
    },
    use_cases::start_connection::LinkPolicy,
};

use crate::state::Settings;

/// What customers' roles can be for.
const TIERS: &str = include_str!("../../../customer/rendered/tiers.json");

/// Their names; the rest of them is the verifier's.
fn offered_tiers(json: &str) -> Result<Vec<TierName>, ConfigError> {
    let malformed = |problem: String| ConfigError {
        variable: "customer/rendered/tiers.json",
        problem: format!("is malformed: {problem}"),
    };
    let tiers: Vec<serde_json::Value> =
        serde_json::from_str(json).map_err(|error| malformed(error.to_string()))?;
    let names = tiers.iter().map(|tier| tier["name"].as_str().unwrap_or_default());
    names
        .map(|name| TierName::parse(name).map_err(|error| malformed(error.to_string())))
        .collect()
}

pub struct Config {
    pub table: String,
    pub queue_url: String,
    pub audit_retention_days: u32,
    pub single_accounts: Option<ListenerTopics>,
    pub settings: Settings,
}

impl Config {
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        let listener_regions = environment.regions("LISTENER_REGIONS")?;
        let default_region: Region = environment.parsed("DEFAULT_REGION")?;
        if !listener_regions.contains(&default_region) {
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
            single_accounts: ListenerTopics::for_single_accounts(environment)?,
            settings: Settings {
                tenant_claim: environment.text("TENANT_CLAIM")?,
                vendor_account: environment.parsed("VENDOR_ACCOUNT_ID")?,
                verification_deadline_seconds: environment.verification_deadline_seconds()?,
                sweep_plan: environment.sweep_plan()?,
                link_policy: LinkPolicy {
                    lifetime: SignedDuration::from_secs(lifetime.into()),
                    listener_regions,
                    default_region,
                    requires_account: environment.parsed("REQUIRE_ACCOUNT_ID")?,
                    stack_name_prefix,
                    offered_tiers: offered_tiers(TIERS)?,
                },
            },
        })
    }
}
