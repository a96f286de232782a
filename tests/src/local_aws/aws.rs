//! SDK configurations for the local AWS: as an account's root, or as a session of a role.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_smithy_http_client::Builder;
use latchkey_aws::{
    aws_clients::connector, config::local_endpoint::LocalEndpoint, public_reader::AnonymousReader,
    trust::Roots,
};

use crate::{Error, failed};

/// Acts as the root of `account`, which bypasses every policy: to set a scene, never for what is being tested.
pub fn root(endpoint: &str, account: &str, region: &str) -> SdkConfig {
    config(
        endpoint,
        region,
        Credentials::new(account, "test", None, None, "local-root"),
    )
}

fn config(endpoint: &str, region: &str, credentials: Credentials) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new(region.to_owned()))
        .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(
            credentials,
        ))
        .http_client(Builder::new().build_http())
        .build()
}

/// A client of S3 that addresses buckets by path: there is no name service for `<bucket>.127.0.0.1`.
pub fn s3(config: &SdkConfig) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(config)
        .force_path_style(true)
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

/// Lets everybody read what is published in a bucket that was made without `template.yaml`.
pub async fn open_to_everybody(config: &SdkConfig, bucket: &str) -> Result<(), Error> {
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::{bucket}/customer-templates/*"}}]}}"#
    );
    let s3 = s3(config);
    let allowed = s3.delete_public_access_block().bucket(bucket).send().await;
    allowed.map_err(|error| failed("letting a bucket have a public policy", &error))?;
    let set = s3.put_bucket_policy().bucket(bucket).policy(policy).send().await;
    set.map_err(|error| failed("opening a bucket", &error))?;
    Ok(())
}

/// The eyes of somebody without credentials.
pub fn stranger(endpoint: &str) -> AnonymousReader {
    AnonymousReader::new(connector(&Roots::Host), LocalEndpoint::parse(endpoint))
}

/// A session of `account`'s administrator role, which is made if it is not there. Unlike root it is subject to every
/// policy.
pub async fn administrator(endpoint: &str, account: &str, region: &str) -> Result<SdkConfig, Error> {
    const EVERYTHING: &str =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let credentials = session(endpoint, (account, region), "Administrator", EVERYTHING).await?;
    Ok(config(endpoint, region, credentials))
}

/// A session of a role of an account, which may do what `policy` says. The role is made if it is
/// not there.
pub async fn session(
    endpoint: &str,
    (account, region): (&str, &str),
    role: &str,
    policy: &str,
) -> Result<Credentials, Error> {
    let root = root(endpoint, account, region);
    let iam = aws_sdk_iam::Client::new(&root);
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{account}:root"}},"Action":"sts:AssumeRole"}}]}}"#
    );
    let made = iam
        .create_role()
        .role_name(role)
        .assume_role_policy_document(trust)
        .send()
        .await;
    if let Err(error) = made
        && !error
            .as_service_error()
            .is_some_and(|error| error.is_entity_already_exists_exception())
    {
        return Err(failed("making a role", &error));
    }
    iam.put_role_policy()
        .role_name(role)
        .policy_name("policy")
        .policy_document(policy)
        .send()
        .await
        .map_err(|error| failed("giving a role its policy", &error))?;
    let answer = aws_sdk_sts::Client::new(&root)
        .assume_role()
        .role_arn(format!("arn:aws:iam::{account}:role/{role}"))
        .role_session_name("person")
        .send()
        .await
        .map_err(|error| failed("becoming a role", &error))?;
    let session = answer.credentials().ok_or("STS gave no credentials")?;
    Ok(Credentials::new(
        session.access_key_id(),
        session.secret_access_key(),
        Some(session.session_token().to_owned()),
        None,
        "local-session",
    ))
}
