//! What a function has to know of the listener topics to let single accounts in.

use super::{ConfigError, Environment};
use crate::domain::{
    aws::{AccountId, Region, TopicArn},
    listener_access::ListenerAccess,
};

/// The listener topics of a deployment: one of the same name in each region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerTopics {
    /// Whose they are.
    pub vendor_account: AccountId,
    /// Their name.
    pub name: String,
    /// Where they are.
    pub regions: Vec<Region>,
}

impl ListenerTopics {
    /// From `VENDOR_ACCOUNT_ID`, `LISTENER_TOPIC_NAME` and `LISTENER_REGIONS`.
    pub fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let topics = Self {
            vendor_account: environment.parsed("VENDOR_ACCOUNT_ID")?,
            name: environment.text("LISTENER_TOPIC_NAME")?,
            regions: environment.regions("LISTENER_REGIONS")?,
        };
        topics.arns()?;
        Ok(topics)
    }

    /// The same, where `LISTENER_ACCESS` says that single accounts are let in; `None` where everybody is.
    pub fn for_single_accounts(environment: &Environment) -> Result<Option<Self>, ConfigError> {
        let topics = Self::from_environment(environment)?;
        Ok(match environment.parsed("LISTENER_ACCESS")? {
            ListenerAccess::Open => None,
            ListenerAccess::PerAccount => Some(topics),
        })
    }

    /// Their ARNs, in the order of the regions.
    pub fn arns(&self) -> Result<Vec<TopicArn>, ConfigError> {
        self.regions
            .iter()
            .map(|region| TopicArn::of(region, &self.vendor_account, &self.name))
            .collect::<Result<_, _>>()
            .map_err(|_| ConfigError {
                variable: "LISTENER_TOPIC_NAME",
                problem: "is malformed: it is not the name of an SNS topic".to_owned(),
            })
    }
}
