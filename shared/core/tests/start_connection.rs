//! A vendor asks for a launch link.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use latchkey_core::{
    domain::{
        aws::Region,
        connection::{Status, TemplateRef},
        ids::TenantId,
        proof::tiers::TierName,
    },
    ports::ConnectionStore,
    use_cases::start_connection::{NewConnection, StartError},
};
use latchkey_testing::{
    builders::{account, template, tenant, wish},
    faults::{Operation, When},
    world::World,
};

fn new(region: Option<&str>) -> NewConnection {
    NewConnection {
        account_id: Some(account("222222222222")),
        region: region.map(|region| Region::parse(region).unwrap()),
        ..wish()
    }
}

fn acme() -> TenantId {
    tenant("acme")
}

#[tokio::test]
async fn a_link_carries_the_external_id_of_a_connection_that_is_stored_and_pending() {
    let world = World::default();
    let (connection, link) = world.start.run(acme(), new(None)).await.unwrap();
    assert_eq!(world.reload(&connection).await, connection);
    assert_eq!(connection.state().status(), Status::Pending);
    assert_eq!(connection.expected_account(), Some(&account("222222222222")));
    assert_eq!(link.external_id, connection.external_id().clone());
    assert_eq!(link.template_url, template().url);
    let found = world.store.find_by_external_id(&link.external_id).await.unwrap();
    assert_eq!(found.as_ref(), Some(&connection));
    assert_eq!(world.history(connection.id()), ["created"]);
    let again = world.start.policy.launch_link(&connection).unwrap();
    assert_eq!(again, link, "it can be shown again");
}

#[tokio::test]
async fn every_connection_has_an_external_id_of_its_own() {
    let world = World::default();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..50 {
        let (connection, _) = world.start.run(acme(), new(None)).await.unwrap();
        assert!(seen.insert(connection.external_id().clone()));
    }
}

#[tokio::test]
async fn a_region_without_a_listener_makes_no_link() {
    let world = World::default();
    let error = world.start.run(acme(), new(Some("us-east-2"))).await.unwrap_err();
    assert!(matches!(error, StartError::RegionNotServed), "{error}");
    assert_eq!(world.store.item_count(), 0);
}

#[tokio::test]
async fn without_a_published_template_there_is_no_link() {
    let world = World::default();
    world.store.publish(None);
    let error = world.start.run(acme(), new(None)).await.unwrap_err();
    assert!(matches!(error, StartError::NoTemplate), "{error}");
    assert_eq!(world.store.item_count(), 0);
}

#[tokio::test]
async fn a_template_that_makes_no_valid_link_makes_no_connection_either() {
    let world = World::default();
    let url = "http://templates.example/connection.yaml".to_owned();
    world.store.publish(Some(TemplateRef { url, ..template() }));
    let error = world.start.run(acme(), new(None)).await.unwrap_err();
    assert!(matches!(error, StartError::BadLink(_)), "{error}");
    assert_eq!(world.store.item_count(), 0);
}

#[tokio::test]
async fn a_store_that_fails_makes_no_link() {
    let world = World::default();
    world.faults.fail_next(Operation::Insert, 1, When::Before);
    let error = world.start.run(acme(), new(None)).await.unwrap_err();
    assert!(matches!(error, StartError::Unavailable(_)), "{error}");
}

#[tokio::test]
async fn a_link_is_made_for_a_tier_that_is_offered_and_for_no_other() {
    let world = World::default();
    let wish = |tier: &str| NewConnection {
        permission_tier: Some(TierName::parse(tier).unwrap()),
        ..new(None)
    };
    let (connection, link) = world.start.run(tenant("acme"), wish("larger")).await.unwrap();
    assert_eq!(connection.permission_tier(), link.permission_tier.as_ref());
    assert_eq!(link.permission_tier, Some(TierName::parse("larger").unwrap()));
    let refused = world.start.run(tenant("acme"), wish("huge")).await;
    assert!(matches!(refused, Err(StartError::TierNotOffered(offered)) if offered == "test, larger"));
    assert_eq!(world.store.all_connections().len(), 1);
}
