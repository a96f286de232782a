//! What a function has to know of the listener topics to let single accounts in.

use latchkey_core::domain::{
    aws::{AccountId, Region, TopicArn},
    listener_access::ListenerAccess,
};

use super::{ConfigError, Environment};

/// The listener topics of a deployment: one of the same name in each region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerTopics {
    pub vendor_account: AccountId,
    pub name: String,
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
        // What makes a name is the same in each region.
        if let Some(region) = topics.regions.first() {
            TopicArn::of(region, &topics.vendor_account, &topics.name).map_err(|_| ConfigError {
                variable: "LISTENER_TOPIC_NAME",
                problem: "is malformed: it is not the name of an SNS topic".to_owned(),
            })?;
        }
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

    /// Whether `topic` is one of them. It is held against the one of its region, instead of against a list that each
    /// start would have to make.
    pub fn contains(&self, topic: &TopicArn) -> bool {
        let region = topic.region();
        let ours = TopicArn::of(&region, &self.vendor_account, &self.name);
        self.regions.contains(&region) && ours.as_ref() == Ok(topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topic_of_each_region_is_one_of_them_and_no_other_is() {
        let topics = ListenerTopics::from_environment(&Environment::of(
            [
                ("VENDOR_ACCOUNT_ID", "111111111111"),
                ("LISTENER_TOPIC_NAME", "latchkey-listener"),
                ("LISTENER_REGIONS", "us-east-1,eu-west-1"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        ))
        .unwrap();
        let contains = |arn| topics.contains(&TopicArn::parse(arn).unwrap());
        assert!(contains("arn:aws:sns:us-east-1:111111111111:latchkey-listener"));
        assert!(contains("arn:aws:sns:eu-west-1:111111111111:latchkey-listener"));
        for other in [
            "arn:aws:sns:eu-west-2:111111111111:latchkey-listener",
            "arn:aws:sns:eu-west-1:222222222222:latchkey-listener",
            "arn:aws:sns:eu-west-1:111111111111:latchkey-listener2",
            "arn:aws:sns:eu-west-1:111111111111:latchkey",
            "arn:aws-cn:sns:cn-north-1:111111111111:latchkey-listener",
        ] {
            assert!(!contains(other), "{other}");
        }
    }
}
