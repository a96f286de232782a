//! What the vendor's account has, and has not.

use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sdk_cloudformation::types::StackStatus;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_sns::config::Region as SdkRegion;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4::SigningParams,
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector as _, SharedHttpConnector},
    orchestrator::HttpRequest,
};
use aws_smithy_types::byte_stream::ByteStream;
use latchkey_core::domain::aws::{AccountId, Region, TopicArn};

use super::{Finding, Level, Plan};
use crate::publish::cause;

/// What Lambda keeps unreserved of an account's quota.
const UNRESERVED: i32 = 100;
/// What two queues, the API, the listener and the ticks are comfortable with.
const ENOUGH: i32 = 50;

pub(super) async fn findings(
    config: &SdkConfig,
    connector: &SharedHttpConnector,
    plan: &Plan,
) -> Vec<Finding> {
    let identity = aws_sdk_sts::Client::new(config)
        .get_caller_identity()
        .send()
        .await;
    let account = match &identity {
        Ok(identity) => identity
            .account()
            .and_then(|account| AccountId::parse(account).ok()),
        Err(error) => return vec![Finding::not_asked("who you are", cause(error))],
    };
    let Some(account) = account else {
        return vec![Finding::not_asked("who you are", "STS names no account")];
    };
    let stack = stack(config, plan).await;
    let is_deployed = matches!(stack, Ok(Some(_)));
    let mut findings = vec![told_of_stack(stack), concurrency(config, plan).await];
    findings.push(match plan.value("TemplateBucketName") {
        "" => public_access(config, connector, plan, &account).await,
        bucket => named_bucket(config, bucket).await,
    });
    findings.push(role_path(config, plan, is_deployed).await);
    for region in plan.regions() {
        findings.push(topic(config, plan, &account, &region, is_deployed).await);
    }
    findings
}

/// The stack's status and whether it is protected; `None` where there is none.
async fn stack(config: &SdkConfig, plan: &Plan) -> Result<Option<(StackStatus, bool)>, String> {
    let asked = aws_sdk_cloudformation::Client::new(config)
        .describe_stacks()
        .stack_name(&plan.stack_name)
        .send()
        .await;
    match asked {
        Ok(answer) => Ok(answer.stacks().first().map(|stack| {
            let status = stack.stack_status().cloned();
            let is_protected = stack.enable_termination_protection().unwrap_or_default();
            (status.unwrap_or(StackStatus::from("UNKNOWN")), is_protected)
        })),
        Err(error)
            if error
                .message()
                .is_some_and(|message| message.contains("does not exist")) =>
        {
            Ok(None)
        }
        Err(error) => Err(cause(&error)),
    }
}

fn told_of_stack(stack: Result<Option<(StackStatus, bool)>, String>) -> Finding {
    match stack {
        Err(error) => Finding::not_asked("the stack", error),
        Ok(None) => Finding::fine("there is no such stack yet"),
        Ok(Some((StackStatus::RollbackComplete, _))) => Finding::stop(
            "the stack's first deployment failed, and it can only be deleted",
            "delete it (`sam delete`), wait a minute for its queues' names, and deploy again",
        ),
        Ok(Some((_, false))) => Finding::new(
            Level::Advice,
            "the stack can be deleted by accident, and customers' stacks could not be deleted any more",
            "aws cloudformation update-termination-protection --enable-termination-protection --stack-name …",
        ),
        Ok(Some((_, true))) => Finding::fine("the stack is protected from deletion"),
    }
}

async fn concurrency(config: &SdkConfig, plan: &Plan) -> Finding {
    let settings = aws_sdk_lambda::Client::new(config)
        .get_account_settings()
        .send()
        .await;
    let limit = match settings {
        Ok(settings) => settings
            .account_limit
            .unwrap_or_else(|| aws_sdk_lambda::types::AccountLimit::builder().build()),
        Err(error) => return Finding::not_asked("Lambda's quota", cause(&error)),
    };
    let total = limit.concurrent_executions();
    let free = limit.unreserved_concurrent_executions().unwrap_or_default();
    let wanted: i32 = plan.value("ListenerConcurrency").parse().unwrap_or_default();
    // A stack that stands has reserved its part already.
    if wanted > 0 && free - wanted < UNRESERVED && total - wanted < UNRESERVED {
        return Finding::stop(
            format!(
                "Lambda's quota is {total}, and {UNRESERVED} must stay unreserved: {wanted} cannot be reserved"
            ),
            "deploy with ListenerConcurrency=none, and ask Service Quotas for 1,000 concurrent executions",
        );
    }
    if total < ENOUGH {
        return Finding::new(
            Level::Advice,
            format!("Lambda's quota is {total}, which all functions of the account share"),
            "deploy with VerifierConcurrency=2, and ask Service Quotas for 1,000 concurrent executions",
        );
    }
    if wanted == 0 && total >= UNRESERVED + ENOUGH {
        return Finding::new(
            Level::Advice,
            format!("Lambda's quota is {total}, and nothing bounds what a flood of messages takes of it"),
            "deploy with ListenerConcurrency=50",
        );
    }
    Finding::fine(format!("Lambda's quota is {total}"))
}

