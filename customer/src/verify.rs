//! Holds every published template against the digest that it was published under.
//!
//! What a launch link opens is an object in a bucket. Nobody but the vendor's own principals can write there; should one
//! of them do it, or be made to do it, this finds out.

use aws_sdk_dynamodb::{error::ProvideErrorMetadata, types::AttributeValue};

use latchkey_core::{
    domain::template_version::{PublishedVersion, TEMPLATE_PK},
    ports::PublicReader,
};

use crate::{
    bundle::{PUBLIC_PREFIX, TEMPLATE_NAME},
    deployment::Deployment,
    deployment_template::sha256_hex,
    publish::{CURRENT_SK, PublishError, read, refused},
};

/// What became of a published text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    AsPublished,
    /// Something else lies in its place.
    Changed,
    /// Nothing does: links to it open no template.
    Gone,
    /// Whoever has no credentials of ours gets this HTTP status, and so does a customer's CloudFormation.
    Unreadable(u16),
    /// It is as published, and new links open it; but it lists other regions than the deployment
    /// serves.
    OtherRegions,
}

/// One published template, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub version: String,
    /// The SHA-256 that it was published under.
    pub sha256: String,
    pub is_current: bool,
    pub finding: Finding,
}

/// Reads every template that was ever published by `deployment`, and compares. The first publication comes first.
pub async fn verify(
    s3: &aws_sdk_s3::Client,
    dynamodb: &aws_sdk_dynamodb::Client,
    reader: &dyn PublicReader,
    deployment: &Deployment,
) -> Result<Vec<Checked>, PublishError> {
    let mut pages = dynamodb
        .query()
        .table_name(&deployment.table)
        .key_condition_expression("pk = :pk")
        .expression_attribute_values(":pk", AttributeValue::S(TEMPLATE_PK.to_owned()))
        .consistent_read(true)
        .into_paginator()
        .items()
        .send();
    let (mut current, mut published, mut of_other_regions) = (None, Vec::new(), Vec::new());
    while let Some(item) = pages.next().await {
        let item = item.map_err(refused("reading what was published"))?;
        let is_current = item
            .get("sk")
            .is_some_and(|sk| sk.as_s() == Ok(&CURRENT_SK.to_owned()));
        // The pointer has what both have in common.
        let it: PublishedVersion = serde_dynamo::from_item(item)?;
        if is_current {
            current = Some((it.version, it.sha256, it.url));
            continue;
        }
        // One of before there was a list lets itself be launched everywhere.
        if !it.regions.is_empty() && it.regions != deployment.values.served_regions.as_str() {
            of_other_regions.push(it.sha256.clone());
        }
        for former in it.earlier {
            published.push((
                Some(former.published_at),
                it.version.clone(),
                former.sha256,
                former.url,
            ));
        }
        published.push((Some(it.published_at), it.version, it.sha256, it.url));
    }
    published.sort();
    // Were it not among the published ones, it would be looked at all the same.
    if let Some((version, sha256, url)) = &current
        && !published.iter().any(|(_, _, known, _)| known == sha256)
    {
        published.push((None, version.clone(), sha256.clone(), url.clone()));
    }
    let mut checked = Vec::with_capacity(published.len());
    for (_, version, sha256, url) in published {
        let is_current = current.as_ref().is_some_and(|(_, current, _)| *current == sha256);
        let finding = match look(s3, deployment, &version, &sha256).await? {
            // With our own credentials the bucket says nothing of what customers can read.
            Finding::AsPublished => match read(reader, &url).await? {
                Ok(text) if sha256_hex(&text) != sha256 => Finding::Changed,
                Ok(_) if is_current && of_other_regions.contains(&sha256) => Finding::OtherRegions,
                Ok(_) => Finding::AsPublished,
                Err(status) => Finding::Unreadable(status),
            },
            other => other,
        };
        checked.push(Checked {
            finding,
            is_current,
            version,
            sha256,
        });
    }
    Ok(checked)
}

async fn look(
    s3: &aws_sdk_s3::Client,
    deployment: &Deployment,
    version: &str,
    sha256: &str,
) -> Result<Finding, PublishError> {
    const STEP: &str = "reading a published template";
    let object = s3
        .get_object()
        .bucket(&deployment.bucket)
        .key(format!("{PUBLIC_PREFIX}{version}/{sha256}/{TEMPLATE_NAME}"))
        .send()
        .await;
    let object = match object {
        Err(error) if error.code() == Some("NoSuchKey") => return Ok(Finding::Gone),
        object => object.map_err(refused(STEP))?,
    };
    let body = object.body.collect().await.map_err(|error| PublishError::Aws {
        step: STEP,
        cause: error.to_string(),
    })?;
    let digest = sha256_hex(&body.into_bytes());
    Ok(if digest == sha256 {
        Finding::AsPublished
    } else {
        Finding::Changed
    })
}
