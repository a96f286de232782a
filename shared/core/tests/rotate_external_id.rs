//! A connection gets another external ID, without a moment in which it is not known.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use latchkey_core::{
    domain::{
        connection::{Connection, Status, rotation::ROTATION_SECONDS},
        external_id::ExternalId,
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
    customer_stack::StackRequest,
    scripted_sts::Trust,
    world::{Customer, World},
};

async fn connected(world: &World) -> Customer {
    world.connect("acme", &account("222222222222")).await
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

/// CloudFormation's Update of what is bound, to another external ID.
fn update(world: &World, customer: &Customer, external_id: &ExternalId) -> StackRequest {
    let bound = customer.connection.live_binding().unwrap();
    world.signed(
        customer
            .stack
            .update(&bound.physical_resource_id, external_id, &customer.role_arn),
    )
}

/// The customer's stack is updated: the role first, then what phones home.
async fn updated(world: &World, customer: &Customer, external_id: &ExternalId) -> StackAnswer {
    world.sts.put_role(&customer.role_arn, Trust::only(external_id));
    world.complete(&update(world, customer, external_id)).await
}

fn refusal(answer: &StackAnswer) -> &str {
    assert!(!answer.success, "{answer:?}");
    answer.reason.as_deref().unwrap()
}

async fn recheck(world: &World, connection: &Connection) -> Rechecked {
    world.check(connection).await
}

#[tokio::test]
async fn the_updated_stack_proves_the_next_external_id_and_retires_the_former_for_ever() {
    let world = World::default();
    let customer = connected(&world).await;
    let former = customer.connection.external_id().clone();
    let rotating = start(&world, &customer.connection).await;
    let next = next_of(&rotating);
    assert_ne!(next, former);
    assert_eq!(
        *rotating.external_id(),
        former,
        "the current one stays until the next is proven"
    );

    assert!(updated(&world, &customer, &next).await.success);
    let rotated = world.reload(&customer.connection).await;
    assert_eq!((rotated.external_id(), rotated.rotation()), (&next, None));
    assert_eq!(rotated.status(world.clock.now()), Status::Active);
    assert!(
        world
            .history(rotated.id())
            .contains(&"external_id_rotated".to_owned())
    );

    // The former is still ours, and nobody else's; and it opens nothing any more.
    assert_eq!(
        world.store.find_by_external_id(&former).await.unwrap(),
        Some(rotated.clone())
    );
    let back = updated(&world, &customer, &former).await;
    assert!(refusal(&back).contains("external_id_retired"), "{back:?}");
    assert_eq!(*world.reload(&rotated).await.external_id(), next);
    world.sts.put_role(&customer.role_arn, Trust::only(&former));
    assert_eq!(
        recheck(&world, &rotated).await,
        Rechecked::Stands(Status::Degraded)
    );
}

#[tokio::test]
async fn until_then_both_are_known_to_stacks_and_to_checks() {
    let world = World::default();
    let customer = connected(&world).await;
    let current = customer.connection.external_id().clone();
    let next = next_of(&start(&world, &customer.connection).await);
    // An update for another reason, with the current one: the rotation goes on.
    assert!(updated(&world, &customer, &current).await.success);
    let stored = world.reload(&customer.connection).await;
    assert_eq!((next_of(&stored), stored.external_id()), (next.clone(), &current));
    for known in [&current, &next] {
        world.sts.put_role(&customer.role_arn, Trust::only(known));
        assert_eq!(
            recheck(&world, &stored).await,
            Rechecked::Stands(Status::Active),
            "{known}"
        );
    }
    assert_eq!(
        *world.reload(&stored).await.external_id(),
        current,
        "a check alone ends no rotation"
    );
}

#[tokio::test]
async fn a_role_that_opens_itself_with_the_next_external_id_is_not_safe() {
    let world = World::default();
    let customer = connected(&world).await;
    let next = next_of(&start(&world, &customer.connection).await);
    world
        .sts
        .put_role(&customer.role_arn, Trust::only(&next).if_exists());
    let answer = world.complete(&update(&world, &customer, &next)).await;
    assert!(
        refusal(&answer).contains("external_id_not_enforced"),
        "{answer:?}"
    );
    assert_eq!(
        recheck(&world, &customer.connection).await,
        Rechecked::Stands(Status::Degraded)
    );
}

#[tokio::test]
async fn asked_again_the_same_next_external_id_is_told_and_after_its_time_another() {
    let world = World::default();
    let customer = connected(&world).await;
    let rotating = start(&world, &customer.connection).await;
    let again = world
        .rotate
        .start(rotating.tenant(), rotating.id())
        .await
        .unwrap();
    assert_eq!(again, Rotated::UnderWay(Box::new(rotating.clone())));

    world.clock.advance(ROTATION_SECONDS);
    let late = updated(&world, &customer, &next_of(&rotating)).await;
    assert!(refusal(&late).contains("external_id_retired"), "{late:?}");
    let other = start(&world, &customer.connection).await;
    assert_ne!(next_of(&other), next_of(&rotating));
    assert!(updated(&world, &customer, &next_of(&other)).await.success);
}

#[tokio::test]
async fn a_cancelled_rotation_leaves_everything_as_it_was_and_its_external_id_is_spent() {
    let world = World::default();
    let customer = connected(&world).await;
    let (tenant, id) = (customer.connection.tenant(), customer.connection.id());
    let next = next_of(&start(&world, &customer.connection).await);
    let cancelled = world.rotate.cancel(tenant, id).await.unwrap();
    assert_eq!(
        (cancelled.external_id(), cancelled.rotation()),
        (customer.connection.external_id(), None)
    );
    assert_eq!(
        world.rotate.cancel(tenant, id).await.unwrap(),
        cancelled,
        "again, nothing happens"
    );
    let answer = updated(&world, &customer, &next).await;
    assert!(refusal(&answer).contains("external_id_retired"), "{answer:?}");
    assert!(updated(&world, &customer, cancelled.external_id()).await.success);
}

#[tokio::test]
async fn while_a_stack_waits_for_the_next_one_to_be_settled_nothing_is_taken_back() {
    let world = World::default();
    let customer = connected(&world).await;
    let next = next_of(&start(&world, &customer.connection).await);
    world.sts.put_role(&customer.role_arn, Trust::only(&next));
    let update = update(&world, &customer, &next);
    world.receive(&update).await.unwrap();
    world.prove_without_answer(&update).await;
    let (tenant, id) = (customer.connection.tenant(), customer.connection.id());
    assert!(matches!(
        world.rotate.cancel(tenant, id).await,
        Err(RotateError::BeingChanged)
    ));
    world.drain().await;
    assert_eq!(*world.reload(&customer.connection).await.external_id(), next);
}

#[tokio::test]
async fn a_forged_update_with_the_next_external_id_ends_no_rotation() {
    let world = World::default();
    let customer = connected(&world).await;
    let next = next_of(&start(&world, &customer.connection).await);
    let bound = customer.connection.live_binding().unwrap();
    let forged = customer
        .stack
        .update(&bound.physical_resource_id, &next, &customer.role_arn)
        .sent_at(world.clock.now());
    world.sts.put_role(&customer.role_arn, Trust::only(&next));
    world.receive(&forged).await.unwrap();
    world.drain().await;
    let stored = world.reload(&customer.connection).await;
    assert_eq!(
        (stored.external_id(), next_of(&stored)),
        (customer.connection.external_id(), next)
    );
}

#[tokio::test]
async fn only_what_is_connected_can_rotate_and_nobody_rotates_anothers() {
    let world = World::default();
    let waiting = world.link("acme").await;
    let customer = connected(&world).await;
    let (tenant_id, id) = (customer.connection.tenant(), customer.connection.id());
    for outcome in [
        world.rotate.start(waiting.tenant(), waiting.id()).await.err(),
        world.rotate.cancel(waiting.tenant(), waiting.id()).await.err(),
    ] {
        assert!(
            matches!(outcome, Some(RotateError::NotConnected("pending"))),
            "{outcome:?}"
        );
    }
    let stranger = tenant("globex");
    assert!(matches!(
        world.rotate.start(&stranger, id).await,
        Err(RotateError::NotFound)
    ));
    assert!(matches!(
        world.rotate.cancel(&stranger, id).await,
        Err(RotateError::NotFound)
    ));
    world.disconnect_by_vendor.run(tenant_id, id).await.unwrap();
    assert!(matches!(
        world.rotate.start(tenant_id, id).await,
        Err(RotateError::NotConnected("disconnected"))
    ));
}
