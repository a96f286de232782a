//! A connected customer changes: another role, another resource, and forgeries of both.

use latchkey_core::{
    domain::{
        connection::{Connection, Status},
        proof::reason::ReasonCode,
    },
    ports::Delivery,
    use_cases::verify_role::Verified,
};
use latchkey_testing::{
    builders::{account, role},
    customer_stack::StackRequest,
    scripted_sts::Trust,
    world::{Customer, World},
};

use crate::{ACCOUNT, answered};

#[tokio::test]
async fn an_update_to_a_role_that_still_looks_open_is_tried_until_the_deadline() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let new_role = role(&account(ACCOUNT), "New");
    world.sts.put_role(&new_role, Trust::open());
    let update = world.signed(customer.update(&new_role));
    world.receive(&update).await.unwrap();
    assert_eq!(world.verified(&update, 1).await, Verified::TryAgainIn(2));
    let stands = world.reload(&customer.connection).await;
    assert_eq!(stands.state(), customer.connection.state());
    // Repaired in time, it is connected.
    world.trust(&new_role, &customer.connection);
    assert_eq!(world.verified(&update, 2).await, answered(Delivery::Accepted));
    let changed = world.reload(&customer.connection).await;
    let bound = changed.live_binding().unwrap();
    assert_eq!((&bound.role_arn, &bound.unsettled), (&new_role, &None));
    assert_eq!(
        world.bucket.answer(&update.key).unwrap().physical_resource_id,
        customer.create.physical_resource_id(),
        "a changed id would make CloudFormation delete the old one"
    );
}

#[tokio::test]
async fn an_update_to_a_role_that_stays_open_fails_and_what_is_connected_stays() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let new_role = role(&account(ACCOUNT), "New");
    world.sts.put_role(&new_role, Trust::open());
    let update = world.signed(customer.update(&new_role));
    let answer = world.complete(&update).await;
    assert!(answer.failed_with(ReasonCode::ExternalIdNotEnforced));
    let stands = world.reload(&customer.connection).await;
    assert_eq!(stands.state(), customer.connection.state());
    // The rollback's Update, with the properties of before.
    let rollback = world.signed(customer.update(&customer.role_arn));
    assert!(world.complete(&rollback).await.success);
    let stands = world.reload(&customer.connection).await;
    assert_eq!(stands.live_binding().unwrap().role_arn, customer.role_arn);
}

#[tokio::test]
async fn a_forged_change_goes_back_to_exactly_what_was_there() {
    for degraded in [false, true] {
        for replacement in [false, true] {
            let (world, customer) = World::connected(&account(ACCOUNT)).await;
            let connection = &customer.connection;
            if degraded {
                world.sts.put_role(&customer.role_arn, Trust::open());
                world.check(connection).await;
            }
            let before = world.reload(connection).await;
            world.clock.advance(60);
            let new_role = role(&account(ACCOUNT), "New");
            world.trust(&new_role, connection);
            let forged = if replacement {
                let resource = customer.stack.resource("Another");
                resource.create(connection.external_id(), &new_role)
            } else {
                customer.update(&new_role)
            };
            world.receive(&forged).await.unwrap();
            assert_eq!(world.verified(&forged, 1).await, answered(Delivery::Refused));
            let after = world.reload(connection).await;
            assert_eq!(after.state(), before.state(), "{degraded} {replacement}");
            assert_eq!(world.history(connection.id()).last().unwrap(), "answer_refused");
        }
    }
}

/// To two other roles, both good.
async fn two_updates(world: &World, customer: &Customer) -> [StackRequest; 2] {
    let updates = ["Second", "Third"].map(|name| {
        let new_role = role(&account(ACCOUNT), name);
        world.trust(&new_role, &customer.connection);
        world.signed(customer.update(&new_role))
    });
    for update in &updates {
        world.registered(update).await;
    }
    updates
}

#[tokio::test]
async fn a_second_change_waits_until_the_first_is_settled() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let updates = two_updates(&world, &customer).await;
    // The first is stored, and the bucket cannot be reached.
    world.prove_without_answer(&updates[0]).await;
    assert_eq!(world.verified(&updates[1], 1).await, Verified::TryAgainIn(2));
    let binding = |connection: &Connection| connection.live_binding().unwrap().clone();
    let unsettled = world.reload(&customer.connection).await;
    assert_eq!(binding(&unsettled).role_arn.name(), "Second");
    let replaced = binding(&unsettled).replaced().unwrap().role_arn.clone();
    assert_eq!(replaced, customer.role_arn);
    assert_eq!(world.verified(&updates[0], 2).await, answered(Delivery::Accepted));
    assert_eq!(world.verified(&updates[1], 2).await, answered(Delivery::Accepted));
    let settled = binding(&world.reload(&customer.connection).await);
    assert_eq!((settled.role_arn.name(), settled.unsettled), ("Third", None));
}

#[tokio::test]
async fn a_second_change_that_waits_too_long_fails_and_changes_nothing() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let updates = two_updates(&world, &customer).await;
    world.prove_without_answer(&updates[0]).await;
    let before = world.reload(&customer.connection).await;
    world.verify_until_answered(&updates[1].key).await;
    world.assert_failed(&updates[1], ReasonCode::VerificationInconclusive);
    assert_eq!(world.reload(&customer.connection).await.state(), before.state());
    assert_eq!(world.verified(&updates[0], 2).await, answered(Delivery::Accepted));
}

#[tokio::test]
async fn a_second_resource_in_the_same_stack_takes_over_from_the_first() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let replacement = customer.stack.resource("Renamed");
    let create = world.signed(replacement.create(customer.connection.external_id(), &customer.role_arn));
    assert!(world.complete(&create).await.success);
    // CloudFormation then deletes the one that was replaced.
    let delete = world.signed(customer.delete());
    assert!(world.complete(&delete).await.success);
    let connection = world.reload(&customer.connection).await;
    assert_eq!(connection.state().status(), Status::Active);
    let bound = connection.live_binding().unwrap();
    assert_eq!(bound.physical_resource_id, create.physical_resource_id());
}
