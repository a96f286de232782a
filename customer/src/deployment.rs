//! A deployed vendor stack.

use std::collections::HashMap;

use latchkey_core::domain::{
    aws::{AccountId, Region, StackId},
    invalid::Invalid,
};

use crate::deployment_template::{RolePath, ServedRegions, TemplateValues, TopicName};

/// A deployed vendor stack, as its outputs tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The hub region, which the table is in.
    pub region: Region,
    pub bucket: String,
    /// The bucket's own region: one that was made elsewhere may be in another.
    pub bucket_region: Region,
    /// The table that knows which template is current.
    pub table: String,
    /// What is written into the template.
    pub values: TemplateValues,
}

/// Why a stack's outputs do not describe a deployment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeploymentError {
    #[error("the stack has no output {0}; is it Latchkey's vendor stack, deployed from template.yaml?")]
    OutputMissing(&'static str),
    /// A value is not of its form.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

impl Deployment {
    /// A deployment that does not exist, for linters and for reading.
    pub fn example() -> Result<Self, Invalid> {
        Ok(Self {
            region: Region::parse("us-east-1")?,
            bucket: "latchkey-example".to_owned(),
            bucket_region: Region::parse("us-east-1")?,
            table: "latchkey-example".to_owned(),
            values: TemplateValues {
                vendor_account: AccountId::parse("111111111111")?,
                role_path: RolePath::parse("/latchkey/")?,
                topic_name: TopicName::parse("latchkey-listener")?,
                served_regions: ServedRegions::parse("us-east-1")?,
            },
        })
    }

    /// Reads a deployment from the stack's ARN (account and region) and outputs.
    pub fn from_outputs(stack_arn: &str, outputs: &HashMap<String, String>) -> Result<Self, DeploymentError> {
        let output = |name| outputs.get(name).ok_or(DeploymentError::OutputMissing(name));
        let stack = StackId::parse(stack_arn)?;
        Ok(Self {
            region: stack.region(),
            bucket: output("TemplateBucketName")?.clone(),
            bucket_region: stack.region(),
            table: output("TableName")?.clone(),
            values: TemplateValues {
                vendor_account: stack.account(),
                role_path: RolePath::parse(output("VerifierRolePath")?)?,
                topic_name: TopicName::parse(output("ListenerTopicName")?)?,
                served_regions: ServedRegions::parse(output("ListenerRegions")?)?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STACK: &str =
        "arn:aws:cloudformation:eu-west-1:111111111111:stack/latchkey/0d1f2a30-96c5-11ef-8a3b-0affd1b2c3d4";

    fn outputs() -> HashMap<String, String> {
        [
            ("TemplateBucketName", "latchkey-templatebucket-1x"),
            ("TableName", "latchkey-Table-1X"),
            ("VerifierRolePath", "/latchkey/"),
            ("ListenerTopicName", "latchkey-listener"),
            ("ListenerRegions", "us-east-1,eu-west-1"),
            ("ApiUrl", "https://x.example"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    #[test]
    fn a_deployment_is_read_from_the_stacks_own_outputs() {
        let deployment = Deployment::from_outputs(STACK, &outputs()).unwrap();
        assert_eq!(deployment.region.as_str(), "eu-west-1");
        assert_eq!(deployment.bucket, "latchkey-templatebucket-1x");
        assert_eq!(deployment.table, "latchkey-Table-1X");
        assert_eq!(deployment.values.vendor_account.as_str(), "111111111111");
        assert_eq!(deployment.values.role_path.as_str(), "/latchkey/");
        assert_eq!(deployment.values.topic_name.as_str(), "latchkey-listener");
        assert_eq!(deployment.values.served_regions.as_str(), "eu-west-1, us-east-1");
    }

    #[test]
    fn a_stack_that_is_not_latchkeys_is_refused_by_the_name_of_the_missing_output() {
        for name in [
            "TemplateBucketName",
            "TableName",
            "VerifierRolePath",
            "ListenerTopicName",
            "ListenerRegions",
        ] {
            let mut outputs = outputs();
            outputs.remove(name);
            assert_eq!(
                Deployment::from_outputs(STACK, &outputs),
                Err(DeploymentError::OutputMissing(name))
            );
        }
    }

    #[test]
    fn a_role_path_that_lets_every_role_in_is_never_published() {
        let mut outputs = outputs();
        outputs.insert("VerifierRolePath".to_owned(), "/".to_owned());
        assert!(matches!(
            Deployment::from_outputs(STACK, &outputs),
            Err(DeploymentError::Invalid(_))
        ));
    }
}