async fn public_access(
    config: &SdkConfig,
    connector: &SharedHttpConnector,
    plan: &Plan,
    account: &AccountId,
) -> Finding {
    const WHAT: &str = "the account's S3 Block Public Access";
    let to_do = "switch BlockPublicPolicy and RestrictPublicBuckets off for the account, or make a bucket in an account that may \
                 have a public one, and deploy with TemplateBucketName";
    match ask_public_access(config, connector, &plan.hub, account).await {
        Ok((404, _)) => Finding::fine("the account does not block public buckets"),
        Ok((200, text)) => {
            let is_on = |name: &str| text.contains(&format!("<{name}>true</{name}>"));
            if is_on("BlockPublicPolicy") {
                Finding::stop(format!("{WHAT} refuses the template bucket's policy"), to_do)
            } else if is_on("RestrictPublicBuckets") {
                Finding::stop(format!("{WHAT} keeps customers from reading the template"), to_do)
            } else {
                Finding::fine("the account does not block public buckets")
            }
        }
        Ok((status, _)) => Finding::not_asked(WHAT, format!("S3 answers {status}")),
        Err(error) => Finding::not_asked(WHAT, error),
    }
}

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Status and text of S3's answer. By hand: the SDK's crate of S3 Control has a hundred operations for this one.
async fn ask_public_access(
    config: &SdkConfig,
    connector: &SharedHttpConnector,
    region: &Region,
    account: &AccountId,
) -> Result<(u16, String), Error> {
    const PATH: &str = "v20180820/configuration/publicAccessBlock";
    let url = match config.endpoint_url() {
        Some(endpoint) => format!("{}/{PATH}", endpoint.trim_end_matches('/')),
        None => {
            let suffix = region.partition().dns_suffix();
            format!("https://{account}.s3-control.{region}.{suffix}/{PATH}")
        }
    };
    let credentials = config.credentials_provider().ok_or("there are no credentials")?;
    let identity = credentials.provide_credentials().await?.into();
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region(region.as_str())
        .name("s3")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()?
        .into();
    // What S3 wants signed: that the body is empty.
    let digest = crate::deployment_template::sha256_hex(b"");
    let own = [
        ("x-amz-account-id", account.as_str()),
        ("x-amz-content-sha256", digest.as_str()),
    ];
    let signable = SignableRequest::new("GET", &url, own.into_iter(), SignableBody::Bytes(&[]))?;
    let (signature, _) = sign(signable, &parameters)?.into_parts();
    let mut request = HttpRequest::get(&url)?;
    for (name, value) in own.into_iter().chain(signature.headers()) {
        request
            .headers_mut()
            .try_insert(name.to_owned(), value.to_owned())?;
    }
    let response = connector.call(request).await?;
    let status = response.status().as_u16();
    let body = ByteStream::new(response.into_body()).collect().await?.to_vec();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

async fn named_bucket(config: &SdkConfig, bucket: &str) -> Finding {
    match aws_sdk_s3::Client::new(config)
        .head_bucket()
        .bucket(bucket)
        .send()
        .await
    {
        Ok(_) => Finding::fine(format!(
            "the bucket {bucket} is there; publishing tries whether everybody can read what lies in it"
        )),
        Err(error) => Finding::stop(
            format!("the bucket {bucket} cannot be reached: {}", cause(&error)),
            "make it, and let your credentials write to it (docs/DEPLOY.md)",
        ),
    }
}

async fn role_path(config: &SdkConfig, plan: &Plan, is_deployed: bool) -> Finding {
    let path = plan.value("RolePath");
    let mut roles = aws_sdk_iam::Client::new(config)
        .list_roles()
        .path_prefix(path)
        .into_paginator()
        .items()
        .send();
    let own = format!("{}-RoleVerifierRole-", plan.stack_name);
    let mut others = Vec::new();
    while let Some(role) = roles.next().await {
        match role {
            Ok(role) if is_deployed && role.role_name().starts_with(&own) => {}
            Ok(role) => others.push(role.role_name().to_owned()),
            Err(error) => return Finding::not_asked("the roles under RolePath", cause(&error)),
        }
    }
    if others.is_empty() {
        return Finding::fine(format!("no other role is under {path}"));
    }
    Finding::stop(
        format!(
            "other roles are under {path}, and customers would trust them: {}",
            others.join(", ")
        ),
        "a second deployment in one account needs a RolePath and a ListenerTopicName of its own",
    )
}

async fn topic(
    config: &SdkConfig,
    plan: &Plan,
    account: &AccountId,
    region: &Region,
    is_deployed: bool,
) -> Finding {
    let name = plan.value("ListenerTopicName");
    let arn = match TopicArn::of(region, account, name) {
        Ok(arn) => arn.to_string(),
        Err(error) => return Finding::stop(format!("ListenerTopicName: {error}"), "choose another one"),
    };
    let there = aws_sdk_sns::config::Builder::from(config)
        .region(SdkRegion::new(region.to_string()))
        .build();
    let asked = aws_sdk_sns::Client::from_conf(there)
        .get_topic_attributes()
        .topic_arn(arn)
        .send()
        .await;
    let what = format!("SNS in {region}");
    match asked {
        Ok(_) if is_deployed => Finding::fine(format!("{region} has its topic")),
        Ok(_) => Finding::stop(
            format!("{region} has a topic named {name} already, of another deployment"),
            "a second deployment in one account needs a ListenerTopicName and a RolePath of its own",
        ),
        Err(error) => match error.code() {
            Some("NotFound") => Finding::fine(format!("{region} lets you in, and has no topic yet")),
            Some("AuthorizationError" | "AccessDenied" | "AccessDeniedException") => Finding::stop(
                format!("{region} refuses you: {}", cause(&error)),
                "leave it out of ListenerRegions, or have your organization's policy allow sns and sqs there",
            ),
            Some("InvalidClientTokenId" | "UnrecognizedClientException") => Finding::stop(
                format!(
                    "{region} does not know your account: it is not enabled, or your session is of the global endpoint of STS"
                ),
                format!(
                    "aws account enable-region --region-name {region}, and wait for it; or leave it out of ListenerRegions"
                ),
            ),
            _ => Finding::not_asked(&what, cause(&error)),
        },
    }
}
