//! One link, one account, one role: who has it when several want it.

use std::sync::Arc;

use futures::FutureExt;
use latchkey_core::domain::{connection::Status, proof::reason::ReasonCode};
use latchkey_testing::{
    builders::{account, role},
    customer_stack::CustomerStack,
    faults::Operation,
    scripted_sts::Trust,
    world::World,
};

use crate::{ACCOUNT, OTHER_ACCOUNT};

#[tokio::test]
async fn of_two_requests_for_one_link_the_first_that_is_proven_has_it() {
    let world = World::default();
    let connection = world.link("acme").await;
    let mut creates = Vec::new();
    for digits in [ACCOUNT, OTHER_ACCOUNT] {
        let (stack, role_arn) = world.customer_of(&connection, &account(digits));
        let create = stack
            .create(connection.external_id(), &role_arn)
            .signed(&world.bucket);
        world.receive(&create).await.unwrap();
        creates.push(create);
    }
    world.verify.run(&creates[0].key, 1).await.unwrap();
    let stands = world.reload(&connection).await;
    assert_eq!(stands.live_binding().unwrap().request, creates[0].key);
    world.verify.run(&creates[1].key, 1).await.unwrap();
    assert!(world.bucket.answer(&creates[0].key).unwrap().success);
    let loser = world.bucket.answer(&creates[1].key).unwrap();
    assert!(loser.failed_with(ReasonCode::LinkAlreadyUsed), "{loser:?}");
    assert_eq!(world.reload(&connection).await.state(), stands.state());
}

#[tokio::test]
async fn of_two_requests_that_are_proven_at_the_same_moment_one_has_the_link() {
    let world = Arc::new(World::default());
    let connection = world.link("acme").await;
    let mut creates = Vec::new();
    for digits in [ACCOUNT, OTHER_ACCOUNT] {
        let (stack, role_arn) = world.customer_of(&connection, &account(digits));
        let create = stack
            .create(connection.external_id(), &role_arn)
            .signed(&world.bucket);
        world.receive(&create).await.unwrap();
        creates.push(create);
    }
    let (there, rival) = (world.clone(), creates[1].key.clone());
    world.faults.before_next(Operation::Commit, move || {
        there.verify.run(&rival, 1).now_or_never().unwrap().unwrap();
    });
    world.verify.run(&creates[0].key, 1).await.unwrap();
    assert!(
        world
            .bucket
            .answer(&creates[0].key)
            .unwrap()
            .failed_with(ReasonCode::LinkAlreadyUsed)
    );
    assert!(world.bucket.answer(&creates[1].key).unwrap().success);
}

#[tokio::test]
async fn an_account_is_connected_once_to_a_tenant_and_the_live_connection_is_not_touched() {
    let world = World::default();
    let customer = world.connect("acme", &account(ACCOUNT)).await;
    let second = world.link("acme").await;
    let role_arn = role(&account(ACCOUNT), "Second");
    world.sts.put_role(&role_arn, Trust::only(second.external_id()));
    let stack = CustomerStack::new(&account(ACCOUNT));
    let create = stack
        .create(second.external_id(), &role_arn)
        .signed(&world.bucket);
    let answer = world.complete(&create).await;
    assert!(answer.failed_with(ReasonCode::AccountAlreadyConnected));
    assert_eq!(world.status(&second).await, Status::Pending);
    // CloudFormation rolls back: a Delete of what never was.
    let delete = stack.delete(&answer.physical_resource_id, second.external_id(), &role_arn);
    assert!(world.complete(&delete.signed(&world.bucket)).await.success);
    assert_eq!(world.reload(&customer.connection).await, customer.connection);

    // Another tenant can have the same account, with a role of its own.
    let other = world.link("globex").await;
    let role_arn = role(&account(ACCOUNT), "Globex");
    world.sts.put_role(&role_arn, Trust::only(other.external_id()));
    let create = CustomerStack::new(&account(ACCOUNT))
        .create(other.external_id(), &role_arn)
        .signed(&world.bucket);
    assert!(world.complete(&create).await.success);
}

#[tokio::test]
async fn two_connections_that_race_for_one_account_do_not_both_get_it() {
    let world = Arc::new(World::default());
    let mut racers = Vec::new();
    for name in ["One", "Two"] {
        let connection = world.link("acme").await;
        let role_arn = role(&account(ACCOUNT), name);
        world
            .sts
            .put_role(&role_arn, Trust::only(connection.external_id()));
        let create = CustomerStack::new(&account(ACCOUNT))
            .create(connection.external_id(), &role_arn)
            .signed(&world.bucket);
        world.receive(&create).await.unwrap();
        racers.push((connection, create));
    }
    let (there, rival) = (world.clone(), racers[1].1.key.clone());
    world.faults.before_next(Operation::Commit, move || {
        there.verify.run(&rival, 1).now_or_never().unwrap().unwrap();
    });
    world.verify.run(&racers[0].1.key, 1).await.unwrap();
    assert!(
        world
            .bucket
            .answer(&racers[0].1.key)
            .unwrap()
            .failed_with(ReasonCode::AccountAlreadyConnected)
    );
    assert_eq!(world.status(&racers[0].0).await, Status::Pending);
    assert_eq!(world.status(&racers[1].0).await, Status::Active);
}

#[tokio::test]
async fn a_role_that_lets_two_tenants_in_belongs_to_the_first_and_the_second_learns_nothing_of_it() {
    let world = World::default();
    let customer = world.connect("acme", &account(ACCOUNT)).await;
    let other = world.link("globex").await;
    let both = Trust::only(customer.connection.external_id()).and(other.external_id());
    world.sts.put_role(&customer.role_arn, both);
    let create = CustomerStack::new(&account(ACCOUNT))
        .create(other.external_id(), &customer.role_arn)
        .signed(&world.bucket);
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
