//! Puts a rendered template where customers' CloudFormation can read it, and makes new links point to it.
//!
//! A template is stored under a key that holds its version and SHA-256, and never changes there: what a customer
//! once read is what a link of that time opens, for as long as the bucket stands.

use std::collections::HashMap;

use aws_sdk_dynamodb::{error::ProvideErrorMetadata, types::AttributeValue};
use aws_sdk_s3::primitives::ByteStream;
use jiff::Timestamp;
use latchkey_shared::domain::{
    aws::{Region, StackId},
    invalid::Invalid,
};

use crate::render::{RenderError, RenderedTemplate, RolePath, TemplateValues, TopicName, render};

/// What the bucket policy of template.yaml opens for everybody.
pub const PUBLIC_PREFIX: &str = "customer-templates/";
/// The object's name, which customers see at the end of the URL.
pub(crate) const FILE_NAME: &str = "latchkey-connection.yaml";
/// Partition key of everything in the table that is about templates.
pub const TEMPLATE_PK: &str = "TEMPLATE";
/// Sort key of the item that new links are made from.
pub const CURRENT_SK: &str = "CURRENT";

/// A deployed vendor stack, as its outputs tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The hub region, which the bucket and the table are in.
    pub region: Region,
    /// The bucket for customer templates.
    pub bucket: String,
    /// The table that knows which template is current.
    pub table: String,
    /// What is written into the template.
    pub values: TemplateValues,
}

/// Why a stack's outputs do not describe a deployment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeploymentError {
    /// An output is missing.
    #[error("the stack has no output {0}; is it Latchkey's vendor stack, deployed from template.yaml?")]
    OutputMissing(&'static str),
    /// A value is not of its form.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

impl Deployment {
    /// Reads a deployment from the stack's ARN (account and region) and outputs.
    pub fn from_outputs(stack_arn: &str, outputs: &HashMap<String, String>) -> Result<Self, DeploymentError> {
        let output = |name| outputs.get(name).ok_or(DeploymentError::OutputMissing(name));
        let stack = StackId::parse(stack_arn)?;
        Ok(Self {
            region: stack.region(),
            bucket: output("TemplateBucketName")?.clone(),
            table: output("TableName")?.clone(),
            values: TemplateValues {
                vendor_account: stack.account(),
                role_path: RolePath::parse(output("VerifierRolePath")?)?,
                topic_name: TopicName::parse(output("ListenerTopicName")?)?,
            },
        })
    }
}

/// Where a rendered template goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Its version.
    pub version: String,
    /// The SHA-256 of its text, in lower-case hexadecimal.
    pub sha256: String,
    /// Its key in the bucket.
    pub key: String,
    /// The https URL that CloudFormation reads it from.
    pub url: String,
}

impl Publication {
    /// The place of `template` in a deployment. The same template always has the same place.
    pub fn of(template: &RenderedTemplate, region: &Region, bucket: &str) -> Self {
        let (version, sha256) = (template.version.to_string(), template.sha256_hex());
        let key = format!("{PUBLIC_PREFIX}{version}/{sha256}/{FILE_NAME}");
        // The regional form: it needs no redirect, and exists in every partition. No part needs encoding.
        let url = format!(
            "https://{bucket}.s3.{region}.{}/{key}",
            region.partition().dns_suffix()
        );
        Self {
            version,
            sha256,
            key,
            url,
        }
    }

    /// The item that new links are made from.
    pub fn current_item(&self, published_at: Timestamp) -> HashMap<String, AttributeValue> {
        self.item(CURRENT_SK.to_owned(), published_at)
    }

    /// The item that remembers this publication for ever.
    pub fn history_item(&self, published_at: Timestamp) -> HashMap<String, AttributeValue> {
        self.item(format!("VERSION#{}#{}", self.version, self.sha256), published_at)
    }

    fn item(&self, sk: String, published_at: Timestamp) -> HashMap<String, AttributeValue> {
        [
            ("pk", TEMPLATE_PK.to_owned()),
            ("sk", sk),
            ("version", self.version.clone()),
            ("url", self.url.clone()),
            ("sha256", self.sha256.clone()),
            ("published_at", published_at.to_string()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), AttributeValue::S(value)))
        .collect()
    }
}

/// Why a template was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// It could not be rendered.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// AWS refused a step, or was not reached. Publishing again is safe.
    #[error("{step}: {cause}")]
    Aws {
        /// What was attempted.
        step: &'static str,
        /// What came back.
        cause: String,
    },
}

pub(crate) fn refused<E: std::error::Error + ProvideErrorMetadata>(
    step: &'static str,
) -> impl Fn(E) -> PublishError {
    move |error| PublishError::Aws {
        step,
        cause: cause(&error),
    }
}

/// What went wrong with a call of AWS, in one line: the service's own code and message or, where the service was not
/// reached, the errors below one another.
pub fn cause(error: &(impl std::error::Error + ProvideErrorMetadata)) -> String {
    if let (Some(code), Some(message)) = (error.code(), error.message()) {
        return format!("{code}: {message}");
    }
    let below = std::iter::successors(error.source(), |error| error.source());
    below.fold(error.to_string(), |text, error| format!("{text}: {error}"))
}

