//! The real table keeps every rule of a store: the same suite that the fake of the use-case tests runs, over the local
//! AWS and over Amazon's own DynamoDB Local. In a table of its own with the keys and the indexes of `template.yaml`, as
//! nobody shall sweep what is stored here.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::{PointInTimeRecoveryStatus, TimeToLiveStatus};
use latchkey_aws::dynamodb::DynamoDbStore;
use latchkey_testing::{store_contract, world::PLAN};
use latchkey_tests::{Error, dynamodb_local::DynamoDbLocal, own_table::new_table, scene::Scene};

async fn store() -> Result<DynamoDbStore, Error> {
    store_in(&Scene::open()?.vendor).await
}

async fn store_in(config: &SdkConfig) -> Result<DynamoDbStore, Error> {
    Ok(DynamoDbStore::new(config, new_table(config).await?, 30, PLAN))
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

/// Amazon's own implementation differs from the local AWS's wherever one of them is wrong.
#[tokio::test]
async fn amazons_dynamodb_local_keeps_every_rule_as_well() -> Result<(), Error> {
    let dynamodb = match DynamoDbLocal::start().await? {
        Ok(dynamodb) => dynamodb,
        Err(missing) => {
            eprintln!("skipped: {missing}");
            return Ok(());
        }
    };
    store_contract::every_rule(&store_in(&dynamodb.config).await?).await;
    store_contract::every_search_rule(&store_in(&dynamodb.config).await?).await;
    store_contract::every_grant_rule(&store_in(&dynamodb.config).await?).await;
    let store = store_in(&dynamodb.config).await?;
    store_contract::every_sweep_rule(&store, PLAN).await;
    store_contract::the_sweep_cursor_is_moved_by_whoever_read_it_last(&store).await;
    Ok(())
}

#[tokio::test]
async fn the_deployed_table_forgets_and_can_be_recovered() -> Result<(), Error> {
    let scene = Scene::open()?;
    let client = aws_sdk_dynamodb::Client::new(&scene.vendor);
    let ttl = client
        .describe_time_to_live()
        .table_name(&scene.ready.table)
        .send()
        .await?;
    let ttl = ttl.time_to_live_description().ok_or("no time to live")?;
    assert_eq!(ttl.time_to_live_status(), Some(&TimeToLiveStatus::Enabled));
    assert_eq!(ttl.attribute_name(), Some("ttl"));
    let backups = client
        .describe_continuous_backups()
        .table_name(&scene.ready.table)
        .send()
        .await?;
    let backups = backups.continuous_backups_description().ok_or("no backups")?;
    let recovery = backups
        .point_in_time_recovery_description()
        .ok_or("no recovery")?;
    assert_eq!(
        recovery.point_in_time_recovery_status(),
        Some(&PointInTimeRecoveryStatus::Enabled)
    );
    Ok(())
}
