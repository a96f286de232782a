//! A recorded request is decided: proven and connected, or refused, or tried again; and the stack is told once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::sync::Arc;

use futures::FutureExt;
use jiff::SignedDuration;
use latchkey_shared::{
    domain::{
        aws::RoleArn,
        connection::{Connection, Status},
        reason::{Reason, ReasonCode},
        verdict::Cause,
    },
    ports::{Clock, ConnectionStore, Delivery},
    test_support::{
        builders::{account, role},
        cloudformation_bucket::SIGNED_FOR_SECONDS,
        customer_stack::{CustomerStack, StackRequest},
        faults::{Operation, When},
        scripted_sts::Trust,
        world::{Customer, PATIENCE_SECONDS, World},
    },
    use_cases::{
        answer_stack::Answered,
        verify_role::{Verified, retry_delay_seconds},
    },
};

const ACCOUNT: &str = "222222222222";
const OTHER_ACCOUNT: &str = "333333333333";

/// A link of acme, taken by a stack whose role trusts as it should.
async fn received(world: &World) -> (Connection, CustomerStack, RoleArn, StackRequest) {
    let connection = world.link("acme").await;
    let (stack, role_arn) = world.customer_of(&connection, &account(ACCOUNT));
    let create = stack
        .create(&connection.external_id, &role_arn)
        .signed(&world.bucket)
        .sent_at(world.clock.now());
    world.receive(&create).await.unwrap();
    (connection, stack, role_arn, create)
}

fn answered(delivery: Delivery) -> Verified {
    Verified::Answered(Answered::Now(delivery))
}

/// An Update of a connected customer to another role.
fn an_update(world: &World, customer: &Customer, role_arn: &RoleArn) -> StackRequest {
    customer
        .stack
        .update(
            &customer.create.physical_resource_id(),
            &customer.connection.external_id,
            role_arn,
        )
        .signed(&world.bucket)
}

#[tokio::test]
async fn a_safe_role_is_connected_and_then_the_stack_is_told() {
    let world = World::default();
    let (connection, stack, role_arn, create) = received(&world).await;
    assert_eq!(
        world.verify.run(&create.key, 1).await.unwrap(),
        answered(Delivery::Accepted)
    );
    let active = world.reload(&connection).await;
    assert_eq!(active.state.status(), Status::Active);
    let binding = active.live_binding().unwrap();
    assert_eq!(
        (&binding.role_arn, binding.stack_id()),
        (&role_arn, &stack.stack_id)
    );
    assert_eq!(binding.physical_resource_id, create.physical_resource_id());
    assert_eq!(binding.unsettled, None, "the bucket took the answer");
    assert_eq!(active.last_verified_at(), Some(world.clock.now()));
    assert!(world.bucket.answer(&create.key).unwrap().success);
    assert_eq!(
        world.history(&connection.id),
        ["created", "attempt_started", "attempt_proven"]
    );
    let record = world.store.find_request(&create.key).await.unwrap().unwrap();
    assert!(record.response_url().is_none(), "its URL is forgotten");
}

#[tokio::test]
async fn one_verification_asks_three_times_and_each_wrong_external_id_is_a_fresh_one() {
    let world = World::default();
    let (connection, _, role_arn, create) = received(&world).await;
    world.verify.run(&create.key, 1).await.unwrap();
    world
        .recheck
        .run(&connection.tenant, &connection.id)
        .await
        .unwrap();
    let calls = world.sts.calls();
    assert_eq!(calls.len(), 6);
    assert!(
        calls
            .iter()
            .all(|call| call.role_arn == role_arn && call.session == connection.id)
    );
    let mut wrong = Vec::new();
    for three in calls.chunks(3) {
        assert_eq!(three[0].external_id.as_ref(), Some(&connection.external_id));
        assert_eq!(three[1].external_id, None);
        wrong.push(three[2].external_id.clone().unwrap());
    }
    assert_ne!(wrong[0], wrong[1]);
    assert!(!wrong.contains(&connection.external_id));
}

