//! One link, one account, one role: who has it when several want it.

use std::sync::Arc;

use latchkey_core::domain::{
    connection::{Connection, Status},
    proof::reason::ReasonCode,
};
use latchkey_testing::{
    builders::{account, role},
    customer_stack::{CustomerStack, StackRequest},
    scripted_sts::Trust,
    world::World,
};

use crate::{ACCOUNT, OTHER_ACCOUNT};

/// Of two accounts, for one link.
async fn two_creates(world: &World, connection: &Connection) -> [StackRequest; 2] {
    let creates = [ACCOUNT, OTHER_ACCOUNT].map(|digits| world.create(connection, &account(digits)));
    for create in &creates {
        world.registered(create).await;
    }
    creates
}

/// The Create of a stack in the account, with a role of its own for the connection.
fn create_with(world: &World, connection: &Connection, role_name: &str) -> StackRequest {
    let role_arn = role(&account(ACCOUNT), role_name);
    world.trust(&role_arn, connection);
    let stack = CustomerStack::new(&account(ACCOUNT));
    world.signed(stack.create(connection.external_id(), &role_arn))
}

#[tokio::test]
async fn of_two_requests_for_one_link_the_first_that_is_proven_has_it() {
    let (world, connection) = World::linked().await;
    let creates = two_creates(&world, &connection).await;
    world.verified(&creates[0], 1).await;
    let stands = world.reload(&connection).await;
    assert_eq!(stands.live_binding().unwrap().request, creates[0].key);
    world.verified(&creates[1], 1).await;
    assert!(world.bucket.answer(&creates[0].key).unwrap().success);
    world.assert_failed(&creates[1], ReasonCode::LinkAlreadyUsed);
    assert_eq!(world.reload(&connection).await.state(), stands.state());
}

#[tokio::test]
async fn of_two_requests_that_are_proven_at_the_same_moment_one_has_the_link() {
    let world = Arc::new(World::default());
    let connection = world.link("acme").await;
    let creates = two_creates(&world, &connection).await;
    let rival = creates[1].clone();
    world.meanwhile(async move |world| world.verified(&rival, 1).await);
    world.verified(&creates[0], 1).await;
    world.assert_failed(&creates[0], ReasonCode::LinkAlreadyUsed);
    assert!(world.bucket.answer(&creates[1].key).unwrap().success);
}

#[tokio::test]
async fn an_account_is_connected_once_to_a_tenant_and_the_live_connection_is_not_touched() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let second = world.link("acme").await;
    let role_arn = role(&account(ACCOUNT), "Second");
    world.trust(&role_arn, &second);
    let stack = CustomerStack::new(&account(ACCOUNT));
    let create = world.signed(stack.create(second.external_id(), &role_arn));
    let answer = world.complete(&create).await;
    assert!(answer.failed_with(ReasonCode::AccountAlreadyConnected));
    assert_eq!(world.status(&second).await, Status::Pending);
    // CloudFormation rolls back: a Delete of what never was.
    let delete = stack.delete(&answer.physical_resource_id, second.external_id(), &role_arn);
    assert!(world.complete(&delete.signed(&world.bucket)).await.success);
    assert_eq!(world.reload(&customer.connection).await, customer.connection);

    // Another tenant can have the same account, with a role of its own.
    let other = world.link("globex").await;
    let create = create_with(&world, &other, "Globex");
    assert!(world.complete(&create).await.success);
}

#[tokio::test]
async fn two_connections_that_race_for_one_account_do_not_both_get_it() {
    let world = Arc::new(World::default());
    let mut racers = Vec::new();
    for name in ["One", "Two"] {
        let connection = world.link("acme").await;
        let create = create_with(&world, &connection, name);
        world.receive(&create).await.unwrap();
        racers.push((connection, create));
    }
    let rival = racers[1].1.clone();
    world.meanwhile(async move |world| world.verified(&rival, 1).await);
    world.verified(&racers[0].1, 1).await;
    world.assert_failed(&racers[0].1, ReasonCode::AccountAlreadyConnected);
    assert_eq!(world.status(&racers[0].0).await, Status::Pending);
    assert_eq!(world.status(&racers[1].0).await, Status::Active);
}

#[tokio::test]
async fn a_role_that_lets_two_tenants_in_belongs_to_the_first_and_the_second_learns_nothing_of_it() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let other = world.link("globex").await;
    let both = Trust::only(customer.connection.external_id()).and(other.external_id());
    world.sts.put_role(&customer.role_arn, both);
    let stack = CustomerStack::new(&account(ACCOUNT));
    let create = world.signed(stack.create(other.external_id(), &customer.role_arn));
    let answer = world.complete(&create).await;
    assert!(answer.failed_with(ReasonCode::RoleAlreadyConnected));
    let told = answer.reason.unwrap();
    for secret in [
        "acme",
        customer.connection.id().as_str(),
        customer.connection.external_id().as_str(),
        customer.stack.stack_id.as_str(),
    ] {
        assert!(!told.contains(secret), "{told}");
    }
    assert_eq!(world.status(&other).await, Status::Pending);
    assert_eq!(world.reload(&customer.connection).await, customer.connection);
}
