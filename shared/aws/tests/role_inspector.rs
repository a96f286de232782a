//! What AWS's own answers about a role are taken for, in the shapes of its API reference.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_runtime_api::{
    client::{
        behavior_version::BehaviorVersion,
        http::{
            HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector, http_client_fn,
        },
        orchestrator::{HttpRequest, HttpResponse},
    },
    http::StatusCode,
};
use aws_smithy_types::{body::SdkBody, retry::RetryConfig};
use aws_types::{SdkConfig, region};
use latchkey_aws::{sts_assumer::StsAssumer, system::Cuid2Ids};
use latchkey_core::{
    domain::{
        aws::{Region, RoleArn},
        proof::{
            permissions::{
                Decision, DeniedBy,
                Inspection::{self, Decided, Inconclusive, NotPermitted},
                Questions, Scope,
            },
            trust_report::TrustReading,
            verdict::Cause,
        },
    },
    ports::{IdSource as _, Look, RoleInspector as _},
};

const SESSION: &str = include_str!("fixtures/session.xml");
const ROLE: &str = include_str!("fixtures/role.xml");
const SIMULATION: &str = include_str!("fixtures/simulation.xml");

/// STS and IAM that know three answers, and remember what they were asked.
#[derive(Debug, Clone)]
struct Answers {
    role: (u16, String),
    simulation: (u16, String),
    asked: Arc<Mutex<Vec<BTreeMap<String, String>>>>,
}

impl HttpConnector for Answers {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(request.body().bytes().unwrap())
            .into_owned()
            .collect();
        let (status, body) = match form["Action"].as_str() {
            "AssumeRole" => (200, SESSION.to_owned()),
            "GetRole" => self.role.clone(),
            _ => self.simulation.clone(),
        };
        self.asked.lock().unwrap().push(form);
        let status = StatusCode::try_from(status).unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(body))))
    }
}

fn error(code: &str, message: &str) -> (u16, String) {
    let body = format!(
        "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
    );
    (if code == "Throttling" { 400 } else { 403 }, body)
}

/// Looks at the role with such answers; what came of it, and what was asked.
async fn look(role: (u16, String), simulation: (u16, String)) -> (Look, Vec<BTreeMap<String, String>>) {
    let asked = Arc::new(Mutex::default());
    let answers = Answers {
        role,
        simulation,
        asked: Arc::clone(&asked),
    };
    let connector = SharedHttpConnector::new(answers);
    let credentials = Credentials::new("ASIAEXAMPLE", "secret", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region::Region::new("us-east-1"))
        .retry_config(RetryConfig::disabled())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http_client_fn(move |_: &HttpConnectorSettings, _| {
            connector.clone()
        }))
        .build();
    let sts = StsAssumer::new(&config, config.clone());
    let role = RoleArn::parse("arn:aws:iam::222222222222:role/p/Reader").unwrap();
    let questions = Questions {
        actions: [(Scope::Any, vec!["ec2:DescribeInstances".to_owned()])].into(),
        region: Region::parse("eu-central-1").unwrap(),
    };
    let (external_id, connection) = (Cuid2Ids.external_id(), Cuid2Ids.connection_id());
    let look = sts.inspect(&role, &external_id, &connection, &questions).await;
    let asked = asked.lock().unwrap().clone();
    (look, asked)
}

#[tokio::test]
async fn each_answer_of_iam_is_taken_for_what_it_says() {
    let (look, asked) = look((200, ROLE.to_owned()), (200, SIMULATION.to_owned())).await;
    let document = r#"{"Version":"2012-10-17","Statement":[{"Sid":"A b+c"}]}"#;
    assert_eq!(look.trust, TrustReading::Read(document.to_owned()));
    let decisions = [
        ("iam:ListAccountAliases", Decision::Allowed),
        ("ec2:DescribeInstances", Decision::Denied(DeniedBy::Organization)),
        (
            "ec2:DescribeVolumes",
            Decision::Denied(DeniedBy::PermissionsBoundary),
        ),
        ("ecs:ListClusters", Decision::Denied(DeniedBy::Condition)),
        ("iam:GetRole", Decision::Denied(DeniedBy::Condition)),
        ("rds:DescribeDBInstances", Decision::Denied(DeniedBy::Role)),
    ];
    let decisions = decisions.map(|(action, decision)| (action.to_owned(), decision));
    assert_eq!(look.permissions, Decided(decisions.into()));

    let simulation = asked
        .iter()
        .find(|form| form["Action"] == "SimulatePrincipalPolicy")
        .unwrap();
    let told: BTreeMap<&str, (&str, &str)> = (1..)
        .map_while(|number| {
            let field = |name: &str| simulation.get(&format!("ContextEntries.member.{number}.{name}"));
            let value = field("ContextKeyValues.member.1")?;
            Some((
                field("ContextKeyName")?.as_str(),
                (field("ContextKeyType")?.as_str(), value.as_str()),
            ))
        })
        .collect();
    let expected = [
        ("aws:PrincipalAccount", ("string", "222222222222")),
        (
            "aws:PrincipalArn",
            ("string", "arn:aws:iam::222222222222:role/p/Reader"),
        ),
        ("aws:PrincipalIsAWSService", ("boolean", "false")),
        ("aws:RequestedRegion", ("string", "eu-central-1")),
        ("aws:SecureTransport", ("boolean", "true")),
        ("aws:ViaAWSService", ("boolean", "false")),
    ];
    assert_eq!(told, expected.into());
}

#[tokio::test]
async fn what_iam_refuses_is_told_from_what_it_cannot_say_yet() {
    const DENIED: &str = "User: arn:aws:sts::222222222222:assumed-role/Reader/latchkey-x is not authorized to perform: \
                          this on resource: role Reader";
    let unclear = || {
        (
            TrustReading::Unclear(Cause::ServiceError),
            Inconclusive(Cause::ServiceError),
        )
    };
    let by = |by: DeniedBy| (TrustReading::Denied(by), NotPermitted(by));
    let cases: [(&str, String, (TrustReading, Inspection)); 7] = [
        ("AccessDenied", DENIED.to_owned(), by(DeniedBy::Role)),
        (
            "AccessDenied",
            format!("{DENIED} because no identity-based policy allows it"),
            by(DeniedBy::Role),
        ),
        (
            "AccessDenied",
            format!("{DENIED} with an explicit deny in a service control policy"),
            by(DeniedBy::Organization),
        ),
        (
            "AccessDenied",
            format!("{DENIED} because no permissions boundary allows it"),
            by(DeniedBy::PermissionsBoundary),
        ),
        (
            "InvalidClientTokenId",
            "The security token is invalid".to_owned(),
            unclear(),
        ),
        ("NoSuchEntity", "The role cannot be found.".to_owned(), unclear()),
        ("Throttling", "Rate exceeded".to_owned(), unclear()),
    ];
    for (code, message, (trust, permissions)) in cases {
        let (look, _) = look(error(code, &message), error(code, &message)).await;
        assert_eq!(look, Look { trust, permissions }, "{code}: {message}");
    }
    // Another role of that name, under another path.
    let other = ROLE.replace(":role/p/", ":role/q/");
    let (look, _) = look((200, other), (200, SIMULATION.to_owned())).await;
    assert_eq!(look.trust, TrustReading::Unclear(Cause::ServiceError));
}