#[tokio::test]
async fn a_role_that_appears_late_is_waited_for_at_one_call_a_try() {
    let world = World::default();
    let (connection, _, role_arn, create) = received(&world).await;
    let from = world.clock.now() + SignedDuration::from_secs(20);
    world
        .sts
        .put_role_assumable_from(&role_arn, Trust::only(&connection.external_id), from);
    let mut tries = 0;
    let waited = loop {
        tries += 1;
        match world.verify.run(&create.key, tries).await.unwrap() {
            Verified::TryAgainIn(seconds) => {
                assert_eq!(seconds, retry_delay_seconds(tries));
                assert_eq!(world.status(&connection).await, Status::Verifying);
                assert_eq!(world.bucket.answer(&create.key), None);
                world.clock.advance(seconds.into());
            }
            verified => break verified,
        }
    };
    assert_eq!(waited, answered(Delivery::Accepted));
    assert!(world.clock.now().duration_since(from).as_secs() < 15);
    assert_eq!(
        world.sts.calls().len(),
        usize::try_from(tries - 1).unwrap() + 3,
        "a refused role is not asked three times"
    );
    assert_eq!(world.status(&connection).await, Status::Active);
}

#[tokio::test]
async fn a_role_that_never_appears_fails_the_stack_at_the_deadline_and_leaves_the_link_good() {
    let world = World::default();
    let (connection, _, role_arn, create) = received(&world).await;
    world.sts.delete_role(&role_arn);
    let start = world.clock.now();
    assert_eq!(
        world.verify_until_answered(&create.key).await,
        Answered::Now(Delivery::Accepted)
    );
    assert_eq!(
        world.clock.now().duration_since(start).as_secs(),
        PATIENCE_SECONDS,
        "not later and not earlier"
    );
    let answer = world.bucket.answer(&create.key).unwrap();
    assert!(answer.failed_with(ReasonCode::RoleNotAssumable));
    let waiting = world.reload(&connection).await;
    assert_eq!(waiting.state.status(), Status::Pending);
    assert_eq!(
        waiting.reason(),
        Some(&Reason::from(ReasonCode::RoleNotAssumable))
    );
    let (stack, role_arn) = world.customer_of(&connection, &account(ACCOUNT));
    let create = stack
        .create(&connection.external_id, &role_arn)
        .signed(&world.bucket);
    assert!(world.complete(&create).await.success, "the same link again");
}

#[tokio::test]
async fn a_new_role_that_is_open_is_refused_at_once_whatever_opens_it() {
    for trust in [
        Trust::open(),
        Trust::wildcard(),
        Trust::wildcard().if_exists(),
        Trust::nobody().if_exists(),
    ] {
        let world = World::default();
        let (connection, _, role_arn, create) = received(&world).await;
        let opens_to_us = trust != Trust::nobody().if_exists();
        world.sts.put_role(&role_arn, trust);
        let verified = world.verify.run(&create.key, 1).await.unwrap();
        if opens_to_us {
            assert_eq!(verified, answered(Delivery::Accepted));
            let answer = world.bucket.answer(&create.key).unwrap();
            assert!(answer.failed_with(ReasonCode::ExternalIdNotEnforced));
            assert_eq!(world.status(&connection).await, Status::Pending);
        } else {
            assert_eq!(verified, Verified::TryAgainIn(2));
        }
    }
    // IfExists with the right external ID in it: it lets those in who bring none.
    let world = World::default();
    let (connection, _, role_arn, create) = received(&world).await;
    world
        .sts
        .put_role(&role_arn, Trust::only(&connection.external_id).if_exists());
    world.verify.run(&create.key, 1).await.unwrap();
    let answer = world.bucket.answer(&create.key).unwrap();
    assert!(answer.failed_with(ReasonCode::ExternalIdNotEnforced));
}

