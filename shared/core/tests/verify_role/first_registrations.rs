//! A link's first stack: its role is proven, refused, or waited for until the deadline.

use jiff::SignedDuration;
use latchkey_core::{
    domain::{
        connection::Status,
        external_id::ExternalId,
        proof::{reason::ReasonCode, verdict::Cause},
    },
    ports::{Clock, ConnectionStore, Delivery},
    use_cases::{
        answer_stack::Answered,
        verify_role::{Verified, retry_delay_seconds},
    },
};
use latchkey_testing::{
    builders::account,
    scripted_sts::Trust,
    world::{PATIENCE_SECONDS, World},
};

use crate::{ACCOUNT, OTHER_ACCOUNT, answered, received};

#[tokio::test]
async fn a_safe_role_is_connected_and_then_the_stack_is_told() {
    let world = World::default();
    let (connection, stack, role_arn, create) = received(&world).await;
    assert_eq!(world.verified(&create, 1).await, answered(Delivery::Accepted));
    let active = world.reload(&connection).await;
    assert_eq!(active.state().status(), Status::Active);
    let binding = active.live_binding().unwrap();
    assert_eq!(binding.role_arn, role_arn);
    assert_eq!(binding.stack_id(), Some(&stack.stack_id));
    assert_eq!(binding.physical_resource_id, create.physical_resource_id());
    assert_eq!(binding.unsettled, None, "the bucket took the answer");
    assert_eq!(active.last_verified_at(), Some(world.clock.now()));
    assert!(world.bucket.answer(&create.key).unwrap().success);
    assert_eq!(
        world.history(connection.id()),
        ["created", "attempt_started", "attempt_proven"]
    );
    let record = world.store.find_request(&create.key).await.unwrap().unwrap();
    assert!(record.response_url().is_none(), "its URL is forgotten");
}

#[tokio::test]
async fn one_verification_asks_four_times_and_each_wrong_external_id_is_a_fresh_one() {
    let world = World::default();
    let (connection, _, role_arn, create) = received(&world).await;
    world.verified(&create, 1).await;
    world.check(&connection).await;
    let calls = world.sts.calls();
    assert_eq!(calls.len(), 8);
    for call in &calls {
        assert_eq!((&call.role_arn, &call.session), (&role_arn, connection.id()));
    }
    let mut wrong = Vec::new();
    for four in calls.chunks(4) {
        assert_eq!(four[0].external_id.as_ref(), Some(connection.external_id()));
        assert_eq!(four[1].external_id, None);
        wrong.push(four[2].external_id.clone().unwrap());
        assert_eq!(four[3].external_id, Some(connection.external_id().similar()));
    }
    assert_ne!(wrong[0], wrong[1]);
    assert!(!wrong.contains(connection.external_id()));
}

