//! The real adapter over the stub of DynamoDB keeps every rule of a store: so the stub does what DynamoDB does.

use std::time::Duration;

use latchkey_aws::dynamodb::DynamoDbStore;
use latchkey_testing::{
    dynamodb_stub::{InProcess, Table},
    store_contract,
    world::PLAN,
};

fn store() -> DynamoDbStore {
    let stub = InProcess::new(Table::default(), Duration::ZERO);
    DynamoDbStore::new(&stub.config(), "latchkey".to_owned(), 30, PLAN)
}

#[tokio::test]
async fn the_stub_keeps_every_rule_of_a_store() {
    store_contract::every_rule(&store()).await;
}

#[tokio::test]
async fn the_stub_keeps_the_rules_of_the_sweep() {
    let store = store();
    store_contract::every_sweep_rule(&store, PLAN).await;
    store_contract::the_sweep_cursor_is_moved_by_whoever_read_it_last(&store).await;
}

#[tokio::test]
async fn the_stub_keeps_the_rules_of_a_search() {
    store_contract::every_search_rule(&store()).await;
}

#[tokio::test]
async fn the_stub_keeps_the_rules_of_grants() {
    store_contract::every_grant_rule(&store()).await;
}
