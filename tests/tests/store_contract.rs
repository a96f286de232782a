//! The real table keeps every rule of a store: the same suite that the fake of the use-case tests runs. In a table of
//! its own, as nobody shall sweep what is stored here.

use latchkey_aws::dynamodb::DynamoDbStore;
use latchkey_testing::{store_contract, world::PLAN};
use latchkey_tests::{Error, own_table::new_table, scene::Scene};

async fn store() -> Result<DynamoDbStore, Error> {
    let scene = Scene::open()?;
    let table = new_table(&scene).await?;
    Ok(DynamoDbStore::new(&scene.vendor, table, 30, PLAN))
}

#[tokio::test]
async fn the_table_keeps_every_rule_of_a_store() -> Result<(), Error> {
    store_contract::every_rule(&store().await?).await;
    Ok(())
}

#[tokio::test]
async fn the_table_keeps_the_rules_of_a_search() -> Result<(), Error> {
    store_contract::every_search_rule(&store().await?).await;
    Ok(())
}

#[tokio::test]
async fn the_table_keeps_the_rules_of_the_sweep() -> Result<(), Error> {
    let store = store().await?;
    store_contract::every_sweep_rule(&store, PLAN).await;
    store_contract::the_sweep_cursor_is_moved_by_whoever_read_it_last(&store).await;
    Ok(())
}

#[tokio::test]
async fn the_table_keeps_the_rules_of_grants() -> Result<(), Error> {
    store_contract::every_grant_rule(&store().await?).await;
    Ok(())
}
