//! A role that was made by hand is proven like any other, and asks for no stack.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::collections::BTreeSet;

use latchkey_core::{
    domain::{
        aws::RoleArn,
        connection::{ATTEMPT_SECONDS, Connection, Organization, Status},
        proof::reason::ReasonCode,
        request::request_budget::MAX_REQUESTS_PER_WINDOW,
    },
    ports::{Clock, ConnectionStore},
    use_cases::{register_by_hand::ByHandError, rotate_external_id::Rotated},
};
use latchkey_testing::{
    builders::{VENDOR_ACCOUNT, account, role, tenant},
    faults::{Operation, When},
    scripted_sts::Trust,
    world::{PATIENCE_SECONDS, World},
};

const ACCOUNT: &str = "222222222222";

/// A role that trusts `connection`.
fn made(world: &World, connection: &Connection, name: &str) -> RoleArn {
    let role_arn = role(&account(ACCOUNT), name);
    world.trust(&role_arn, connection);
    role_arn
}

/// A world with one link, and a role that was made for it.
async fn linked() -> (World, Connection, RoleArn) {
    let (world, connection) = World::linked().await;
    let role_arn = made(&world, &connection, "Made");
    (world, connection, role_arn)
}

async fn named(
    world: &World,
    connection: &Connection,
    role_arn: &RoleArn,
) -> Result<Connection, ByHandError> {
    world
        .register_by_hand
        .run(connection.tenant(), connection.id(), role_arn)
        .await
}

/// Names a role, and works until it is decided.
async fn settled(world: &World, connection: &Connection, role_arn: &RoleArn) -> Connection {
    named(world, connection, role_arn).await.unwrap();
    world.drain().await;
    world.reload(connection).await
}