#[tokio::test]
async fn a_role_that_acts_in_another_account_is_refused() {
    let world = World::default();
    let (connection, _, role_arn, create) = received(&world).await;
    world.sts.put_role_of(
        &role_arn,
        Trust::only(&connection.external_id),
        account(OTHER_ACCOUNT),
    );
    world.verify.run(&create.key, 1).await.unwrap();
    let answer = world.bucket.answer(&create.key).unwrap();
    assert!(answer.failed_with(ReasonCode::RoleInOtherAccount));
    assert_eq!(world.status(&connection).await, Status::Pending);
}

#[tokio::test]
async fn a_role_that_trusts_the_external_id_of_another_tenant_is_not_ours_to_connect() {
    let world = World::default();
    let stranger = world.link("globex").await;
    let (connection, _, role_arn, create) = received(&world).await;
    world.sts.put_role(&role_arn, Trust::only(&stranger.external_id));
    world.verify_until_answered(&create.key).await;
    assert!(
        world
            .bucket
            .answer(&create.key)
            .unwrap()
            .failed_with(ReasonCode::RoleNotAssumable)
    );
    assert_eq!(world.status(&connection).await, Status::Pending);
    assert_eq!(world.reload(&stranger).await, stranger);
}

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
        world.reload(&customer.connection).await.state,
        customer.connection.state
    );
    // Repaired in time, it is connected.
    world
        .sts
        .put_role(&new_role, Trust::only(&customer.connection.external_id));
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
    assert_eq!(stands.state, customer.connection.state);
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
async fn what_says_nothing_about_the_role_is_never_a_verdict() {
    for (cause, code) in [
        (Cause::Throttled, ReasonCode::VerificationInconclusive),
        (Cause::Unreachable, ReasonCode::VerificationInconclusive),
        (Cause::ServiceError, ReasonCode::VerificationInconclusive),
        (Cause::RegionDisabled, ReasonCode::VerificationInconclusive),
        (Cause::VendorNotPermitted, ReasonCode::VendorMisconfigured),
    ] {
        // Any one of the three probes is enough for nothing to be said.
        for failing_probe in 0..3 {
            let world = World::default();
            let (connection, _, _, create) = received(&world).await;
            let mut script = vec![None; failing_probe];
            script.push(Some(cause));
            world.sts.script(script);
            assert_eq!(
                world.verify.run(&create.key, 1).await.unwrap(),
                Verified::TryAgainIn(2)
            );
            assert_eq!(world.status(&connection).await, Status::Verifying);
            assert_eq!(
                world.verify.run(&create.key, 2).await.unwrap(),
                answered(Delivery::Accepted)
            );
            assert_eq!(world.status(&connection).await, Status::Active);
        }
        // Until the deadline; then the stack learns that it is not the role's fault.
        let world = World::default();
        let (connection, _, _, create) = received(&world).await;
        world.sts.trouble(Some(cause));
        world.verify_until_answered(&create.key).await;
        assert!(world.bucket.answer(&create.key).unwrap().failed_with(code));
        assert_eq!(world.status(&connection).await, Status::Pending);
    }
}

