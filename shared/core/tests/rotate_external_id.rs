//! A connection gets another external ID, without a moment in which it is not known.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use latchkey_core::{
    domain::{
        connection::{Connection, Status, rotation::ROTATION_SECONDS},
        external_id::ExternalId,
        ids::{ConnectionId, TenantId},
        proof::reason::ReasonCode,
    },
    ports::{Clock, ConnectionStore},
    use_cases::{
        recheck_role::Rechecked,
        rotate_external_id::{RotateError, Rotated},
    },
};
use latchkey_testing::{
    builders::{account, tenant},
    cloudformation_bucket::StackAnswer,
    scripted_sts::Trust,
    world::{Customer, World},
};

async fn connected() -> (World, Customer) {
    World::connected(&account("222222222222")).await
}

async fn start(world: &World, connection: &Connection) -> Connection {
    match world.rotate.start(connection.tenant(), connection.id()).await {
        Ok(Rotated::Started(started)) => *started,
        other => panic!("{other:?}"),
    }
}

fn next_of(connection: &Connection) -> ExternalId {
    connection.rotation().unwrap().external_id.clone()
}

/// The customer's stack is updated: the role first, then what phones home.
async fn updated(world: &World, customer: &Customer, external_id: &ExternalId) -> StackAnswer {
    world.sts.put_role(&customer.role_arn, Trust::only(external_id));
    let update = customer.update_to(external_id, &customer.role_arn);
    world.complete(&world.signed(update)).await
}

#[tokio::test]
async fn the_updated_stack_proves_the_next_external_id_and_retires_the_former_for_ever() {
    let (world, customer) = connected().await;
    let former = customer.connection.external_id().clone();
    let rotating = start(&world, &customer.connection).await;
    let next = next_of(&rotating);
    assert_ne!(next, former);
    assert_eq!(*rotating.external_id(), former);
    assert!(updated(&world, &customer, &next).await.success);
    let rotated = world.reload(&customer.connection).await;
    assert_eq!((rotated.external_id(), rotated.rotation()), (&next, None));
    assert_eq!(rotated.status(world.clock.now()), Status::Active);
    let history = world.history(rotated.id());
    assert!(history.contains(&"external_id_rotated".to_owned()));

    // The former is still ours, and nobody else's; and it opens nothing any more.
    let owner = world.store.find_by_external_id(&former).await.unwrap();
    assert_eq!(owner.as_ref(), Some(&rotated));
    // Another update of its stack: there is nothing to roll back any more.
    assert!(updated(&world, &customer, &next).await.success);
    let back = updated(&world, &customer, &former).await;
    assert!(back.failed_with(ReasonCode::ExternalIdRetired), "{back:?}");
    assert_eq!(*world.reload(&rotated).await.external_id(), next);
    world.sts.put_role(&customer.role_arn, Trust::only(&former));
    assert_eq!(world.check(&rotated).await, Rechecked::Stands(Status::Degraded));
}

#[tokio::test]
async fn until_then_both_are_known_to_stacks_and_to_checks() {
    let (world, customer) = connected().await;
    let current = customer.connection.external_id().clone();
    let next = next_of(&start(&world, &customer.connection).await);
    // An update for another reason, with the current one: the rotation goes on.
    assert!(updated(&world, &customer, &current).await.success);
    let stored = world.reload(&customer.connection).await;
    assert_eq!((next_of(&stored), stored.external_id()), (next.clone(), &current));
    for known in [&current, &next] {
        world.sts.put_role(&customer.role_arn, Trust::only(known));
        assert_eq!(world.check(&stored).await, Rechecked::Stands(Status::Active));
    }
    // A check alone ends no rotation.
    assert_eq!(*world.reload(&stored).await.external_id(), current);
}

#[tokio::test]
async fn a_role_that_opens_itself_with_the_next_external_id_is_not_safe() {
    let (world, customer) = connected().await;
    let next = next_of(&start(&world, &customer.connection).await);
    let if_exists = Trust::only(&next).if_exists();
    world.sts.put_role(&customer.role_arn, if_exists);
    let update = world.signed(customer.update_to(&next, &customer.role_arn));
    let answer = world.complete(&update).await;
    assert!(
        answer.failed_with(ReasonCode::ExternalIdNotEnforced),
        "{answer:?}"
    );
    assert_eq!(
        world.check(&customer.connection).await,
        Rechecked::Stands(Status::Degraded)
    );
}

