//! Deploys the vendor's side into a running local AWS, in the order of the README's steps.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_cloudformation::types::{Capability, Parameter};
use aws_sdk_s3::primitives::ByteStream;
use jiff::Timestamp;
use latchkey_customer::{deployment::Deployment, publish::publish, rendering::Source};

use super::{
    ARTIFACTS_BUCKET, HUB_REGION, LISTENER_REGIONS, Options, Ready, TENANTS, VENDOR_ACCOUNT,
    artifacts::function_zip,
    aws,
    issuer::{Issuer, TENANT_CLAIM, TRUSTED},
    ready::Session,
};
use crate::{
    Error,
    customer::wait_for_stack,
    failed,
    sam_template::{functions, load, with_code_in_s3},
};

const STACK_NAME: &str = "latchkey";
/// Accounts to play customers with.
const CUSTOMER_ACCOUNTS: [&str; 4] = ["222222222222", "333333333333", "444444444444", "555555555555"];

pub async fn deploy(endpoint: &str, options: &Options, progress: impl Fn(&str)) -> Result<Ready, Error> {
    let vendor = aws::root(endpoint, VENDOR_ACCOUNT, HUB_REGION);
    let mut issuer = None;
    if options.issuer {
        progress("making the vendor's identity provider");
        issuer = Some(Issuer::create(&vendor, TRUSTED).await?);
    }
    progress("uploading the functions");
    let template = load("template.yaml")?;
    let s3 = aws::s3(&vendor);
    s3.create_bucket()
        .bucket(ARTIFACTS_BUCKET)
        .send()
        .await
        .map_err(|error| failed("making a bucket", &error))?;
    for (function, _) in functions(&template) {
        put(&s3, &format!("{function}.zip"), function_zip(&function)?).await?;
    }
    if let Some(bucket) = &options.bucket_elsewhere {
        let made = s3.create_bucket().bucket(bucket).send().await;
        made.map_err(|error| failed("making a bucket elsewhere", &error))?;
        aws::open_to_everybody(&vendor, bucket).await?;
    }
    progress("deploying template.yaml");
    let text = with_code_in_s3(&template, |local| {
        (
            ARTIFACTS_BUCKET.to_owned(),
            format!("{}.zip", local.rsplit('/').next().unwrap_or(local)),
        )
    })?;
    put(&s3, "template.json", text.into_bytes()).await?;
    let (stack_id, outputs) = vendor_stack(endpoint, &vendor, issuer.as_ref(), options).await?;
    progress("deploying a listener topic in each region");
    let listener = output(&outputs, "ListenerFunctionArn")?;
    let topic_name = output(&outputs, "ListenerTopicName")?;
    let mut topics = BTreeMap::new();
    for region in LISTENER_REGIONS {
        topics.insert(
            region.to_owned(),
            listener_topic(endpoint, region, topic_name, listener, options).await?,
        );
    }
    progress("publishing the customer template");
    let deployment = Deployment::from_outputs(&stack_id, &outputs)?;
    let dynamodb = aws_sdk_dynamodb::Client::new(&vendor);
    let source = Source::of_repository()?;
    let reader = aws::stranger(endpoint);
    let published = publish(&s3, &dynamodb, &reader, &deployment, &source, Timestamp::now()).await?;
    let mut tokens = BTreeMap::new();
    if let Some(issuer) = issuer {
        for tenant in TENANTS {
            let of_tenant = issuer.login(&format!("{tenant}-ui"), tenant).await?;
            tokens.insert(tenant.to_owned(), of_tenant.id);
        }
    }
    let names = functions(&template).into_iter().map(|(folder, id)| {
        let name = output(&outputs, &format!("{id}Name"))?;
        Ok((folder, name.to_owned()))
    });
    let functions = names.collect::<Result<BTreeMap<_, _>, Error>>()?;
    let api_id = output(&outputs, "ApiId")?;
    let mut ready = Ready {
        endpoint: endpoint.to_owned(),
        api_url: format!("{endpoint}/_aws/execute-api/{api_id}/$default"),
        api_id: api_id.to_owned(),
        vendor_account: VENDOR_ACCOUNT.to_owned(),
        customer_accounts: CUSTOMER_ACCOUNTS.map(str::to_owned).to_vec(),
        hub_region: HUB_REGION.to_owned(),
        regions: LISTENER_REGIONS.map(str::to_owned).to_vec(),
        topics,
        table: output(&outputs, "TableName")?.to_owned(),
        queue_url: output(&outputs, "VerificationQueueUrl")?.to_owned(),
        bucket: output(&outputs, "TemplateBucketName")?.to_owned(),
        template_url: published.url,
        functions,
        role_path: output(&outputs, "VerifierRolePath")?.to_owned(),
        tokens,
        back_end: Session::default(),
    };
    let policy = ready.policy("back-end", "")?;
    let home = (VENDOR_ACCOUNT, HUB_REGION);
    let back_end = aws::session(endpoint, home, "BackEnd", &policy).await?;
    ready.back_end = Session::from(&back_end);
    Ok(ready)
}

