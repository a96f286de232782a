//! DynamoDB's protocol over the table of the simulation: the real adapter writes requests and reads answers, with
//! signatures, retries and all, and nothing but the network is left out.

use std::{sync::Arc, time::Instant};

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::{
    client::{
        behavior_version::BehaviorVersion,
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
        orchestrator::{HttpRequest, HttpResponse},
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use aws_types::{SdkConfig, region::Region, sdk_config::SharedCredentialsProvider};
use latchkey_aws::dynamodb::DynamoDbStore;
use latchkey_core::domain::sweep::SweepPlan;
use serde_json::{Value, json};

use crate::{
    day::LATENCY,
    table::{Refusal, Table},
};

/// How the target of a request begins, before the operation.
const TARGET: &str = "DynamoDB_20120810.";
/// How the type of an error begins.
const ERROR_TYPE: &str = "com.amazonaws.dynamodb.v20120810#";

/// The adapter of production over `table`.
pub fn adapter(table: &Arc<Table>, plan: SweepPlan) -> DynamoDbStore {
    let connector = SharedHttpConnector::new(Wire(table.clone()));
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "ASIAEXAMPLE",
            "secret",
            None,
            None,
            "simulation",
        )))
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .build();
    DynamoDbStore::new(&config, "latchkey".to_owned(), 400, plan)
}

#[derive(Debug)]
struct Wire(Arc<Table>);

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let began = Instant::now();
        assert!(request.headers().get("authorization").is_some(), "it is signed");
        let target = request.headers().get("x-amz-target").unwrap();
        let operation = target.strip_prefix(TARGET).unwrap();
        let body: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let (status, answer) = match self.0.call(operation, &body) {
            Ok(answer) => (200, answer),
            Err(Refusal::Condition) => (400, error("ConditionalCheckFailedException")),
            Err(Refusal::Cancelled(reasons)) => {
                let mut answer = error("TransactionCanceledException");
                let reasons = reasons.iter().map(|holds| match holds {
                    true => json!({ "Code": "None" }),
                    false => json!({ "Code": "ConditionalCheckFailed" }),
                });
                answer["CancellationReasons"] = reasons.collect();
                (400, answer)
            }
        };
        let answer = HttpResponse::new(
            StatusCode::try_from(status).unwrap(),
            SdkBody::from(answer.to_string()),
        );
        self.0.was_busy(began.elapsed());
        HttpConnectorFuture::new(async move {
            tokio::time::sleep(LATENCY).await;
            Ok(answer)
        })
    }
}

fn error(name: &str) -> Value {
    json!({ "__type": format!("{ERROR_TYPE}{name}"), "message": name })
}

#[cfg(test)]
mod tests {
    use latchkey_core::{
        domain::connection::Connection,
        ports::{Change, Conflict, ConnectionStore as _, SweepIndex as _},
    };
    use latchkey_testing::builders::altered;

    use super::*;
    use crate::{
        day::{PLAN, read, table_of},
        world::{made, pattern},
    };

    #[tokio::test]
    async fn what_is_read_is_what_was_made_and_what_is_stale_changes_nothing() {
        let pattern = pattern("2026-08-03T00:00:00Z".parse().unwrap());
        let table = table_of(40, PLAN, &pattern).await;
        let store = adapter(&table, PLAN);
        let before = read(&store, 23).await;
        assert_eq!(before, made(&pattern, 23));
        let of_version = |version| altered(&before, json!({ "version": version }));
        let (after, stale) = (of_version(before.version() + 1), of_version(before.version() + 7));
        let commit = async |before: &Connection| {
            let committed = store.commit(Change::new(before, &after)).await;
            committed.map_err(|error| error.conflict().unwrap())
        };
        assert_eq!(commit(&stale).await, Err(Conflict::ConnectionChanged));
        assert!(table.written().is_empty());
        assert_eq!(commit(&before).await, Ok(()));
        assert_eq!(
            commit(&before).await,
            Err(Conflict::ConnectionChanged),
            "once is enough"
        );
        assert_eq!(read(&store, 23).await, after);
        // Written or made, it is in its slot once.
        let slot = PLAN.slot(&after).unwrap();
        let page = store.slot_page(&slot, None).await.unwrap();
        let found = page
            .members
            .iter()
            .filter(|member| member.connection_id == *after.id());
        assert_eq!(found.count(), 1);
    }

    #[tokio::test]
    #[should_panic(expected = "a sweep has no use for Scan")]
    async fn what_is_not_known_is_not_answered() {
        let _ = Table::empty().call("Scan", &json!({}));
    }
}
