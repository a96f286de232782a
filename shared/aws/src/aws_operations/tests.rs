//! What is sent, how often, and what is made of the answers, against the SDK's own clients over the same wire.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::{
    operation::{
        batch_get_item::BatchGetItemInput, delete_item::DeleteItemInput, get_item::GetItemInput,
        put_item::PutItemInput, query::QueryInput, transact_write_items::TransactWriteItemsInput,
        update_item::UpdateItemInput,
    },
    types::{AttributeValue, KeysAndAttributes},
};
use aws_sdk_sqs::operation::{
    change_message_visibility_batch::ChangeMessageVisibilityBatchInput,
    send_message_batch::SendMessageBatchInput,
};
use aws_sdk_sts::operation::assume_role::AssumeRoleInput;
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
        orchestrator::HttpRequest,
        result::ConnectorError,
    },
    http::StatusCode,
};
use aws_smithy_types::{body::SdkBody, retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::{
    region,
    sdk_config::{Builder, SharedCredentialsProvider},
};

use super::*;
use crate::{dynamodb::DynamoDbStore, system::Cuid2Ids};
use latchkey_core::ports::{ConnectionStore as _, GrantStore as _};
use latchkey_testing::{
    builders::{created, fresh_tenant, pending},
    world::PLAN,
};

/// What is on the other side.
#[derive(Debug, Clone)]
enum Answer {
    /// A status and a body.
    Says(u16, &'static str),
    /// The connection breaks.
    Breaks,
    /// Nothing comes.
    Hangs,
}

/// A request as it was seen, without what is another one each time.
type Seen = (String, BTreeMap<String, String>, String);

#[derive(Debug, Clone, Default)]
struct Wire {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.seen.lock().unwrap().push(seen(&request));
        let answer = self.answers.lock().unwrap().pop_front();
        HttpConnectorFuture::new(async move {
            let (status, body) = match answer.unwrap_or(Answer::Says(200, "{}")) {
                Answer::Says(status, body) => (status, body),
                Answer::Breaks => return Err(ConnectorError::io("broken".into())),
                Answer::Hangs => std::future::pending().await,
            };
            let status =
                StatusCode::try_from(status).map_err(|error| ConnectorError::other(error.into(), None))?;
            Ok(HttpResponse::new(status, SdkBody::from(body)))
        })
    }
}

fn seen(request: &HttpRequest) -> Seen {
    let headers = request.headers().iter().map(|(name, value)| {
        let parts = value.split(' ').filter_map(|part| match name {
            "authorization" if part.starts_with("Signature=") => None,
            // The day is part of the scope.
            "authorization" if part.starts_with("Credential=") => part.splitn(3, '/').nth(2),
            // The clients' own notes of what they can do.
            "user-agent" | "x-amz-user-agent" if part.starts_with("m/") => None,
            "amz-sdk-request" if part.starts_with("ttl=") => None,
            "amz-sdk-invocation-id" | "x-amz-date" => Some("…"),
            _ => Some(part),
        });
        (name.to_owned(), parts.collect::<Vec<_>>().join(" "))
    });
    let body = request.body().bytes().unwrap_or_default();
    (
        format!("{} {}", request.method(), request.uri()),
        headers.collect(),
        String::from_utf8_lossy(body).into_owned(),
    )
}

fn config(wire: &Wire, region: &'static str) -> Builder {
    let connector = SharedHttpConnector::new(wire.clone());
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region::Region::new(region))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "ASIAEXAMPLE",
            "secret",
            Some("session".to_owned()),
            None,
            "test",
        )))
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(std::time::Duration::from_secs(2))
                .operation_timeout(std::time::Duration::from_secs(5))
                .build(),
        )
}

/// Lets both call, and holds what was seen and what they made of it against each other. Returns what was seen.
async fn same(
    answers: &[Answer],
    finish: impl Fn(Builder) -> SdkConfig,
    region: &'static str,
    ours: impl AsyncFn(&SdkConfig) -> String,
    clients: impl AsyncFn(&SdkConfig) -> String,
) -> Vec<Seen> {
    let over = |wire: &Wire| {
        *wire.answers.lock().unwrap() = answers.iter().cloned().collect();
        finish(config(wire, region))
    };
    let (our_wire, client_wire) = (Wire::default(), Wire::default());
    let (our_config, client_config) = (over(&our_wire), over(&client_wire));
    let (ours, clients) = (ours(&our_config).await, clients(&client_config).await);
    assert_eq!(ours, clients);
    let (ours, clients) = (our_wire.seen.lock().unwrap(), client_wire.seen.lock().unwrap());
    assert_eq!(*ours, *clients);
    ours.clone()
}

/// What became of a call.
fn told<T: Debug, E: Debug>(answer: Result<T, E>) -> String {
    format!("{answer:?}")
}

