//! The fake store keeps the rules of the real one: the same suite runs over DynamoDB in the tests package.

use std::sync::Arc;

use latchkey_testing::{faults::Faults, in_memory_store::InMemoryStore, store_contract, world::PLAN};

fn store() -> InMemoryStore {
    InMemoryStore::new(Arc::new(Faults::default()), PLAN)
}

#[tokio::test]
async fn the_store_in_memory_keeps_every_rule_of_a_store() {
    store_contract::every_rule(&store()).await;
}

#[tokio::test]
async fn the_store_in_memory_keeps_the_rules_of_the_sweep() {
    let store = store();
    store_contract::every_sweep_rule(&store, PLAN).await;
    store_contract::the_sweep_cursor_is_moved_by_whoever_read_it_last(&store).await;
}

#[tokio::test]
async fn the_store_in_memory_keeps_the_rules_of_a_search() {
    store_contract::every_search_rule(&store()).await;
}

#[tokio::test]
async fn the_store_in_memory_keeps_the_rules_of_grants() {
    store_contract::every_grant_rule(&store()).await;
}
