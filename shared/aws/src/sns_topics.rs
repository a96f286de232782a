//! The policies of the listener topics, in SNS: one topic of the same name in each region.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_sns::{
    Client,
    config::{Builder, Region as SdkRegion},
    error::ProvideErrorMetadata as _,
    operation::{
        add_permission::AddPermissionError, get_topic_attributes::GetTopicAttributesOutput,
        remove_permission::RemovePermissionError,
    },
};
use latchkey_core::{
    domain::{
        aws::{AccountId, Region, TopicArn},
        invalid::Invalid,
        listener_access::{MAX_POLICY_BYTES, MAX_POLICY_STATEMENTS, PermissionLabel},
    },
    ports::{ListenerTopics, Permitted, TopicPermissions, Unavailable},
};
use serde::Deserialize;

use crate::telemetry::causes;

/// What an account may do with a listener topic.
const ACTION: &str = "Publish";
/// The call that asks for a topic.
const READ: &str = "sns.GetTopicAttributes";
/// SNS's answers that there is no topic for us. The last is that of a region that is not enabled for the account.
const NOT_THERE: [&str; 3] = ["NotFound", "AuthorizationError", "InvalidClientTokenId"];
/// Most bytes that one more statement of ours takes in a policy, generously.
const STATEMENT_BYTES: usize = 512;

/// The listener topics of a deployment.
pub struct SnsTopics {
    client: Client,
    vendor_account: AccountId,
    topic_name: String,
}

/// A topic's policy, as far as we read it.
#[derive(Deserialize)]
struct Policy {
    #[serde(rename = "Statement", default)]
    statements: Vec<Statement>,
}

#[derive(Deserialize)]
struct Statement {
    #[serde(rename = "Sid", default)]
    sid: String,
}

impl SnsTopics {
    /// The topics named `topic_name` of the account `vendor_account`.
    pub fn new(config: &aws_types::SdkConfig, vendor_account: AccountId, topic_name: String) -> Self {
        Self {
            client: Client::new(config),
            vendor_account,
            topic_name,
        }
    }

    fn topic(&self, region: &Region) -> Result<String, Unavailable> {
        let arn: Result<TopicArn, Invalid> = TopicArn::of(region, &self.vendor_account, &self.topic_name);
        Ok(arn
            .map_err(|error| Unavailable::new("sns.topic", error))?
            .to_string())
    }

    /// `None` where the region has no topic, or does not let us ask: one that an organization's policy denies, or that is
    /// not enabled for the account.
    async fn attributes(&self, region: &Region) -> Result<Option<GetTopicAttributesOutput>, Unavailable> {
        let asked = self
            .client
            .get_topic_attributes()
            .topic_arn(self.topic(region)?)
            .customize()
            .config_override(in_region(region))
            .send()
            .await;
        match asked {
            Ok(output) => Ok(Some(output)),
            Err(error) if error.code().is_some_and(|code| NOT_THERE.contains(&code)) => Ok(None),
            Err(error) => Err(Unavailable::new(READ, error)),
        }
    }

    /// The text of a topic's policy, and what we read of it.
    async fn policy(&self, region: &Region) -> Result<(usize, Policy), Unavailable> {
        let output = self.attributes(region).await?;
        let output = output.ok_or_else(|| Unavailable::new(READ, "there is no topic"))?;
        let text = output
            .attributes()
            .and_then(|attributes| attributes.get("Policy"))
            .map_or("{}", String::as_str);
        let policy = serde_json::from_str(text).map_err(|error| Unavailable::new(READ, error))?;
        Ok((text.len(), policy))
    }
}

fn in_region(region: &Region) -> Builder {
    Builder::new().region(SdkRegion::new(region.as_str().to_owned()))
}

#[async_trait]
impl ListenerTopics for SnsTopics {
    async fn is_there(&self, region: &Region) -> Result<bool, Unavailable> {
        let asked = self.attributes(region).await;
        let asked = asked.inspect_err(|error| {
            tracing::warn!(error = causes(error), "topic.region" = %region, "topic.unknown");
        });
        Ok(asked?.is_some())
    }
}

#[async_trait]
impl TopicPermissions for SnsTopics {
    async fn permit(&self, region: &Region, account: &AccountId) -> Result<Permitted, Unavailable> {
        let label = PermissionLabel::of(account).to_string();
        let result = self
            .client
            .add_permission()
            .topic_arn(self.topic(region)?)
            .label(&label)
            .aws_account_id(account.as_str())
            .action_name(ACTION)
            .customize()
            .config_override(in_region(region))
            .send()
            .await;
        let error = match result {
            Ok(_) => return Ok(Permitted::Yes),
            Err(error) => error,
        };
        // One code for a label that exists, for a policy that is full and for an account that does
        // not exist: a look at the policy tells. A topic that is not there fails the look.
        if let Some(AddPermissionError::InvalidParameterException(_)) = error.as_service_error() {
            let (bytes, policy) = self.policy(region).await?;
            if policy.statements.iter().any(|statement| statement.sid == label) {
                return Ok(Permitted::Yes);
            }
            if policy.statements.len() >= MAX_POLICY_STATEMENTS || bytes + STATEMENT_BYTES > MAX_POLICY_BYTES
            {
                return Ok(Permitted::PolicyFull);
            }
            return Ok(Permitted::NoSuchAccount);
        }
        Err(Unavailable::new("sns.AddPermission", error))
    }

    async fn withdraw(&self, region: &Region, account: &AccountId) -> Result<(), Unavailable> {
        let result = self
            .client
            .remove_permission()
            .topic_arn(self.topic(region)?)
            .label(PermissionLabel::of(account).to_string())
            .customize()
            .config_override(in_region(region))
            .send()
            .await;
        match result {
            Ok(_) => Ok(()),
            // It is not there any more, and neither is what it would have been in.
            Err(error)
                if matches!(
                    error.as_service_error(),
                    Some(RemovePermissionError::NotFoundException(_))
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(Unavailable::new("sns.RemovePermission", error)),
        }
    }

    async fn permitted(&self, region: &Region) -> Result<BTreeSet<AccountId>, Unavailable> {
        let (_, policy) = self.policy(region).await?;
        let accounts = policy
            .statements
            .iter()
            .filter_map(|statement| PermissionLabel::account(&statement.sid));
        Ok(accounts.collect())
    }
}