async fn ours_put(config: &SdkConfig) -> String {
    let request = PutItemInput::builder().table_name("table").item("pk", text());
    told(AwsService::new(config).call(request.build()).await)
}

async fn clients_put(config: &SdkConfig) -> String {
    let client = aws_sdk_dynamodb::Client::new(config);
    told(
        client
            .put_item()
            .table_name("table")
            .item("pk", text())
            .send()
            .await,
    )
}

fn text() -> AttributeValue {
    AttributeValue::S("text".to_owned())
}

/// One operation, asked the same by us and by a client.
macro_rules! assert_same {
    ($sdk:ident, $method:ident, $input:ident $(.$setter:ident($($value:expr),*))*) => {
        let seen = same(
            &[],
            |config| config.build(),
            "eu-west-1",
            async |config| told(AwsService::new(config).call($input::builder()$(.$setter($($value),*))*.build()).await),
            async |config| told($sdk::Client::new(config).$method()$(.$setter($($value),*))*.send().await),
        )
        .await;
        assert_eq!(seen.len(), 1, "{seen:?}");
    };
}

#[tokio::test]
async fn each_operation_sends_what_a_client_sends() {
    let keys = || {
        KeysAndAttributes::builder()
            .keys([("pk".to_owned(), text())].into())
            .build()
            .unwrap()
    };
    assert_same!(
        aws_sdk_dynamodb,
        batch_get_item,
        BatchGetItemInput.request_items("table", keys())
    );
    assert_same!(
        aws_sdk_dynamodb,
        delete_item,
        DeleteItemInput.table_name("table").key("pk", text())
    );
    assert_same!(
        aws_sdk_dynamodb,
        get_item,
        GetItemInput
            .table_name("table")
            .key("pk", text())
            .consistent_read(true)
    );
    assert_same!(
        aws_sdk_dynamodb,
        put_item,
        PutItemInput.table_name("table").item("pk", text())
    );
    assert_same!(
        aws_sdk_dynamodb,
        query,
        QueryInput
            .table_name("table")
            .key_condition_expression("pk = :pk")
            .limit(3)
    );
    // A client makes up a token of its own, unless it is given one.
    assert_same!(
        aws_sdk_dynamodb,
        transact_write_items,
        TransactWriteItemsInput
            .set_transact_items(Some(Vec::new()))
            .client_request_token("t")
    );
    assert_same!(
        aws_sdk_dynamodb,
        update_item,
        UpdateItemInput.table_name("table").key("pk", text())
    );
    let queue = "https://sqs.eu-west-1.amazonaws.com/1/queue";
    assert_same!(
        aws_sdk_sqs,
        send_message_batch,
        SendMessageBatchInput
            .queue_url(queue)
            .set_entries(Some(Vec::new()))
    );
    assert_same!(
        aws_sdk_sqs,
        change_message_visibility_batch,
        ChangeMessageVisibilityBatchInput
            .queue_url(queue)
            .set_entries(Some(Vec::new()))
    );
    assert_same!(
        aws_sdk_sts,
        assume_role,
        AssumeRoleInput
            .role_arn("arn:aws:iam::222222222222:role/r")
            .role_session_name("s")
            .external_id("e")
    );
}

#[tokio::test(start_paused = true)]
async fn each_failure_is_tried_as_often_and_told_as_a_clients() {
    use Answer::{Breaks, Hangs, Says};
    const BUSY: Answer = Says(
        500,
        r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError"}"#,
    );
    const THROTTLED: Answer = Says(
        400,
        r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}"#,
    );
    const CONDITION: Answer = Says(
        400,
        r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}"#,
    );
    const DENIED: Answer = Says(
        400,
        r#"{"__type":"com.amazon.coral.service#AccessDeniedException"}"#,
    );
    const GARBLED: Answer = Says(200, "not JSON");
    let cases: [(&[Answer], usize); 9] = [
        (&[BUSY], 2),
        (&[THROTTLED], 2),
        (&[Breaks], 2),
        (&[Hangs], 2),
        (&[Says(503, ""), BUSY], 3),
        (&[CONDITION], 1),
        (&[DENIED], 1),
        (&[GARBLED], 1),
        (&[BUSY, Breaks, THROTTLED, BUSY, BUSY], 3),
    ];
    for (answers, tries) in cases {
        let seen = same(
            answers,
            |config| config.build(),
            "eu-west-1",
            ours_put,
            clients_put,
        )
        .await;
        assert_eq!(seen.len(), tries, "{answers:?}");
    }
    let once = |config: Builder| config.retry_config(RetryConfig::disabled()).build();
    let seen = same(&[BUSY], once, "eu-west-1", ours_put, clients_put).await;
    assert_eq!(seen.len(), 1);
}