/// Renders the repository's template for `deployment`, uploads it, and makes new links point to it, in this order, so
/// that no link ever opens a template that is not there. Doing it again changes nothing but the time of the pointer.
pub async fn publish(
    s3: &aws_sdk_s3::Client,
    dynamodb: &aws_sdk_dynamodb::Client,
    deployment: &Deployment,
    published_at: Timestamp,
) -> Result<Publication, PublishError> {
    let template = render(&deployment.values)?;
    let publication = Publication::of(&template, &deployment.region, &deployment.bucket);
    s3.put_object()
        .bucket(&deployment.bucket)
        .key(&publication.key)
        .content_type("application/yaml")
        .cache_control("public, max-age=31536000, immutable")
        .body(ByteStream::from(template.text.into_bytes()))
        .send()
        .await
        .map_err(refused("uploading the template"))?;
    let remembered = dynamodb
        .put_item()
        .table_name(&deployment.table)
        .set_item(Some(publication.history_item(published_at)))
        // The first publication of this text is the one that is remembered.
        .condition_expression("attribute_not_exists(pk)")
        .send()
        .await;
    match remembered {
        Err(error) if error.code() != Some("ConditionalCheckFailedException") => {
            return Err(refused("remembering the version")(error));
        }
        _ => {}
    }
    dynamodb
        .put_item()
        .table_name(&deployment.table)
        .set_item(Some(publication.current_item(published_at)))
        .send()
        .await
        .map_err(refused("pointing new links to the version"))?;
    Ok(publication)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::TemplateVersion;

    const STACK: &str =
        "arn:aws:cloudformation:eu-west-1:111111111111:stack/latchkey/0d1f2a30-96c5-11ef-8a3b-0affd1b2c3d4";

    fn outputs() -> HashMap<String, String> {
        [
            ("TemplateBucketName", "latchkey-templatebucket-1x"),
            ("TableName", "latchkey-Table-1X"),
            ("VerifierRolePath", "/latchkey/"),
            ("ListenerTopicName", "latchkey-listener"),
            ("ApiUrl", "https://x.example"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    fn template(text: &str) -> RenderedTemplate {
        RenderedTemplate {
            version: TemplateVersion::parse("1.2.3").unwrap(),
            text: text.to_owned(),
        }
    }

    fn region(code: &str) -> Region {
        Region::parse(code).unwrap()
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
    }

    #[test]
    fn a_stack_that_is_not_latchkeys_is_refused_by_the_name_of_the_missing_output() {
        for name in [
            "TemplateBucketName",
            "TableName",
            "VerifierRolePath",
            "ListenerTopicName",
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

    #[test]
    fn a_template_lies_under_the_public_prefix_by_version_and_digest() {
        let publication = Publication::of(&template("abc"), &region("eu-west-1"), "bucket");
        assert_eq!(
            publication.url,
            "https://bucket.s3.eu-west-1.amazonaws.com/customer-templates/1.2.3/\
             ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad/latchkey-connection.yaml"
        );
        assert!(publication.url.ends_with(&publication.key));
        assert!(publication.key.starts_with(PUBLIC_PREFIX));
    }

    #[test]
    fn another_text_of_the_same_version_lies_elsewhere() {
        let place = |text| Publication::of(&template(text), &region("us-east-1"), "bucket").key;
        assert_eq!(place("abc"), place("abc"));
        assert_ne!(place("abc"), place("abd"));
    }

    #[test]
    fn the_url_is_on_the_partitions_own_domain() {
        for (code, host) in [
            ("us-east-1", "bucket.s3.us-east-1.amazonaws.com"),
            ("cn-north-1", "bucket.s3.cn-north-1.amazonaws.com.cn"),
            ("us-gov-west-1", "bucket.s3.us-gov-west-1.amazonaws.com"),
            ("eusc-de-east-1", "bucket.s3.eusc-de-east-1.amazonaws.eu"),
        ] {
            let url = Publication::of(&template("abc"), &region(code), "bucket").url;
            assert!(url.starts_with(&format!("https://{host}/")), "{url}");
        }
    }

    #[test]
    fn the_pointer_and_the_history_tell_the_same_under_their_own_keys() {
        let publication = Publication::of(&template("abc"), &region("eu-west-1"), "bucket");
        let at: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let text = |item: &HashMap<String, AttributeValue>, name: &str| item[name].as_s().unwrap().clone();
        let (current, history) = (publication.current_item(at), publication.history_item(at));
        for item in [&current, &history] {
            assert_eq!(text(item, "pk"), "TEMPLATE");
            assert_eq!(text(item, "version"), "1.2.3");
            assert_eq!(text(item, "url"), publication.url);
            assert_eq!(text(item, "sha256"), publication.sha256);
            assert_eq!(text(item, "published_at"), "2026-11-21T12:00:00Z");
            assert_eq!(item.len(), 6);
        }
        assert_eq!(text(&current, "sk"), "CURRENT");
        assert_eq!(
            text(&history, "sk"),
            format!("VERSION#1.2.3#{}", publication.sha256)
        );
    }
}