#[tokio::test]
async fn a_role_that_appears_late_is_waited_for_at_one_call_a_try() {
    let world = World::default();
    let (connection, _, role_arn, create) = received(&world).await;
    let from = world.clock.now() + SignedDuration::from_secs(20);
    let right = Trust::only(connection.external_id());
    world.sts.put_role_assumable_from(&role_arn, right, from);
    let mut tries = 0;
    let waited = loop {
        tries += 1;
        match world.verified(&create, tries).await {
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
    let asked = usize::try_from(tries - 1).unwrap() + 4;
    assert_eq!(
        world.sts.calls().len(),
        asked,
        "a refused role is asked once a try"
    );
    assert_eq!(world.status(&connection).await, Status::Active);
}

#[tokio::test]
async fn a_role_that_never_appears_fails_the_stack_at_the_deadline_and_leaves_the_link_good() {
    let world = World::default();
    let (connection, _, role_arn, create) = received(&world).await;
    world.sts.delete_role(&role_arn);
    let start = world.clock.now();
    let answered = world.verify_until_answered(&create.key).await;
    assert_eq!(answered, Answered::Now(Delivery::Accepted));
    let waited = world.clock.now().duration_since(start).as_secs();
    assert_eq!(waited, PATIENCE_SECONDS);
    world.assert_failed(&create, ReasonCode::RoleNotAssumable);
    let waiting = world.reload(&connection).await;
    assert_eq!(waiting.state().status(), Status::Pending);
    assert_eq!(waiting.reason().unwrap().code, ReasonCode::RoleNotAssumable);
    let create = world.create(&connection, &account(ACCOUNT));
    assert!(world.complete(&create).await.success, "the same link again");
}

#[tokio::test]
async fn a_new_role_that_is_open_is_refused_at_once_whatever_opens_it() {
    let trusts: [fn(&ExternalId) -> Trust; 6] = [
        |_| Trust::open(),
        |_| Trust::wildcard(),
        // The beginning of the right one and an asterisk: no random value would notice.
        |right| Trust::beginning_of(right, 8),
        |right| Trust::beginning_of(right, 31),
        |_| Trust::wildcard().if_exists(),
        |_| Trust::nobody().if_exists(),
    ];
    for trust in trusts {
        let world = World::default();
        let (connection, _, role_arn, create) = received(&world).await;
        let trust = trust(connection.external_id());
        let opens_to_us = trust != Trust::nobody().if_exists();
        world.sts.put_role(&role_arn, trust);
        let verified = world.verified(&create, 1).await;
        if opens_to_us {
            assert_eq!(verified, answered(Delivery::Accepted));
            world.assert_failed(&create, ReasonCode::ExternalIdNotEnforced);
            assert_eq!(world.status(&connection).await, Status::Pending);
        } else {
            assert_eq!(verified, Verified::TryAgainIn(2));
        }
    }
    // IfExists with the right external ID in it: it lets those in who bring none.
    let world = World::default();
    let (connection, _, role_arn, create) = received(&world).await;
    let if_exists = Trust::only(connection.external_id()).if_exists();
    world.sts.put_role(&role_arn, if_exists);
    world.verified(&create, 1).await;
    world.assert_failed(&create, ReasonCode::ExternalIdNotEnforced);
}

#[tokio::test]
async fn a_role_that_acts_in_another_account_is_refused() {
    let world = World::default();
    let (connection, _, role_arn, create) = received(&world).await;
    let right = Trust::only(connection.external_id());
    world.sts.put_role_of(&role_arn, right, account(OTHER_ACCOUNT));
    world.verified(&create, 1).await;
    world.assert_failed(&create, ReasonCode::RoleInOtherAccount);
    assert_eq!(world.status(&connection).await, Status::Pending);
}

#[tokio::test]
async fn a_role_that_trusts_the_external_id_of_another_tenant_is_not_ours_to_connect() {
    let world = World::default();
    let stranger = world.link("globex").await;
    let (connection, _, role_arn, create) = received(&world).await;
    world.trust(&role_arn, &stranger);
    world.verify_until_answered(&create.key).await;
    world.assert_failed(&create, ReasonCode::RoleNotAssumable);
    assert_eq!(world.status(&connection).await, Status::Pending);
    assert_eq!(world.reload(&stranger).await, stranger);
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
        // Any one of the four probes is enough for nothing to be said.
        for failing_probe in 0..4 {
            let world = World::default();
            let (connection, _, _, create) = received(&world).await;
            let mut script = vec![None; failing_probe];
            script.push(Some(cause));
            world.sts.script(script);
            assert_eq!(world.verified(&create, 1).await, Verified::TryAgainIn(2));
            assert_eq!(world.status(&connection).await, Status::Verifying);
            assert_eq!(world.verified(&create, 2).await, answered(Delivery::Accepted));
            assert_eq!(world.status(&connection).await, Status::Active);
        }
        // Until the deadline; then the stack learns that it is not the role's fault.
        let world = World::default();
        let (connection, _, _, create) = received(&world).await;
        world.sts.trouble(Some(cause));
        world.verify_until_answered(&create.key).await;
        world.assert_failed(&create, code);
        assert_eq!(world.status(&connection).await, Status::Pending);
    }
}
