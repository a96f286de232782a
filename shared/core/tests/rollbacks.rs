//! What a rollback undoes, what comes too late, and what costs nothing: the updates of stacks whose
//! other resources fail.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use latchkey_core::{
    domain::{
        aws::RoleArn,
        connection::{Connection, State, Status},
        external_id::ExternalId,
        proof::{reason::ReasonCode, tiers::TierName, verdict::Cause},
        request::request_budget::MAX_REQUESTS_PER_WINDOW,
    },
    ports::{Clock, ConnectionStore, Delivery, VerificationTask},
    use_cases::{
        disconnect::Deleted,
        recheck_role::Rechecked,
        register_role::{PROOF_LASTS_SECONDS, Received},
        rotate_external_id::{RotateError, Rotated},
        start_connection::NewConnection,
    },
};
use latchkey_testing::{
    builders::{account, role, tenant, wish},
    customer_stack::{CustomerStack, StackRequest},
    scripted_sts::Trust,
    world::{Customer, World},
};

async fn connected() -> (World, Customer) {
    World::connected(&account("222222222222")).await
}

async fn next_of(world: &World, connection: &Connection) -> ExternalId {
    match world.rotate.start(connection.tenant(), connection.id()).await {
        Ok(Rotated::Started(started)) => started.rotation().unwrap().external_id.clone(),
        other => panic!("{other:?}"),
    }
}

/// A connection without its times and its count of writes.
fn settled(connection: &Connection) -> impl PartialEq + std::fmt::Debug {
    let bound = connection.live_binding().unwrap();
    (
        connection.external_id().clone(),
        connection.rotation().cloned(),
        connection.state().status(),
        (bound.role_arn.clone(), bound.external_id.clone()),
        (
            bound.logical_resource_id.clone(),
            bound.physical_resource_id.clone(),
        ),
        bound.former.is_some(),
    )
}

/// Another resource of the stack takes the place of the bound one.
async fn renamed(
    world: &World,
    customer: &Customer,
    external_id: &ExternalId,
    role_arn: &RoleArn,
) -> (CustomerStack, String) {
    world.clock.advance(60);
    let name = format!("Renamed{}", world.clock.now().as_second());
    let stack = customer.stack.resource(&name);
    let create = world.signed(stack.create(external_id, role_arn));
    let answer = world.complete(&create).await;
    assert!(answer.success, "{answer:?}");
    (stack, answer.physical_resource_id)
}

fn delete_of(world: &World, new: &(CustomerStack, String), external_id: &ExternalId) -> StackRequest {
    world.clock.advance(5);
    let (stack, id) = new;
    let role_arn = role(&stack.stack_id.account(), "Reader");
    world.signed(stack.delete(id, external_id, &role_arn))
}

async fn updated(world: &World, customer: &Customer, external_id: &ExternalId, trust: Trust) {
    world.clock.advance(60);
    world.sts.put_role(&customer.role_arn, trust);
    let update = customer.update_to(external_id, &customer.role_arn);
    let answer = world.complete(&world.signed(update)).await;
    assert!(answer.success, "{answer:?}");
}

#[tokio::test]
async fn a_renamed_resource_that_is_deleted_again_leaves_what_it_replaced() {
    let (world, customer) = connected().await;
    let before = customer.connection.clone();
    let external_id = before.external_id();
    let other = role(&account("222222222222"), "Other");
    world.trust(&other, &before);
    for role_arn in [&customer.role_arn, &other] {
        let new = renamed(&world, &customer, external_id, role_arn).await;
        let moved = world.reload(&before).await;
        assert_eq!(moved.live_binding().unwrap().role_arn, *role_arn);
        let delete = delete_of(&world, &new, external_id);
        assert_eq!(world.deleted(&delete).await, Deleted::Restored);
        assert_eq!(settled(&world.reload(&before).await), settled(&before));
        // Again, it is nothing.
        assert_eq!(world.deleted(&delete).await, Deleted::LeftAlone);
        world.drain().await;
    }
    assert!(world.history(before.id()).contains(&"former_restored".to_owned()));
    // Its own Delete still ends it.
    world.clock.advance(60);
    let delete = world.signed(customer.delete());
    assert_eq!(world.deleted(&delete).await, Deleted::Disconnected);
}