async fn vendor_stack(
    endpoint: &str,
    vendor: &aws_config::SdkConfig,
    issuer: Option<&Issuer>,
    options: &Options,
) -> Result<(String, HashMap<String, String>), Error> {
    let deadline = options.verification_deadline.as_secs().to_string();
    let defaults = [
        ("ListenerRegions", LISTENER_REGIONS.join(",")),
        ("DefaultRegion", HUB_REGION.to_owned()),
        ("ListenerTopicsBy", "None".to_owned()),
        ("ListenerConcurrency", "50".to_owned()),
        ("VerificationDeadlineSeconds", deadline),
        // One slot: each tick looks at everything, so that nobody has to wait a day for the demo.
        ("SweepTickMinutes", "1".to_owned()),
        ("SweepSlots", "1".to_owned()),
        ("DegradedSlots", "1".to_owned()),
        ("ProofEverySweeps", "1".to_owned()),
        // No quota to respect: tests wait for sweeps.
        ("StsCallsPerSecond", "10000".to_owned()),
        ("ListenerAccess", options.listener_access.as_str().to_owned()),
        ("LocalAnswerEndpoint", endpoint.to_owned()),
        (
            "TemplateBucketName",
            options.bucket_elsewhere.clone().unwrap_or_default(),
        ),
    ];
    let mut parameters = BTreeMap::from(defaults.map(|(name, value)| (name.to_owned(), value)));
    if let Some(issuer) = issuer {
        let tokens = [
            ("JwtIssuer", issuer.issuer()),
            ("JwtAudience", issuer.audience().to_owned()),
            ("TenantClaim", TENANT_CLAIM.to_owned()),
        ];
        parameters.extend(tokens.map(|(name, value)| (name.to_owned(), value)));
    }
    parameters.extend(options.parameters.iter().cloned());
    let parameters = parameters.iter().map(|(name, value)| parameter(name, value));
    let cloudformation = aws_sdk_cloudformation::Client::new(vendor);
    cloudformation
        .create_stack()
        .stack_name(STACK_NAME)
        .template_url(format!("{endpoint}/{ARTIFACTS_BUCKET}/template.json"))
        .set_parameters(Some(parameters.collect()))
        .capabilities(Capability::CapabilityNamedIam)
        .capabilities(Capability::CapabilityAutoExpand)
        .send()
        .await
        .map_err(|error| failed("deploying template.yaml", &error))?;
    finished(&cloudformation, STACK_NAME).await
}

async fn listener_topic(
    endpoint: &str,
    region: &str,
    topic_name: &str,
    listener: &str,
    options: &Options,
) -> Result<String, Error> {
    let cloudformation = aws_sdk_cloudformation::Client::new(&aws::root(endpoint, VENDOR_ACCOUNT, region));
    let stack_name = "latchkey-listener-topic";
    cloudformation
        .create_stack()
        .stack_name(stack_name)
        .template_body(load("functions/custom-resource-listener/listener-topic.yaml")?.to_string())
        .parameters(parameter("ListenerTopicName", topic_name))
        .parameters(parameter("ListenerFunctionArn", listener))
        .parameters(parameter("ListenerAccess", options.listener_access.as_str()))
        .send()
        .await
        .map_err(|error| failed("deploying a listener topic", &error))?;
    let (_, outputs) = finished(&cloudformation, stack_name).await?;
    Ok(output(&outputs, "ListenerTopicArn")?.to_owned())
}

async fn finished(
    cloudformation: &aws_sdk_cloudformation::Client,
    stack_name: &str,
) -> Result<(String, HashMap<String, String>), Error> {
    let outcome = wait_for_stack(cloudformation, stack_name).await?;
    let done = outcome.expect("CREATE_COMPLETE");
    done.map_err(|error| format!("{stack_name}: {error}"))?;
    Ok((outcome.stack_id, outcome.outputs))
}

async fn put(s3: &aws_sdk_s3::Client, key: &str, body: Vec<u8>) -> Result<(), Error> {
    s3.put_object()
        .bucket(ARTIFACTS_BUCKET)
        .key(key)
        .body(ByteStream::from(body))
        .send()
        .await
        .map_err(|error| failed("uploading", &error))?;
    Ok(())
}

fn parameter(key: &str, value: &str) -> Parameter {
    Parameter::builder()
        .parameter_key(key)
        .parameter_value(value)
        .build()
}

fn output<'a>(outputs: &'a HashMap<String, String>, name: &str) -> Result<&'a str, Error> {
    Ok(outputs
        .get(name)
        .ok_or_else(|| format!("the stack has no output {name}"))?)
}
