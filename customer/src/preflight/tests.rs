//! Answers as AWS gives them, recorded or from the guides, for each thing that can be wrong.

use std::collections::BTreeMap;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, http_client_fn},
        orchestrator::{HttpRequest, HttpResponse},
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;

use super::*;

const ISSUER: &str = "https://login.example.com/";

/// What each host says, by a part of its URL or of what is sent to it; the longest part that fits decides.
#[derive(Debug, Clone)]
struct Recorded(BTreeMap<&'static str, (u16, String)>);

impl HttpConnector for Recorded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let sent = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let text = format!("{} {sent}", request.uri());
        let fits = self.0.iter().filter(|(part, _)| text.contains(**part));
        let longest = fits.max_by_key(|(part, _)| part.len());
        let (status, body) = longest.map_or((500, text.clone()), |(_, answer)| answer.clone());
        let status = StatusCode::try_from(status).unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(body))))
    }
}

fn error(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
    )
}

fn quota(total: i32, free: i32) -> String {
    format!(
        r#"{{"AccountLimit":{{"ConcurrentExecutions":{total},"UnreservedConcurrentExecutions":{free}}}}}"#
    )
}

fn block(policy: bool, restrict: bool) -> String {
    format!(
        "<PublicAccessBlockConfiguration xmlns=\"http://awss3control.amazonaws.com/doc/2018-08-20/\"><BlockPublicAcls>true</BlockPublicAcls>\
         <BlockPublicPolicy>{policy}</BlockPublicPolicy><RestrictPublicBuckets>{restrict}</RestrictPublicBuckets></PublicAccessBlockConfiguration>"
    )
}

/// An account in which nothing is wrong, before its first deployment.
fn good() -> Recorded {
    let identity = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
                    <Arn>arn:aws:iam::111111111111:user/x</Arn><UserId>x</UserId><Account>111111111111</Account>\
                    </GetCallerIdentityResult></GetCallerIdentityResponse>";
    let roles = "<ListRolesResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><ListRolesResult><IsTruncated>false</IsTruncated>\
                 <Roles/></ListRolesResult></ListRolesResponse>";
    let document = format!(r#"{{"issuer":"{ISSUER}","jwks_uri":"https://login.example.com/keys"}}"#);
    Recorded(BTreeMap::from([
        ("Action=GetCallerIdentity", (200, identity.to_owned())),
        (
            "Action=DescribeStacks",
            (
                400,
                error("ValidationError", "Stack with id latchkey does not exist"),
            ),
        ),
        ("account-settings", (200, quota(1000, 1000))),
        (
            "publicAccessBlock",
            (404, error("NoSuchPublicAccessBlockConfiguration", "none")),
        ),
        ("Action=ListRoles", (200, roles.to_owned())),
        (
            "Action=GetTopicAttributes",
            (404, error("NotFound", "Topic does not exist")),
        ),
        ("openid-configuration", (200, document)),
        (
            "/keys",
            (200, r#"{"keys":[{"kty":"EC"},{"kty":"RSA"}]}"#.to_owned()),
        ),
    ]))
}

async fn found(recorded: Recorded, given: &[&str]) -> Vec<Finding> {
    let connector = SharedHttpConnector::new(recorded);
    let shared = connector.clone();
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "AKIAX", "x", None, None, "test",
        )))
        .http_client(http_client_fn(move |_, _| shared.clone()))
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .build();
    let mut given: Vec<String> = given.iter().map(|&text| text.to_owned()).collect();
    given.push(format!("JwtIssuer={ISSUER}"));
    let plan = Plan::new("latchkey", "us-east-1", &given).unwrap();
    run(&config, &connector, &plan).await
}