#[tokio::test]
async fn what_an_update_replaced_is_held_until_cloudformation_cleans_up_and_no_longer() {
    let (world, customer) = connected().await;
    let external_id = customer.connection.external_id();
    let other = role(&account("222222222222"), "Other");
    world.trust(&other, &customer.connection);
    let new = renamed(&world, &customer, external_id, &other).await;
    let held = |stored: &Connection| stored.claims().len();
    let moved = world.reload(&customer.connection).await;
    assert_eq!(held(&moved), held(&customer.connection) + 1);
    world.clock.advance(5);
    let clean_up = world.signed(customer.delete());
    assert_eq!(world.deleted(&clean_up).await, Deleted::LeftAlone);
    let cleaned = world.reload(&customer.connection).await;
    assert_eq!(held(&cleaned), held(&customer.connection));
    // Now it is the only one, and its end is the connection's.
    let delete = delete_of(&world, &new, external_id);
    assert_eq!(world.deleted(&delete).await, Deleted::Disconnected);
}

#[tokio::test]
async fn the_deletes_of_both_resources_end_it_in_either_order() {
    for former_first in [true, false] {
        let (world, customer) = connected().await;
        let external_id = customer.connection.external_id();
        let new = renamed(&world, &customer, external_id, &customer.role_arn).await;
        let mut deletes = vec![
            delete_of(&world, &new, external_id),
            world.signed(customer.delete()),
        ];
        if former_first {
            deletes.reverse();
        }
        for delete in &deletes {
            world.deleted(delete).await;
        }
        assert_eq!(world.status(&customer.connection).await, Status::Disconnected);
    }
}

#[tokio::test]
async fn the_rollback_of_a_rotation_opens_it_again() {
    let (world, customer) = connected().await;
    let former = customer.connection.external_id().clone();
    let next = next_of(&world, &customer.connection).await;
    let open = world.reload(&customer.connection).await;
    for _ in 0..2 {
        updated(&world, &customer, &next, Trust::only(&next)).await;
        let rotated = world.reload(&open).await;
        assert_eq!((rotated.external_id(), rotated.rotation()), (&next, None));
        updated(&world, &customer, &former, Trust::only(&former)).await;
        assert_eq!(settled(&world.reload(&open).await), settled(&open));
    }
    let history = world.history(open.id());
    let told = |event: &str| history.iter().filter(|told| *told == event).count();
    assert_eq!(
        (told("external_id_rotated"), told("external_id_restored")),
        (2, 2)
    );

    // Renamed in the same update: the Delete of the new resource brings both back.
    world.sts.put_role(&customer.role_arn, Trust::only(&next));
    let new = renamed(&world, &customer, &next, &customer.role_arn).await;
    world.sts.put_role(&customer.role_arn, Trust::only(&former));
    let delete = delete_of(&world, &new, &next);
    assert_eq!(world.deleted(&delete).await, Deleted::Restored);
    assert_eq!(settled(&world.reload(&open).await), settled(&open));
    assert_eq!(world.check(&open).await, Rechecked::Stands(Status::Active));
}

#[tokio::test]
async fn only_the_bound_resource_brings_a_former_external_id_back_and_only_until_the_next_update() {
    let (world, customer) = connected().await;
    let former = customer.connection.external_id().clone();
    let next = next_of(&world, &customer.connection).await;
    updated(&world, &customer, &next, Trust::only(&next)).await;
    world.sts.put_role(&customer.role_arn, Trust::only(&former));
    let id = customer.create.physical_resource_id();
    let stranger = CustomerStack::new(&account("222222222222"));
    for request in [
        stranger.update(&id, &former, &customer.role_arn),
        stranger.create(&former, &customer.role_arn),
        customer
            .stack
            .resource("Second")
            .create(&former, &customer.role_arn),
        customer.stack.update("invented", &former, &customer.role_arn),
    ] {
        let request = world.signed(request);
        world.complete(&request).await;
        world.assert_failed(&request, ReasonCode::ExternalIdRetired);
    }
    // Another update: the one before went through.
    updated(&world, &customer, &next, Trust::only(&next)).await;
    world.sts.put_role(&customer.role_arn, Trust::only(&former));
    let back = world.signed(customer.update_to(&former, &customer.role_arn));
    world.complete(&back).await;
    world.assert_failed(&back, ReasonCode::ExternalIdRetired);
}