#[tokio::test]
async fn each_endpoint_is_the_one_that_a_client_finds() {
    for region in [
        "us-east-1",
        "eu-west-1",
        "cn-north-1",
        "us-gov-west-1",
        "eusc-de-east-1",
        "ap-southeast-5",
    ] {
        for (fips, dual_stack) in [(false, false), (true, false), (false, true), (true, true)] {
            let finish = |config: Builder| config.use_fips(fips).use_dual_stack(dual_stack).build();
            let dynamodb = same(&[], finish, region, ours_put, clients_put).await;
            let sqs = same(
                &[],
                finish,
                region,
                async |config| {
                    told(
                        AwsService::new(config)
                            .call(SendMessageBatchInput::builder().build())
                            .await,
                    )
                },
                async |config| told(aws_sdk_sqs::Client::new(config).send_message_batch().send().await),
            )
            .await;
            let sts = same(
                &[],
                finish,
                region,
                async |config| {
                    told(
                        AwsService::new(config)
                            .call(AssumeRoleInput::builder().build())
                            .await,
                    )
                },
                async |config| told(aws_sdk_sts::Client::new(config).assume_role().send().await),
            )
            .await;
            if !fips && !dual_stack {
                let region = Region::parse(region).unwrap();
                for (service, seen) in [
                    (Service::DynamoDb, dynamodb),
                    (Service::Sqs, sqs),
                    (Service::Sts, sts),
                ] {
                    assert_eq!(seen[0].0, format!("POST {}/", service.url(&region).unwrap()));
                }
            }
        }
    }
}

#[tokio::test]
async fn an_endpoint_that_is_given_is_taken_but_not_for_fips() {
    for (fips, calls) in [(false, 1), (true, 0)] {
        let given = |config: Builder| config.endpoint_url("https://127.0.0.1:1").use_fips(fips).build();
        let seen = same(&[], given, "eu-west-1", ours_put, clients_put).await;
        assert_eq!(seen.len(), calls, "{seen:?}");
    }
}

/// A try whose answer was lost may have written: its conditions would not hold a second time, and DynamoDB tells the two
/// apart by the token.
#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_tried_again_is_the_same_one_and_another_is_not() {
    let wire = Wire::default();
    wire.answers.lock().unwrap().push_back(Answer::Breaks);
    let store = DynamoDbStore::new(&config(&wire, "eu-west-1").build(), "table".to_owned(), 30, PLAN);
    let connection = pending(&fresh_tenant(), &Cuid2Ids, jiff::Timestamp::now());
    for _ in 0..2 {
        store.insert(&connection, &created(&connection)).await.unwrap();
    }
    let seen = wire.seen.lock().unwrap();
    let tokens: Vec<&str> = seen
        .iter()
        .map(|(_, _, body)| {
            let (_, rest) = body.split_once(r#""ClientRequestToken":""#).unwrap();
            rest.split('"').next().unwrap()
        })
        .collect();
    assert_eq!(tokens.len(), 3, "{seen:?}");
    assert_eq!(tokens[0], tokens[1]);
    assert_ne!(tokens[1], tokens[2]);
    assert_eq!(seen[0].2, seen[1].2);
    // DynamoDB's limit.
    assert!(tokens.iter().all(|token| token.len() <= 36));
}

#[tokio::test]
async fn what_takes_several_pages_is_read_to_the_end() {
    const FIRST: &str = r#"{"Items":[{"region":{"S":"eu-west-1"},"account":{"S":"222222222222"},"tenant":{"S":"acme"},"connection_id":{"S":"conn_a00000000000000000000001"},"granted_at":{"S":"2026-11-21T12:00:00Z"}}],"LastEvaluatedKey":{"pk":{"S":"GRANT"},"sk":{"S":"the last"}}}"#;
    const SECOND: &str = r#"{"Items":[{"region":{"S":"eu-west-2"},"account":{"S":"333333333333"},"tenant":{"S":"acme"},"connection_id":{"S":"conn_a00000000000000000000002"},"granted_at":{"S":"2026-11-21T12:00:00Z"}}],"LastEvaluatedKey":{}}"#;
    let wire = Wire::default();
    let pages = [FIRST, SECOND].map(|page| Answer::Says(200, page));
    wire.answers.lock().unwrap().extend(pages);
    let store = DynamoDbStore::for_sweeping(&config(&wire, "eu-west-1").build(), "table".to_owned(), PLAN);
    let grants = store.grants().await.unwrap();
    let regions: Vec<_> = grants.iter().map(|grant| grant.region.to_string()).collect();
    assert_eq!(regions, ["eu-west-1", "eu-west-2"]);
    let seen = wire.seen.lock().unwrap();
    let starts = seen
        .iter()
        .map(|(_, _, body)| body.contains(r#""ExclusiveStartKey":{"#) && body.contains("the last"));
    assert_eq!(starts.collect::<Vec<_>>(), [false, true]);
}