/// The only finding that is not fine.
async fn the_finding(change: (&'static str, (u16, String)), given: &[&str]) -> Finding {
    let mut recorded = good();
    recorded.0.insert(change.0, change.1);
    let given: Vec<&str> = ["ListenerConcurrency=50"].iter().chain(given).copied().collect();
    let all = found(recorded, &given).await;
    let mut bad: Vec<Finding> = all.into_iter().filter(|it| it.level != Level::Fine).collect();
    assert_eq!(bad.len(), 1, "{bad:?}");
    bad.remove(0)
}

#[tokio::test]
async fn an_account_that_is_ready_is_told_so_in_each_point() {
    let all = found(good(), &["ListenerConcurrency=50"]).await;
    assert!(all.iter().all(|it| it.level == Level::Fine), "{all:?}");
    assert_eq!(all.len(), 6);
}

#[tokio::test]
async fn each_thing_that_fails_a_deployment_is_found_with_what_to_do() {
    let role = "<ListRolesResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><ListRolesResult><IsTruncated>false</IsTruncated><Roles>\
                <member><Path>/latchkey/</Path><RoleName>staging-RoleVerifierRole-1X</RoleName><RoleId>AROAX</RoleId>\
                <Arn>arn:aws:iam::111111111111:role/latchkey/staging-RoleVerifierRole-1X</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate></member>\
                </Roles></ListRolesResult></ListRolesResponse>";
    let topic = "<GetTopicAttributesResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><GetTopicAttributesResult><Attributes/>\
                 </GetTopicAttributesResult></GetTopicAttributesResponse>";
    let failed = "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><DescribeStacksResult><Stacks><member>\
                  <StackName>latchkey</StackName><CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>ROLLBACK_COMPLETE</StackStatus>\
                  </member></Stacks></DescribeStacksResult></DescribeStacksResponse>";
    let unlike = r#"{"issuer":"https://login.example.com","jwks_uri":"https://login.example.com/keys"}"#;
    let no_keys = r#"{"keys":[{"kty":"EC","crv":"P-256"},{"kty":"OKP"}]}"#;
    for (change, what, to_do) in [
        (
            ("account-settings", (200, quota(10, 10))),
            "quota is 10",
            "ListenerConcurrency=none",
        ),
        (
            ("account-settings", (200, quota(100, 100))),
            "quota is 100",
            "ListenerConcurrency=none",
        ),
        (
            ("publicAccessBlock", (200, block(true, true))),
            "refuses the template bucket's policy",
            "TemplateBucketName",
        ),
        (
            ("publicAccessBlock", (200, block(false, true))),
            "keeps customers from reading",
            "TemplateBucketName",
        ),
        (
            ("Action=ListRoles", (200, role.to_owned())),
            "staging-RoleVerifierRole-1X",
            "RolePath",
        ),
        (
            ("Action=GetTopicAttributes", (200, topic.to_owned())),
            "of another deployment",
            "ListenerTopicName",
        ),
        (
            (
                "Action=GetTopicAttributes",
                (
                    403,
                    error(
                        "AuthorizationError",
                        "with an explicit deny in a service control policy",
                    ),
                ),
            ),
            "us-east-1 refuses you",
            "leave it out of ListenerRegions",
        ),
        (
            (
                "Action=GetTopicAttributes",
                (
                    403,
                    error(
                        "InvalidClientTokenId",
                        "The security token included in the request is invalid.",
                    ),
                ),
            ),
            "does not know your account",
            "enable-region",
        ),
        (
            ("openid-configuration", (404, String::new())),
            "answers 404",
            "API Gateway reads it from the internet",
        ),
        (
            ("openid-configuration", (200, "<html>".to_owned())),
            "is not JSON",
            "API Gateway reads it",
        ),
        (
            ("openid-configuration", (200, unlike.to_owned())),
            "calls itself",
            "letter by letter",
        ),
        (
            ("/keys", (200, no_keys.to_owned())),
            "no RSA key (but EC, OKP)",
            "RS256",
        ),
    ] {
        let found = the_finding(change, &[]).await;
        assert_eq!(found.level, Level::Stop, "{found:?}");
        assert!(
            found.what.contains(what) && found.to_do.contains(to_do),
            "{found}"
        );
    }
    let mut recorded = good();
    recorded
        .0
        .insert("Action=DescribeStacks", (200, failed.to_owned()));
    let all = found(recorded, &["ListenerConcurrency=50"]).await;
    assert!(
        all.iter()
            .any(|it| it.level == Level::Stop && it.to_do.contains("sam delete")),
        "{all:?}"
    );
}

#[tokio::test]
async fn what_may_not_be_asked_is_said_and_taken_for_nothing_else() {
    let denied = || (403, error("AccessDenied", "not authorized"));
    for part in [
        "account-settings",
        "publicAccessBlock",
        "Action=ListRoles",
        "Action=DescribeStacks",
    ] {
        let found = the_finding((part, denied()), &[]).await;
        assert_eq!(found.level, Level::NotAsked, "{part}: {found:?}");
    }
    let throttled = the_finding(
        (
            "Action=GetTopicAttributes",
            (400, error("Throttling", "Rate exceeded")),
        ),
        &[],
    )
    .await;
    assert_eq!(throttled.level, Level::NotAsked, "{throttled:?}");
}

#[tokio::test]
async fn a_bucket_that_was_made_elsewhere_takes_the_place_of_the_accounts_settings() {
    let mut recorded = good();
    recorded.0.insert("publicAccessBlock", (200, block(true, true)));
    recorded.0.insert("elsewhere.s3", (200, String::new()));
    let given = ["ListenerConcurrency=50", "TemplateBucketName=elsewhere"];
    let all = found(recorded.clone(), &given).await;
    assert!(all.iter().all(|it| it.level == Level::Fine), "{all:?}");
    recorded.0.insert("elsewhere.s3", (404, String::new()));
    let all = found(recorded, &given).await;
    assert!(
        all.iter()
            .any(|it| it.level == Level::Stop && it.what.contains("elsewhere")),
        "{all:?}"
    );
}

#[test]
fn a_plan_that_cannot_be_deployed_is_refused_or_stops() {
    let plan = |name: &str, given: &[&str]| {
        let given: Vec<String> = given.iter().map(|&text| text.to_owned()).collect();
        Plan::new(name, "us-east-1", &given)
    };
    for (given, error) in [
        ("JwtIsuer=https://x.example", "no parameter JwtIsuer"),
        ("JwtIssuer", "not of the form"),
        ("ListenerRegions=us-east-1,moon", "region"),
    ] {
        let refused = plan("latchkey", &[given]).unwrap_err().to_string();
        assert!(refused.contains(error), "{refused}");
    }
    let levels = |name: &str, given: &[&str]| -> Vec<Level> {
        plan(name, given)
            .unwrap()
            .findings()
            .iter()
            .map(|it| it.level)
            .collect()
    };
    assert_eq!(levels("latchkey", &[]), []);
    assert_eq!(levels(&"x".repeat(31), &[]), [Level::Stop]);
    assert_eq!(levels(&"x".repeat(31), &["ListenerTopicsBy=None"]), []);
    assert_eq!(levels("x", &["ListenerRegions=eu-west-1"]), [Level::Stop]);
    let named = ["ListenerRegions=eu-west-1,us-east-1", "DefaultRegion=eu-west-1"];
    assert_eq!(levels("x", &named), []);
    assert_eq!(plan("x", &named).unwrap().regions().len(), 2);
    assert_eq!(plan("x", &[]).unwrap().regions().len(), 1);
}