#[tokio::test]
async fn a_rotation_is_over_once_the_former_external_id_is_refused() {
    let (world, customer) = connected().await;
    let former = customer.connection.external_id().clone();
    let next = next_of(&world, &customer.connection).await;
    updated(&world, &customer, &next, Trust::only(&next).and(&former)).await;
    let both = world.reload(&customer.connection).await;
    assert!(both.takes_both());
    assert_eq!(*both.external_id(), former);
    let cancelled = world.rotate.cancel(both.tenant(), both.id()).await;
    assert!(matches!(cancelled, Err(RotateError::TakenUp)), "{cancelled:?}");
    // It does not run out, and a check that says nothing ends nothing.
    world.clock.advance(90 * 24 * 3_600);
    assert_eq!(world.check(&both).await, Rechecked::Stands(Status::Active));
    world.sts.trouble(Some(Cause::Throttled));
    world.check(&both).await;
    world.sts.trouble(None);
    assert!(world.reload(&both).await.takes_both());

    world.sts.put_role(&customer.role_arn, Trust::only(&next));
    assert_eq!(world.check(&both).await, Rechecked::Stands(Status::Active));
    let over = world.reload(&both).await;
    assert_eq!(
        (over.external_id(), over.rotation(), over.takes_both()),
        (&next, None, false)
    );
    assert!(
        world
            .history(over.id())
            .contains(&"external_id_rotated".to_owned())
    );
    // To write the former one in again opens nothing.
    world.sts.put_role(&customer.role_arn, Trust::only(&former));
    assert_eq!(world.check(&over).await, Rechecked::Stands(Status::Degraded));
}

#[tokio::test]
async fn a_request_that_was_sent_before_another_and_comes_after_it_decides_nothing() {
    let (world, customer) = connected().await;
    let other = role(&account("222222222222"), "Other");
    // Cancelled while the role was not there yet, and rolled back.
    let abandoned = world.signed(customer.update(&other));
    assert_eq!(world.registered(&abandoned).await, Received::Queued);
    world.clock.advance(30);
    let back = world.signed(customer.update(&customer.role_arn));
    assert_eq!(
        world.registered(&back).await,
        Received::AsItIs(Delivery::Accepted)
    );
    let before = world.reload(&customer.connection).await;
    world.trust(&other, &before);
    world.drain().await;
    world.assert_failed(&abandoned, ReasonCode::RequestOvertaken);
    let after = world.reload(&before).await;
    assert_eq!(settled(&after), settled(&before));
    assert_eq!(after.failed_change(), None, "it is nobody's failure");

    // The same of one that was never received before.
    let late = world.signed(customer.update(&other)).sent_at(before.created_at());
    world.complete(&late).await;
    world.assert_failed(&late, ReasonCode::RequestOvertaken);
}

#[tokio::test]
async fn what_is_bound_already_is_confirmed_without_a_probe_a_write_or_the_budget() {
    let (world, customer) = connected().await;
    let before = world.reload(&customer.connection).await;
    let calls = world.sts.calls().len();
    for _ in 0..=MAX_REQUESTS_PER_WINDOW {
        let mut update = customer
            .update(&customer.role_arn)
            .with_property("ForceUpdate", "x");
        let old = update.fields["ResourceProperties"].clone();
        update = world.signed(update.with("OldResourceProperties", old));
        assert_eq!(
            world.registered(&update).await,
            Received::AsItIs(Delivery::Accepted)
        );
        assert!(world.bucket.answer(&update.key).unwrap().success);
    }
    assert_eq!(world.reload(&before).await, before, "nothing of it is written");
    assert_eq!((world.sts.calls().len(), world.queue.waiting().len()), (calls, 0));
    // A forged one learns and changes nothing.
    let forged = customer.update(&customer.role_arn);
    assert_eq!(
        world.registered(&forged).await,
        Received::AsItIs(Delivery::Refused)
    );
    assert_eq!(world.reload(&before).await, before);

    // An old proof is made again, once.
    world.clock.advance(PROOF_LASTS_SECONDS);
    for rechecks in [1, 0] {
        world
            .registered(&world.signed(customer.update(&customer.role_arn)))
            .await;
        let waiting = world.queue.waiting();
        assert_eq!(waiting.len(), rechecks);
        assert!(
            waiting
                .iter()
                .all(|queued| matches!(queued.task, VerificationTask::Recheck { .. }))
        );
        world.drain().await;
    }
    // One that is degraded is looked at.
    world.sts.put_role(&customer.role_arn, Trust::open());
    world.check(&before).await;
    let update = world.signed(customer.update(&customer.role_arn));
    assert_eq!(world.registered(&update).await, Received::Queued);
}