#[tokio::test]
async fn of_two_requests_for_one_link_the_first_that_is_proven_has_it() {
    let world = World::default();
    let connection = world.link("acme").await;
    let mut creates = Vec::new();
    for digits in [ACCOUNT, OTHER_ACCOUNT] {
        let (stack, role_arn) = world.customer_of(&connection, &account(digits));
        let create = stack
            .create(&connection.external_id, &role_arn)
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
    assert_eq!(world.reload(&connection).await.state, stands.state);
}

#[tokio::test]
async fn of_two_requests_that_are_proven_at_the_same_moment_one_has_the_link() {
    let world = Arc::new(World::default());
    let connection = world.link("acme").await;
    let mut creates = Vec::new();
    for digits in [ACCOUNT, OTHER_ACCOUNT] {
        let (stack, role_arn) = world.customer_of(&connection, &account(digits));
        let create = stack
            .create(&connection.external_id, &role_arn)
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
    world.sts.put_role(&role_arn, Trust::only(&second.external_id));
    let stack = CustomerStack::new(&account(ACCOUNT));
    let create = stack.create(&second.external_id, &role_arn).signed(&world.bucket);
    let answer = world.complete(&create).await;
    assert!(answer.failed_with(ReasonCode::AccountAlreadyConnected));
    assert_eq!(world.status(&second).await, Status::Pending);
    // CloudFormation rolls back: a Delete of what never was.
    let delete = stack.delete(&answer.physical_resource_id, &second.external_id, &role_arn);
    assert!(world.complete(&delete.signed(&world.bucket)).await.success);
    assert_eq!(world.reload(&customer.connection).await, customer.connection);

    // Another tenant can have the same account, with a role of its own.
    let other = world.link("globex").await;
    let role_arn = role(&account(ACCOUNT), "Globex");
    world.sts.put_role(&role_arn, Trust::only(&other.external_id));
    let create = CustomerStack::new(&account(ACCOUNT))
        .create(&other.external_id, &role_arn)
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
            .put_role(&role_arn, Trust::only(&connection.external_id));
        let create = CustomerStack::new(&account(ACCOUNT))
            .create(&connection.external_id, &role_arn)
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
    let both = Trust::only(&customer.connection.external_id).and(&other.external_id);
    world.sts.put_role(&customer.role_arn, both);
    let create = CustomerStack::new(&account(ACCOUNT))
        .create(&other.external_id, &customer.role_arn)
        .signed(&world.bucket);
    let answer = world.complete(&create).await;
    assert!(answer.failed_with(ReasonCode::RoleAlreadyConnected));
    let told = answer.reason.unwrap();
    for secret in [
        "acme",
        customer.connection.id.as_str(),
        customer.connection.external_id.as_str(),
        customer.stack.stack_id.as_str(),
    ] {
        assert!(!told.contains(secret), "{told}");
    }
    assert_eq!(world.status(&other).await, Status::Pending);
    assert_eq!(world.reload(&customer.connection).await, customer.connection);
}

#[tokio::test]
async fn a_delete_during_the_verification_ends_it_without_a_connection() {
    let world = World::default();
    let (connection, stack, role_arn, create) = received(&world).await;
    world.clock.advance(3);
    let delete = stack
        .delete("invented-by-cloudformation", &connection.external_id, &role_arn)
        .signed(&world.bucket);
    world.receive(&delete).await.unwrap();
    assert!(world.bucket.answer(&delete.key).unwrap().success);
    world.drain().await;
    assert!(
        world
            .bucket
            .answer(&create.key)
            .unwrap()
            .failed_with(ReasonCode::StackDeleted)
    );
    assert_eq!(world.status(&connection).await, Status::Pending);
    assert_eq!(world.sts.calls().len(), 0, "nobody asks for a role that goes");
}

#[tokio::test]
async fn a_delete_that_comes_while_the_role_is_being_proven_wins() {
    let world = Arc::new(World::default());
    let (connection, stack, role_arn, create) = received(&world).await;
    world.clock.advance(3);
    let delete = stack
        .delete("invented", &connection.external_id, &role_arn)
        .signed(&world.bucket);
    let (there, request) = (world.clone(), delete.clone());
    world.faults.before_next(Operation::Commit, move || {
        there.receive(&request).now_or_never().unwrap().unwrap();
    });
    world.verify.run(&create.key, 1).await.unwrap();
    assert!(
        world
            .bucket
            .answer(&create.key)
            .unwrap()
            .failed_with(ReasonCode::StackDeleted)
    );
    assert_eq!(world.status(&connection).await, Status::Pending);
}

#[tokio::test]
async fn a_vendor_who_ends_the_connection_during_the_verification_wins() {
    let world = World::default();
    let (connection, _, _, create) = received(&world).await;
    world
        .disconnect_by_vendor
        .run(&connection.tenant, &connection.id)
        .await
        .unwrap();
    world.drain().await;
    assert!(
        world
            .bucket
            .answer(&create.key)
            .unwrap()
            .failed_with(ReasonCode::DisconnectedByVendor)
    );
    assert_eq!(world.status(&connection).await, Status::Disconnected);
}

#[tokio::test]
async fn a_crash_at_any_call_is_repaired_by_redelivery_with_one_true_answer() {
    for safe in [true, false] {
        let mut crashes = 0;
        for call in 0.. {
            let mut done = false;
            for when in [When::Before, When::After] {
                let world = World::default();
                let (connection, _, role_arn, create) = received(&world).await;
                if !safe {
                    world.sts.put_role(&role_arn, Trust::open());
                }
                world.faults.fail_call(call, when);
                let first = world.verify.run(&create.key, 1).await;
                if world.faults.clear() {
                    done = true;
                    continue;
                }
                assert!(first.is_err(), "call {call} failed {when:?}");
                crashes += 1;
                // Whatever happened, nobody was told SUCCESS for what is not stored.
                let told = world.bucket.answer(&create.key);
                if told.as_ref().is_some_and(|told| told.success) {
                    assert_eq!(world.status(&connection).await, Status::Active);
                }
                for tries in 2..4 {
                    world.verify.run(&create.key, tries).await.unwrap();
                }
                let bodies = world.bucket.bodies(&create.key);
                assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
                let told = world.bucket.answer(&create.key).unwrap();
                assert_eq!(told.success, safe, "call {call} {when:?}");
                let connection = world.reload(&connection).await;
                let expected = if safe { Status::Active } else { Status::Pending };
                assert_eq!(connection.state.status(), expected);
                assert!(
                    connection
                        .live_binding()
                        .is_none_or(|binding| binding.unsettled.is_none())
                );
            }
            if done {
                break;
            }
        }
        assert!(crashes >= 12, "{crashes}");
    }
}

#[tokio::test]
async fn a_request_that_is_worked_on_twice_at_once_is_decided_once() {
    let world = Arc::new(World::default());
    let (connection, _, role_arn, create) = received(&world).await;
    // Between the look and the decision of the first, the second sees an open role and refuses.
    let (there, key, role_arn) = (world.clone(), create.key.clone(), role_arn.clone());
    world.faults.before_next(Operation::Commit, move || {
        there.sts.put_role(&role_arn, Trust::open());
        there.verify.run(&key, 1).now_or_never().unwrap().unwrap();
    });
    assert_eq!(
        world.verify.run(&create.key, 1).await.unwrap(),
        Verified::Answered(Answered::Before)
    );
    assert_eq!(world.bucket.bodies(&create.key).len(), 1);
    assert!(
        world
            .bucket
            .answer(&create.key)
            .unwrap()
            .failed_with(ReasonCode::ExternalIdNotEnforced)
    );
    assert_eq!(world.status(&connection).await, Status::Pending);
}

#[tokio::test]
async fn a_create_whose_success_the_bucket_refuses_was_never_cloudformations_and_connects_nothing() {
    let world = World::default();
    let connection = world.link("acme").await;
    let (stack, role_arn) = world.customer_of(&connection, &account(ACCOUNT));
    let forged = stack.create(&connection.external_id, &role_arn);
    world.receive(&forged).await.unwrap();
    assert_eq!(
        world.verify.run(&forged.key, 1).await.unwrap(),
        answered(Delivery::Refused)
    );
    let waiting = world.reload(&connection).await;
    assert_eq!(waiting.state.status(), Status::Pending);
    assert_eq!(waiting.reason(), Some(&Reason::from(ReasonCode::AnswerRefused)));
    let log = world.store.audit_log(&connection.id);
    assert_eq!(log.last().unwrap().event, "answer_refused");
    assert_eq!(log.last().unwrap().request.as_ref(), Some(&forged.key));
    // Account and role are free again for the true one.
    let create = stack
        .create(&connection.external_id, &role_arn)
        .signed(&world.bucket);
    assert!(world.complete(&create).await.success);
}

#[tokio::test]
async fn an_answer_that_comes_after_the_urls_two_hours_connects_nothing() {
    let world = World::default();
    let (connection, _, _, create) = received(&world).await;
    world.clock.advance(SIGNED_FOR_SECONDS + 1);
    assert_eq!(
        world.verify.run(&create.key, 1).await.unwrap(),
        answered(Delivery::Refused)
    );
    assert_eq!(world.status(&connection).await, Status::Pending);
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
                    .run(&connection.tenant, &connection.id)
                    .await
                    .unwrap();
            }
            let before = world.reload(connection).await;
            world.clock.advance(60);
            let new_role = role(&account(ACCOUNT), "New");
            world
                .sts
                .put_role(&new_role, Trust::only(&connection.external_id));
            let forged = if replacement {
                customer
                    .stack
                    .resource("Another")
                    .create(&connection.external_id, &new_role)
            } else {
                let id = customer.create.physical_resource_id();
                customer.stack.update(&id, &connection.external_id, &new_role)
            };
            world.receive(&forged).await.unwrap();
            assert_eq!(
                world.verify.run(&forged.key, 1).await.unwrap(),
                answered(Delivery::Refused)
            );
            let after = world.reload(connection).await;
            assert_eq!(
                after.state, before.state,
                "degraded: {degraded}, replacement: {replacement}"
            );
            assert_eq!(world.history(&connection.id).last().unwrap(), "answer_refused");
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
            .put_role(&new_role, Trust::only(&customer.connection.external_id));
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
            .put_role(&new_role, Trust::only(&customer.connection.external_id));
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
    assert_eq!(world.reload(&customer.connection).await.state, before.state);
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
        .create(&customer.connection.external_id, &customer.role_arn)
        .signed(&world.bucket);
    assert!(world.complete(&create).await.success);
    // CloudFormation then deletes the one that was replaced.
    let delete = customer
        .stack
        .delete(
            &customer.create.physical_resource_id(),
            &customer.connection.external_id,
            &customer.role_arn,
        )
        .signed(&world.bucket);
    assert!(world.complete(&delete).await.success);
    let connection = world.reload(&customer.connection).await;
    assert_eq!(connection.state.status(), Status::Active);
    assert_eq!(
        connection.live_binding().unwrap().physical_resource_id,
        create.physical_resource_id()
    );
}

#[tokio::test]
async fn an_answer_url_that_somebody_wrote_into_the_table_is_never_opened() {
    let world = World::default();
    let (_, _, _, create) = received(&world).await;
    world.verify.run(&create.key, 1).await.unwrap();
    assert_eq!(world.faults.count(Operation::AnswerSend), 1);
    let record = world.store.find_request(&create.key).await.unwrap().unwrap();
    let mut stored = serde_json::to_value(&record).unwrap();
    stored["unverified_response_url"] = "https://evil.example/?x".into();
    let tampered = serde_json::from_value(stored).unwrap();
    assert_eq!(
        world.verify.answers.deliver(&tampered).await.unwrap(),
        Answered::BadUrl
    );
    assert_eq!(world.faults.count(Operation::AnswerSend), 1);
}

#[tokio::test]
async fn a_request_that_was_never_recorded_or_has_run_out_is_no_work() {
    let world = World::default();
    let (_, stack, role_arn, create) = received(&world).await;
    let connection = world.link("acme").await;
    let unknown = stack.create(&connection.external_id, &role_arn);
    assert_eq!(
        world.verify.run(&unknown.key, 1).await.unwrap(),
        Verified::Unknown
    );
    world.store.forget_request(&create.key);
    assert_eq!(world.verify.run(&create.key, 1).await.unwrap(), Verified::Unknown);
    assert_eq!(world.sts.calls(), []);
}

#[test]
fn tries_come_soon_at_first_and_then_at_a_pace_that_costs_little() {
    let delays: Vec<u32> = (0..12).map(retry_delay_seconds).collect();
    assert_eq!(delays, [2, 2, 3, 5, 8, 12, 18, 25, 30, 30, 30, 30]);
    assert_eq!(retry_delay_seconds(u32::MAX), 30);
    // SQS gives up on a message after a number of receives (template.yaml): the deadline has to come first.
    let mut waited = 0;
    let tries = (1..).find(|tries| {
        waited += i64::from(retry_delay_seconds(*tries));
        waited >= PATIENCE_SECONDS
    });
    assert_eq!(tries, Some(13));
}