#[tokio::test]
async fn asked_again_the_same_next_external_id_is_told_and_after_its_time_another() {
    let (world, customer) = connected().await;
    let rotating = start(&world, &customer.connection).await;
    let again = world.rotate.start(rotating.tenant(), rotating.id()).await;
    assert_eq!(again.unwrap(), Rotated::UnderWay(Box::new(rotating.clone())));

    world.clock.advance(ROTATION_SECONDS);
    let late = updated(&world, &customer, &next_of(&rotating)).await;
    assert!(late.failed_with(ReasonCode::ExternalIdRetired), "{late:?}");
    let other = start(&world, &customer.connection).await;
    assert_ne!(next_of(&other), next_of(&rotating));
    assert!(updated(&world, &customer, &next_of(&other)).await.success);
}

#[tokio::test]
async fn a_cancelled_rotation_leaves_everything_as_it_was_and_its_external_id_is_spent() {
    let (world, customer) = connected().await;
    let (tenant, id) = (customer.connection.tenant(), customer.connection.id());
    let next = next_of(&start(&world, &customer.connection).await);
    let cancelled = world.rotate.cancel(tenant, id).await.unwrap();
    let current = customer.connection.external_id();
    assert_eq!((cancelled.external_id(), cancelled.rotation()), (current, None));
    let again = world.rotate.cancel(tenant, id).await.unwrap();
    assert_eq!(again, cancelled, "nothing happens");
    let answer = updated(&world, &customer, &next).await;
    assert!(answer.failed_with(ReasonCode::ExternalIdRetired), "{answer:?}");
    assert!(updated(&world, &customer, cancelled.external_id()).await.success);
}

#[tokio::test]
async fn while_a_stack_waits_for_the_next_one_to_be_settled_nothing_is_taken_back() {
    let (world, customer) = connected().await;
    let next = next_of(&start(&world, &customer.connection).await);
    world.sts.put_role(&customer.role_arn, Trust::only(&next));
    let update = world.signed(customer.update_to(&next, &customer.role_arn));
    world.receive(&update).await.unwrap();
    world.prove_without_answer(&update).await;
    let (tenant, id) = (customer.connection.tenant(), customer.connection.id());
    let cancelled = world.rotate.cancel(tenant, id).await;
    assert!(matches!(cancelled, Err(RotateError::BeingChanged)));
    world.drain().await;
    assert_eq!(*world.reload(&customer.connection).await.external_id(), next);
}

#[tokio::test]
async fn a_forged_update_with_the_next_external_id_ends_no_rotation() {
    let (world, customer) = connected().await;
    let next = next_of(&start(&world, &customer.connection).await);
    let forged = customer.update_to(&next, &customer.role_arn);
    world.sts.put_role(&customer.role_arn, Trust::only(&next));
    world.receive(&forged).await.unwrap();
    world.drain().await;
    let stored = world.reload(&customer.connection).await;
    assert_eq!(stored.external_id(), customer.connection.external_id());
    assert_eq!(next_of(&stored), next);
}

#[tokio::test]
async fn only_what_is_connected_can_rotate_and_nobody_rotates_anothers() {
    let (world, customer) = connected().await;
    let waiting = world.link("acme").await;
    let (tenant_id, id) = (customer.connection.tenant(), customer.connection.id());
    let refused = async |tenant: &TenantId, id: &ConnectionId| {
        let started = world.rotate.start(tenant, id).await.unwrap_err();
        let cancelled = world.rotate.cancel(tenant, id).await.unwrap_err();
        format!("{started:?} {cancelled:?}")
    };
    let pending = refused(waiting.tenant(), waiting.id()).await;
    assert_eq!(pending, r#"NotConnected("pending") NotConnected("pending")"#);
    assert_eq!(refused(&tenant("globex"), id).await, "NotFound NotFound");
    world.end(&customer.connection).await;
    let ended = world.rotate.start(tenant_id, id).await;
    assert!(matches!(ended, Err(RotateError::NotConnected("disconnected"))));
}