#[tokio::test]
async fn over_the_budget_a_live_stack_is_not_told_to_delete_itself_and_its_rollback_is_answered() {
    let (world, customer) = connected().await;
    for number in 0..MAX_REQUESTS_PER_WINDOW {
        let update = customer.update(&customer.role_arn);
        let update = world.signed(update.with_property("TemplateVersion", format!("1.1.{number}")));
        assert!(world.complete(&update).await.success);
    }
    let before = world.reload(&customer.connection).await;
    let update = customer
        .update(&customer.role_arn)
        .with_property("TemplateVersion", "1.2.0");
    let update = world.signed(update);
    world.complete(&update).await;
    world.assert_failed(&update, ReasonCode::TooManyUpdates);
    let last = format!("1.1.{}", MAX_REQUESTS_PER_WINDOW - 1);
    let back = customer
        .update(&customer.role_arn)
        .with_property("TemplateVersion", last);
    assert_eq!(
        world.registered(&world.signed(back)).await,
        Received::AsItIs(Delivery::Accepted)
    );
    let after = world.reload(&before).await;
    assert_eq!(settled(&after), settled(&before));
    assert_eq!(
        after.failed_change().unwrap().reason.code,
        ReasonCode::TooManyUpdates
    );
}

#[tokio::test]
async fn a_new_stack_takes_the_place_of_one_whose_role_is_gone_and_of_no_other() {
    let (world, customer) = connected().await;
    let link = world.link("acme").await;
    let fresh = || {
        let role_arn = role(&account("222222222222"), "Fresh");
        world.trust(&role_arn, &link);
        let stack = CustomerStack::new(&account("222222222222"));
        world.signed(stack.create(link.external_id(), &role_arn))
    };
    let held = format!("Connection {} has this account", customer.connection.id());
    for trust in [Trust::only(customer.connection.external_id()), Trust::open()] {
        world.sts.put_role(&customer.role_arn, trust);
        let create = fresh();
        let told = world.complete(&create).await;
        assert!(told.failed_with(ReasonCode::AccountAlreadyConnected), "{told:?}");
        assert!(told.reason.unwrap().contains(&held));
    }
    assert_eq!(world.status(&customer.connection).await, Status::Active);

    world.sts.delete_role(&customer.role_arn);
    assert!(world.complete(&fresh()).await.success);
    assert_eq!(world.status(&link).await, Status::Active);
    let ended = world.reload(&customer.connection).await;
    let State::Disconnected { reason, .. } = ended.state() else {
        panic!("{ended:?}");
    };
    assert_eq!(reason.code, ReasonCode::Superseded);
    // The old stack's Delete is none of the new one's.
    assert_eq!(
        world.deleted(&world.signed(customer.delete())).await,
        Deleted::LeftAlone
    );
    assert_eq!(world.status(&link).await, Status::Active);
}

#[tokio::test]
async fn a_role_that_does_not_let_us_in_itself_ends_nobody() {
    let (world, customer) = connected().await;
    world.sts.delete_role(&customer.role_arn);
    let link = world.link("acme").await;
    let (stack, role_arn) = (
        CustomerStack::new(&account("222222222222")),
        role(&account("222222222222"), "Fresh"),
    );
    world.sts.put_role(&role_arn, Trust::nobody());
    let create = world.signed(stack.create(link.external_id(), &role_arn));
    assert!(!world.complete(&create).await.success);
    assert_eq!(world.status(&customer.connection).await, Status::Active);
}

#[tokio::test]
async fn a_tier_that_has_less_than_the_link_asks_for_is_told_before_the_role_is_tried() {
    let world = World::default();
    let wish = NewConnection {
        permission_tier: Some(TierName::parse("larger").unwrap()),
        ..wish()
    };
    let link = world.start.run(tenant("acme"), wish).await.unwrap().0;
    let (stack, role_arn) = world.customer_of(&link, &account("222222222222"));
    let create = stack.create(link.external_id(), &role_arn);
    let create = world.signed(create.with_property("PermissionTier", "test"));
    let told = world.complete(&create).await;
    assert!(told.failed_with(ReasonCode::TierMismatch), "{told:?}");
    assert!(world.sts.calls().is_empty());
    let stored = world.store.get(link.tenant(), link.id()).await.unwrap().unwrap();
    assert_eq!(stored.reason().unwrap().code, ReasonCode::TierMismatch);
}