async fn refusal(world: &World, connection: &Connection, role_arn: &RoleArn) -> ReasonCode {
    match named(world, connection, role_arn).await {
        Err(ByHandError::Refused(reason)) => reason.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn it_is_verified_and_then_connected_without_a_stack() {
    let (world, connection, role_arn) = linked().await;
    let waiting = named(&world, &connection, &role_arn).await.unwrap();
    assert_eq!(waiting.status(world.clock.now()), Status::Verifying);
    world.drain().await;
    let connected = world.reload(&connection).await;
    assert_eq!(connected.status(world.clock.now()), Status::Active);
    let bound = connected.live_binding().unwrap();
    assert_eq!((&bound.role_arn, bound.stack_id()), (&role_arn, None));
    assert_eq!(bound.unsettled, None, "no bucket has a say");
    let told = world.history(connection.id()).join(" ");
    assert_eq!(told, "created attempt_started attempt_proven");
    assert_eq!(world.faults.count(Operation::AnswerSend), 0, "nobody is answered");
}

#[tokio::test]
async fn a_role_that_lets_others_in_or_nobody_is_refused_with_its_reason_and_can_be_named_again() {
    let (world, connection, role_arn) = linked().await;
    world.sts.put_role(&role_arn, Trust::open());
    let refused = settled(&world, &connection, &role_arn).await;
    assert_eq!(refused.status(world.clock.now()), Status::Pending);
    assert_eq!(refused.reason().unwrap().code, ReasonCode::ExternalIdNotEnforced);

    world.sts.put_role(&role_arn, Trust::nobody());
    let since = world.clock.now();
    let refused = settled(&world, &connection, &role_arn).await;
    assert_eq!(refused.reason().unwrap().code, ReasonCode::RoleNotAssumable);
    let tried = world.clock.now().duration_since(since).as_secs();
    assert!(tried >= PATIENCE_SECONDS, "it was tried for {tried} s");

    made(&world, &connection, "Made");
    let connected = settled(&world, &connection, &role_arn).await;
    assert_eq!(connected.status(world.clock.now()), Status::Active);
}

#[tokio::test]
async fn what_cannot_be_its_role_is_refused_at_once() {
    let world = World::default();
    let bound = world.link_for("acme", Some(account("333333333333"))).await;
    let role_arn = made(&world, &bound, "Made");
    assert_eq!(
        refusal(&world, &bound, &role_arn).await,
        ReasonCode::AccountMismatch
    );
    let own = role(&account(VENDOR_ACCOUNT), "Own");
    let free = world.link("acme").await;
    assert_eq!(refusal(&world, &free, &own).await, ReasonCode::VendorAccount);
    let china = RoleArn::parse("arn:aws-cn:iam::222222222222:role/Made").unwrap();
    assert_eq!(refusal(&world, &free, &china).await, ReasonCode::InvalidRequest);
    let (other, by_hand) = (tenant("other"), &world.register_by_hand);
    let theirs = by_hand.run(&other, free.id(), &role_arn).await;
    assert!(matches!(theirs, Err(ByHandError::NotFound)));

    world.end(&free).await;
    assert_eq!(
        refusal(&world, &free, &role_arn).await,
        ReasonCode::DisconnectedByVendor
    );
    let late = world.link("acme").await;
    world.clock.advance(400 * 24 * 3_600);
    assert_eq!(refusal(&world, &late, &role_arn).await, ReasonCode::LinkExpired);
    assert!(world.store.all_requests().is_empty());
}

#[tokio::test]
async fn what_a_stack_made_is_the_stacks_to_change_and_no_stack_takes_over_what_was_made_by_hand() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let other = made(&world, &customer.connection, "Other");
    let refused = named(&world, &customer.connection, &other).await;
    assert!(matches!(refused, Err(ByHandError::OfAStack)));

    let (world, connection, role_arn) = linked().await;
    settled(&world, &connection, &role_arn).await;
    let (stack, _) = world.customer_of(&connection, &account(ACCOUNT));
    let create = world.signed(stack.create(connection.external_id(), &role_arn));
    let answer = world.complete(&create).await;
    assert!(answer.reason.unwrap().contains("account_already_connected"));
    let delete =
        world.signed(stack.delete(&answer.physical_resource_id, connection.external_id(), &role_arn));
    world.receive(&delete).await.unwrap();
    assert_eq!(world.status(&connection).await, Status::Active);
}

#[tokio::test]
async fn another_role_of_the_same_account_takes_its_place_once_proven_and_a_failure_leaves_it_and_is_shown() {
    let (world, connection) = World::linked().await;
    let first = made(&world, &connection, "First");
    settled(&world, &connection, &first).await;

    let second = role(&account(ACCOUNT), "Second");
    world.sts.put_role(&second, Trust::nobody());
    let kept = settled(&world, &connection, &second).await;
    assert_eq!(kept.live_binding().unwrap().role_arn, first);
    let failed = kept.failed_change().unwrap();
    assert_eq!(failed.reason.code, ReasonCode::RoleNotAssumable);

    made(&world, &connection, "Second");
    let changed = settled(&world, &connection, &second).await;
    assert_eq!(changed.live_binding().unwrap().role_arn, second);
    assert_eq!(changed.failed_change(), None);
    let elsewhere = role(&account("444444444444"), "Third");
    assert_eq!(
        refusal(&world, &connection, &elsewhere).await,
        ReasonCode::LinkAlreadyUsed
    );
    // The first one is free again.
    let (_, other) = world.customer_of(&connection, &account("444444444444"));
    assert_ne!(other, first);
    let second_connection = world.link("other").await;
    world.trust(&first, &second_connection);
    let connected = settled(&world, &second_connection, &first).await;
    assert_eq!(connected.status(world.clock.now()), Status::Active);
}

#[tokio::test]
async fn a_rotation_ends_when_the_role_is_named_again_with_the_next_external_id() {
    let (world, connection, role_arn) = linked().await;
    settled(&world, &connection, &role_arn).await;
    let Ok(Rotated::Started(started)) = world.rotate.start(connection.tenant(), connection.id()).await else {
        panic!("no rotation");
    };
    let next = &started.rotation().unwrap().external_id;
    let early = settled(&world, &connection, &role_arn).await;
    assert_eq!(early.external_id(), connection.external_id());
    assert!(early.failed_change().is_some() && early.rotation().is_some());
    world.sts.put_role(&role_arn, Trust::only(next));
    let rotated = settled(&world, &connection, &role_arn).await;
    assert_eq!((rotated.external_id(), rotated.rotation()), (next, None));
}

#[tokio::test]
async fn named_twice_or_after_a_crash_it_is_one_registration() {
    let (world, connection, role_arn) = linked().await;
    world.faults.fail_next(Operation::QueueSend, 1, When::Before);
    assert!(named(&world, &connection, &role_arn).await.is_err());
    let again = named(&world, &connection, &role_arn).await.unwrap();
    named(&world, &connection, &role_arn).await.unwrap();
    assert_eq!(again.status(world.clock.now()), Status::Verifying);
    assert_eq!(world.store.all_requests().len(), 1);
    world.drain().await;
    assert_eq!(world.status(&connection).await, Status::Active);
    let told = world.history(connection.id()).join(" ");
    assert_eq!(told, "created attempt_started attempt_proven");
}

#[tokio::test]
async fn a_crash_at_any_call_of_the_verifier_loses_nothing() {
    for when in [When::Before, When::After] {
        for call in 0..12 {
            let (world, connection) = World::linked().await;
            let role_arn = made(&world, &connection, "Made");
            named(&world, &connection, &role_arn).await.unwrap();
            world.faults.fail_call(call, when);
            world.drain().await;
            world.faults.clear();
            let status = world.status(&connection).await;
            assert_eq!(status, Status::Active, "{when:?} call {call}");
        }
    }
}

#[tokio::test]
async fn an_attempt_that_was_lost_holds_nothing_up_for_ever_and_an_hour_has_only_so_many() {
    let (world, connection, role_arn) = linked().await;
    named(&world, &connection, &role_arn).await.unwrap();
    world.queue.take_all();
    world.clock.advance(ATTEMPT_SECONDS);
    assert_eq!(world.status(&connection).await, Status::Pending);
    let connected = settled(&world, &connection, &role_arn).await;
    assert_eq!(connected.status(world.clock.now()), Status::Active);
    let other = |number| role(&account(ACCOUNT), &format!("Other{number}"));
    for number in 0..MAX_REQUESTS_PER_WINDOW {
        let _ = named(&world, &connection, &other(number)).await;
    }
    let last = other(MAX_REQUESTS_PER_WINDOW);
    assert_eq!(
        refusal(&world, &connection, &last).await,
        ReasonCode::TooManyRequests
    );
}

#[tokio::test]
async fn for_an_organization_the_roles_account_becomes_a_member() {
    let world = World::default();
    let rules = Organization::new(None, BTreeSet::from([account(ACCOUNT)])).unwrap();
    let organization = world.organization("acme", rules).await;
    let role_arn = made(&world, &organization, "Made");
    let member = named(&world, &organization, &role_arn).await.unwrap();
    assert_eq!(*member.id(), organization.id().member(&account(ACCOUNT)));
    world.drain().await;
    assert_eq!(world.status(&member).await, Status::Active);
    assert_eq!(world.store.seats(organization.id()).await.unwrap().len(), 1);
    let stranger = role(&account("999999999999"), "Made");
    assert_eq!(
        refusal(&world, &organization, &stranger).await,
        ReasonCode::AccountNotAllowed
    );
}
