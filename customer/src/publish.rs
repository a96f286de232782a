//! Puts what was rendered where customers and their CloudFormation can read it, and makes new links point to it.
//!
//! Every file is stored under a key that holds its version and SHA-256, and never changes there: what a customer
//! once read is what a link of that time opens, for as long as the bucket stands.

use std::collections::HashMap;

use aws_sdk_dynamodb::{error::ProvideErrorMetadata, types::AttributeValue};
use aws_sdk_s3::primitives::ByteStream;
use jiff::Timestamp;
use latchkey_aws::{
    dynamodb::{SCHEMA, SCHEMA_VERSION},
    telemetry::causes,
};
use latchkey_core::{
    domain::template_version::{PublishedVersion, TEMPLATE_PK},
    ports::PublicReader,
};

use crate::{
    bundle::{Bundle, BundleError},
    deployment::Deployment,
    rendering::Source,
};

/// Sort key of the item that new links are made from.
pub const CURRENT_SK: &str = "CURRENT";

/// Why a template was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The version was published with other content: customers rely on it as it is.
    #[error(
        "version {0} was published with other content, which stays as it is; raise customer/version.txt, write its entry into \
         customer/CHANGELOG.md, and publish that"
    )]
    VersionTaken(String),
    /// An item of the table cannot be written or read.
    #[error("the item of the version: {0}")]
    Item(#[from] serde_dynamo::Error),
    /// What is not readable for everybody is not readable for a customer's CloudFormation.
    #[error(
        "{url} answers {status} to whoever has no credentials, and so would it to customers: new links stay as they are; look at the          account's S3 Block Public Access, at your organization's policies and at the bucket's policy (docs/DEPLOY.md)"
    )]
    Unreadable { url: String, status: u16 },
    /// AWS refused a step, or was not reached. Publishing again is safe.
    #[error("{step}: {cause}")]
    Aws { step: &'static str, cause: String },
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

/// Renders everything for `deployment`, uploads it, remembers the version, and makes new links
/// point to it, in this order, so that no link ever opens a template that is not there, or that not
/// everybody can read. Doing it again changes nothing but the time of the pointer; for other
/// regions it is one more publication of the version; one with any other difference is refused, and
/// the pointer stays.
pub async fn publish(
    s3: &aws_sdk_s3::Client,
    dynamodb: &aws_sdk_dynamodb::Client,
    reader: &dyn PublicReader,
    deployment: &Deployment,
    source: &Source,
    published_at: Timestamp,
) -> Result<PublishedVersion, PublishError> {
    let bundle = Bundle::of(source, deployment)?;
    let mut version = bundle.published(source, &deployment.values, published_at);
    // Before the uploads, so that what is refused leaves nothing behind.
    let known = published(dynamodb, &deployment.table, &version).await?;
    if let Some(known) = &known {
        version = version
            .after(known)
            .ok_or_else(|| PublishError::VersionTaken(known.version.clone()))?;
    }
    for file in std::iter::once(&bundle.template).chain(&bundle.files) {
        s3.put_object()
            .bucket(&deployment.bucket)
            .key(&file.key)
            .content_type(file.content_type)
            .cache_control("public, max-age=31536000, immutable")
            .body(ByteStream::from(file.content.clone()))
            .send()
            .await
            .map_err(refused("uploading a file"))?;
    }
    if let Err(status) = read(reader, &version.url).await? {
        let url = version.url;
        return Err(PublishError::Unreadable { url, status });
    }
    if known.as_ref() != Some(&version) {
        remember(dynamodb, &deployment.table, &version, known.as_ref()).await?;
    }
    dynamodb
        .put_item()
        .table_name(&deployment.table)
        .set_item(Some(current_item(&version, published_at)))
        .send()
        .await
        .map_err(refused("pointing new links to the version"))?;
    Ok(version)
}

/// What everybody can read at `url`, or the status of the refusal.
pub(crate) async fn read(reader: &dyn PublicReader, url: &str) -> Result<Result<Vec<u8>, u16>, PublishError> {
    reader.read(url).await.map_err(|error| PublishError::Aws {
        step: "reading the template without credentials",
        cause: causes(&error),
    })
}

/// Writes the version's item in the place of `known`. What somebody published meanwhile stays, and
/// this fails.
async fn remember(
    dynamodb: &aws_sdk_dynamodb::Client,
    table: &str,
    version: &PublishedVersion,
    known: Option<&PublishedVersion>,
) -> Result<(), PublishError> {
    let put = dynamodb
        .put_item()
        .table_name(table)
        .set_item(Some(version_item(version)?));
    let put = match known {
        None => put.condition_expression("attribute_not_exists(pk)"),
        Some(known) => put
            .condition_expression("#url = :url")
            .expression_attribute_names("#url", "url")
            .expression_attribute_values(":url", AttributeValue::S(known.url.clone())),
    };
    put.send().await.map(|_| ()).map_err(refused(
        "remembering the version, which somebody else publishes now",
    ))
}

/// The version as it was published before, if it was.
async fn published(
    dynamodb: &aws_sdk_dynamodb::Client,
    table: &str,
    version: &PublishedVersion,
) -> Result<Option<PublishedVersion>, PublishError> {
    let answer = dynamodb
        .get_item()
        .table_name(table)
        .key("pk", AttributeValue::S(TEMPLATE_PK.to_owned()))
        .key("sk", AttributeValue::S(version.sk()))
        .consistent_read(true)
        .send()
        .await
        .map_err(refused("looking for the version"))?;
    Ok(answer.item.map(serde_dynamo::from_item).transpose()?)
}

/// The item that remembers a version for ever.
pub fn version_item(
    version: &PublishedVersion,
) -> Result<HashMap<String, AttributeValue>, serde_dynamo::Error> {
    let mut item: HashMap<String, AttributeValue> = serde_dynamo::to_item(version)?;
    item.insert("pk".to_owned(), AttributeValue::S(TEMPLATE_PK.to_owned()));
    item.insert("sk".to_owned(), AttributeValue::S(version.sk()));
    item.insert(SCHEMA.to_owned(), AttributeValue::N(SCHEMA_VERSION.to_string()));
    Ok(item)
}

/// The item that new links are made from.
pub fn current_item(version: &PublishedVersion, published_at: Timestamp) -> HashMap<String, AttributeValue> {
    let text = AttributeValue::S;
    [
        ("pk", text(TEMPLATE_PK.to_owned())),
        ("sk", text(CURRENT_SK.to_owned())),
        (SCHEMA, AttributeValue::N(SCHEMA_VERSION.to_string())),
        ("version", text(version.version.clone())),
        ("url", text(version.url.clone())),
        ("sha256", text(version.sha256.clone())),
        ("published_at", text(published_at.to_string())),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pointer_and_the_history_tell_the_same_under_their_own_keys() {
        let deployment = Deployment::example().unwrap();
        let source = Source::of_repository().unwrap();
        let at: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let version = Bundle::of(&source, &deployment)
            .unwrap()
            .published(&source, &deployment.values, at);
        let text = |item: &HashMap<String, AttributeValue>, name: &str| item[name].as_s().unwrap().clone();
        let (current, history) = (current_item(&version, at), version_item(&version).unwrap());
        for item in [&current, &history] {
            assert_eq!(text(item, "pk"), "TEMPLATE");
            assert_eq!(text(item, "version"), version.version);
            assert_eq!(text(item, "url"), version.url);
            assert_eq!(text(item, "sha256"), version.sha256);
            assert_eq!(text(item, "published_at"), "2026-11-21T12:00:00Z");
            assert_eq!(item[SCHEMA].as_n().unwrap(), &SCHEMA_VERSION.to_string());
        }
        assert_eq!(text(&current, "sk"), "CURRENT");
        assert_eq!(current.len(), 7);
        assert_eq!(text(&history, "sk"), format!("VERSION#{}", version.version));
        let read: PublishedVersion = serde_dynamo::from_item(history).unwrap();
        assert_eq!(read, version);
    }
}
