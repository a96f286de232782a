//! The link generator's configuration.

use jiff::SignedDuration;
use latchkey_aws::config::{ConfigError, Environment, listener_topics::ListenerTopics};
use latchkey_core::{
    domain::{
        aws::{AccountId, Region, stack_name_is_valid},
        proof::tiers::TierName,
        sweep::SweepPlan,
    },
    use_cases::start_connection::LinkPolicy,
};

/// What customers' roles can be for.
const TIERS: &str = include_str!("../../../customer/rendered/tiers.json");

/// As much of a tier as a link needs.
#[derive(serde::Deserialize)]
struct Tier {
    name: TierName,
}

fn offered_tiers(json: &str) -> Result<Vec<TierName>, ConfigError> {
    let tiers: Vec<Tier> = serde_json::from_str(json).map_err(|error| ConfigError {
        variable: "customer/rendered/tiers.json",
        problem: format!("is malformed: {error}"),
    })?;
    Ok(tiers.into_iter().map(|tier| tier.name).collect())
}

pub struct Config {
    pub table: String,
    pub tenant_claim: String,
    pub audit_retention_days: u32,
    pub sweep_plan: SweepPlan,
    pub link_policy: LinkPolicy,
    pub single_accounts: Option<ListenerTopics>,
    pub queue_url: String,
    pub vendor_account: AccountId,
    pub verification_deadline_seconds: u32,
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
            vendor_account: environment.parsed("VENDOR_ACCOUNT_ID")?,
            verification_deadline_seconds: environment.verification_deadline_seconds()?,
            single_accounts: ListenerTopics::for_single_accounts(environment)?,
            tenant_claim: environment.text("TENANT_CLAIM")?,
            audit_retention_days: environment.audit_retention_days()?,
            sweep_plan: environment.sweep_plan()?,
            link_policy: LinkPolicy {
                lifetime: SignedDuration::from_secs(lifetime.into()),
                listener_regions,
                default_region,
                requires_account: environment.parsed("REQUIRE_ACCOUNT_ID")?,
                stack_name_prefix,
                offered_tiers: offered_tiers(TIERS)?,
            },
        })
    }
}
