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
    faults::{Operation, When},
    scripted_sts::Trust,
    world::World,
};

use crate::{ACCOUNT, an_update, answered};

#[tokio::test]
async fn an_update_to_a_role_that_still_looks_open_is_tried_until_the_deadline() {
    let world = World::default();
    let customer = world.connect("acme", &account(ACCOUNT)).await;
    let new_role = role(&account(ACCOUNT), "New");
    world.sts.put_role(&new_role, Trust::open());
    let update = an_update(&world, &customer, &new_role);
    world.receive(&update).await.unwrap();
    assert_eq!(
        world.verify.run(&update.key, 1).await.unwrap(),
        Verified::TryAgainIn(2)
    );
    assert_eq!(
        world.reload(&customer.connection).await.state(),
        customer.connection.state()
    );
    // Repaired in time, it is connected.
    world
        .sts
        .put_role(&new_role, Trust::only(customer.connection.external_id()));
    assert_eq!(
        world.verify.run(&update.key, 2).await.unwrap(),
        answered(Delivery::Accepted)
    );
    let changed = world.reload(&customer.connection).await;
    assert_eq!(changed.live_binding().unwrap().role_arn, new_role);
    assert_eq!(changed.live_binding().unwrap().unsettled, None);
    assert_eq!(
        world.bucket.answer(&update.key).unwrap().physical_resource_id,
        customer.create.physical_resource_id(),
        "a changed id would make CloudFormation delete the old one"
    );
}

#[tokio::test]
async fn an_update_to_a_role_that_stays_open_fails_and_what_is_connected_stays() {
    let world = World::default();
    let customer = world.connect("acme", &account(ACCOUNT)).await;
    let new_role = role(&account(ACCOUNT), "New");
    world.sts.put_role(&new_role, Trust::open());
    let update = an_update(&world, &customer, &new_role);
    let answer = world.complete(&update).await;
    assert!(answer.failed_with(ReasonCode::ExternalIdNotEnforced));
    let stands = world.reload(&customer.connection).await;
    assert_eq!(stands.state(), customer.connection.state());
    // The rollback's Update, with the properties of before.
    let rollback = an_update(&world, &customer, &customer.role_arn);
    assert!(world.complete(&rollback).await.success);
    assert_eq!(
        world
            .reload(&customer.connection)
            .await
            .live_binding()
            .unwrap()
            .role_arn,
        customer.role_arn
    );
}

#[tokio::test]
async fn a_forged_change_goes_back_to_exactly_what_was_there() {
    for degraded in [false, true] {
        for replacement in [false, true] {
            let world = World::default();
            let customer = world.connect("acme", &account(ACCOUNT)).await;
            let connection = &customer.connection;
            if degraded {
                world.sts.put_role(&customer.role_arn, Trust::open());
                world
                    .recheck
                    .run(connection.tenant(), connection.id())
                    .await
                    .unwrap();
            }
            let before = world.reload(connection).await;
            world.clock.advance(60);
            let new_role = role(&account(ACCOUNT), "New");
            world
                .sts
                .put_role(&new_role, Trust::only(connection.external_id()));
            let forged = if replacement {
                customer
                    .stack
                    .resource("Another")
                    .create(connection.external_id(), &new_role)
            } else {
                let id = customer.create.physical_resource_id();
                customer.stack.update(&id, connection.external_id(), &new_role)
            };
            world.receive(&forged).await.unwrap();
            assert_eq!(
                world.verify.run(&forged.key, 1).await.unwrap(),
                answered(Delivery::Refused)
            );
            let after = world.reload(connection).await;
            assert_eq!(
                after.state(),
                before.state(),
                "degraded: {degraded}, replacement: {replacement}"
            );
            assert_eq!(world.history(connection.id()).last().unwrap(), "answer_refused");
        }
    }
}

#[tokio::test]
async fn a_second_change_waits_until_the_first_is_settled() {
    let world = World::default();
    let customer = world.connect("acme", &account(ACCOUNT)).await;
    let mut updates = Vec::new();
    for name in ["Second", "Third"] {
        let new_role = role(&account(ACCOUNT), name);
        world
            .sts
            .put_role(&new_role, Trust::only(customer.connection.external_id()));
        let update = an_update(&world, &customer, &new_role);
        world.receive(&update).await.unwrap();
        updates.push(update);
    }
    // The first is stored, and the bucket cannot be reached.
    world.faults.fail_next(Operation::AnswerSend, 1, When::Before);
    assert!(world.verify.run(&updates[0].key, 1).await.is_err());
    assert_eq!(
        world.verify.run(&updates[1].key, 1).await.unwrap(),
        Verified::TryAgainIn(2)
    );
    let binding = |connection: &Connection| connection.live_binding().unwrap().clone();
    let unsettled = world.reload(&customer.connection).await;
    assert_eq!(binding(&unsettled).role_arn.name(), "Second");
    assert_eq!(
        binding(&unsettled).replaced().unwrap().role_arn,
        customer.role_arn
    );
    assert_eq!(
        world.verify.run(&updates[0].key, 2).await.unwrap(),
        answered(Delivery::Accepted)
    );
    assert_eq!(
        world.verify.run(&updates[1].key, 2).await.unwrap(),
        answered(Delivery::Accepted)
    );
    let settled = binding(&world.reload(&customer.connection).await);
    assert_eq!((settled.role_arn.name(), settled.unsettled), ("Third", None));
}

#[tokio::test]
async fn a_second_change_that_waits_too_long_fails_and_changes_nothing() {
    let world = World::default();
    let customer = world.connect("acme", &account(ACCOUNT)).await;
    let mut updates = Vec::new();
    for name in ["Second", "Third"] {
        let new_role = role(&account(ACCOUNT), name);
        world
            .sts
            .put_role(&new_role, Trust::only(customer.connection.external_id()));
        let update = an_update(&world, &customer, &new_role);
        world.receive(&update).await.unwrap();
        updates.push(update);
    }
    world.faults.fail_next(Operation::AnswerSend, 1, When::Before);
    assert!(world.verify.run(&updates[0].key, 1).await.is_err());
    let before = world.reload(&customer.connection).await;
    world.verify_until_answered(&updates[1].key).await;
    assert!(
        world
            .bucket
            .answer(&updates[1].key)
            .unwrap()
            .failed_with(ReasonCode::VerificationInconclusive)
    );
    assert_eq!(world.reload(&customer.connection).await.state(), before.state());
    assert_eq!(
        world.verify.run(&updates[0].key, 2).await.unwrap(),
        answered(Delivery::Accepted)
    );
}

#[tokio::test]
async fn a_second_resource_in_the_same_stack_takes_over_from_the_first() {
    let world = World::default();
    let customer = world.connect("acme", &account(ACCOUNT)).await;
    let replacement = customer.stack.resource("Renamed");
    let create = replacement
        .create(customer.connection.external_id(), &customer.role_arn)
        .signed(&world.bucket);
    assert!(world.complete(&create).await.success);
    // CloudFormation then deletes the one that was replaced.
    let delete = customer
        .stack
        .delete(
            &customer.create.physical_resource_id(),
            customer.connection.external_id(),
            &customer.role_arn,
        )
        .signed(&world.bucket);
    assert!(world.complete(&delete).await.success);
    let connection = world.reload(&customer.connection).await;
    assert_eq!(connection.state().status(), Status::Active);
    assert_eq!(
        connection.live_binding().unwrap().physical_resource_id,
        create.physical_resource_id()
    );
}
