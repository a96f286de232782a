//! A vendor asks for a launch link.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::sync::Arc;

use latchkey_core::{
    domain::{
        aws::Region,
        connection::{Status, TemplateRef},
        ids::TenantId,
        proof::tiers::TierName,
    },
    ports::ConnectionStore,
    use_cases::{
        served_regions::{KEPT, KEPT_WHILE_ONE_IS_MISSING, ServedRegions},
        start_connection::{NewConnection, StartError},
    },
};
use latchkey_testing::{
    builders::{account, template, tenant, wish},
    faults::{Operation, When},
    scripted_sts::Trust,
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
    assert!(matches!(error, StartError::RegionNotServed(..)), "{error}");
    assert_eq!(world.store.item_count(), 0);
}

/// A deployment that names three regions.
fn with_three_regions() -> (World, [Region; 3]) {
    let mut world = World::default();
    let named = ["eu-west-1", "us-east-1", "af-south-1"].map(|region| Region::parse(region).unwrap());
    world.start.regions = Arc::new(ServedRegions {
        named: named.to_vec(),
        topics: world.topics.clone(),
        known: world.store.clone(),
        clock: world.clock.clone(),
    });
    (world, named)
}

#[tokio::test]
async fn a_region_whose_topic_was_not_made_is_refused_and_the_others_are_named() {
    let (world, [_, _, missing]) = with_three_regions();
    world.topics.make(&missing, false);
    let error = world
        .start
        .run(acme(), new(Some("af-south-1")))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no listener topic in the region af-south-1; customers can launch in eu-west-1, us-east-1"
    );
    assert!(world.start.run(acme(), new(Some("us-east-1"))).await.is_ok());
    // It is made: a minute later there are links.
    world.topics.make(&missing, true);
    assert!(world.start.run(acme(), new(Some("af-south-1"))).await.is_err());
    world.clock.advance(KEPT_WHILE_ONE_IS_MISSING.as_secs());
    assert!(world.start.run(acme(), new(Some("af-south-1"))).await.is_ok());
}

#[tokio::test]
async fn the_regions_are_asked_for_their_topics_once_an_hour() {
    let (world, [first, ..]) = with_three_regions();
    let asked = || world.faults.count(Operation::AskForTopic);
    assert_eq!(world.start.regions.list().await.unwrap().len(), 3);
    world.clock.advance(KEPT.as_secs() - 1);
    world.topics.make(&first, false);
    assert_eq!(world.start.regions.list().await.unwrap().len(), 3);
    assert_eq!(asked(), 3);
    world.clock.advance(1);
    assert_eq!(world.start.regions.list().await.unwrap().len(), 2);
    assert_eq!(asked(), 6);
}

#[tokio::test]
async fn a_region_that_gives_no_answer_stays_what_it_was() {
    let (world, [first, ..]) = with_three_regions();
    world.faults.fail_next(Operation::AskForTopic, 1, When::Before);
    // Nothing was known: its stacks will tell.
    assert_eq!(world.start.regions.list().await.unwrap().len(), 3);
    world.topics.make(&first, false);
    world.clock.advance(KEPT_WHILE_ONE_IS_MISSING.as_secs());
    assert_eq!(world.start.regions.list().await.unwrap().len(), 2);
    world.clock.advance(KEPT_WHILE_ONE_IS_MISSING.as_secs());
    world.faults.fail_next(Operation::AskForTopic, 3, When::Before);
    assert_eq!(world.start.regions.list().await.unwrap().len(), 2);
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

#[tokio::test]
async fn an_account_that_is_connected_gets_no_second_link_and_is_told_which_it_has() {
    let world = World::default();
    let connected = world.connect("acme", &account("222222222222")).await.connection;
    let refused = world.start.run(acme(), new(None)).await;
    assert!(matches!(refused, Err(StartError::AccountConnected(id)) if id == *connected.id()));
    assert_eq!(world.store.all_connections().len(), 1);
    // Another tenant's, another account's and any account's links are made.
    assert!(world.start.run(tenant("globex"), new(None)).await.is_ok());
    for account_id in [Some(account("333333333333")), None] {
        assert!(
            world
                .start
                .run(
                    acme(),
                    NewConnection {
                        account_id,
                        ..new(None)
                    }
                )
                .await
                .is_ok()
        );
    }
}

#[tokio::test]
async fn an_account_whose_connection_is_degraded_or_over_gets_a_link() {
    let world = World::default();
    let customer = world.connect("acme", &account("222222222222")).await;
    world.sts.put_role(
        customer.connection.live_binding().map(|it| &it.role_arn).unwrap(),
        Trust::nobody(),
    );
    world
        .recheck
        .run(&acme(), customer.connection.id())
        .await
        .unwrap();
    assert_eq!(world.status(&customer.connection).await, Status::Degraded);
    assert!(world.start.run(acme(), new(None)).await.is_ok());
    world.end(&customer.connection).await;
    assert!(world.start.run(acme(), new(None)).await.is_ok());
}
