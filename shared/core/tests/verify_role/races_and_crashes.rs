//! What comes in between, and what breaks off: a Delete, the vendor, a crash, a second delivery.

use std::sync::Arc;

use latchkey_core::{
    domain::{connection::Status, proof::reason::ReasonCode},
    use_cases::{answer_stack::Answered, verify_role::Verified},
};
use latchkey_testing::{faults::When, scripted_sts::Trust, world::World};

use crate::received;

#[tokio::test]
async fn a_delete_during_the_verification_ends_it_without_a_connection() {
    let world = World::default();
    let (connection, stack, role_arn, create) = received(&world).await;
    world.clock.advance(3);
    let delete = world.signed(stack.delete("invented", connection.external_id(), &role_arn));
    world.deleted(&delete).await;
    assert!(world.bucket.answer(&delete.key).unwrap().success);
    world.drain().await;
    world.assert_failed(&create, ReasonCode::StackDeleted);
    assert_eq!(world.status(&connection).await, Status::Pending);
    assert_eq!(world.sts.calls().len(), 0, "nobody asks for a role that goes");
}

#[tokio::test]
async fn a_delete_that_comes_while_the_role_is_being_proven_wins() {
    let world = Arc::new(World::default());
    let (connection, stack, role_arn, create) = received(&world).await;
    world.clock.advance(3);
    let delete = world.signed(stack.delete("invented", connection.external_id(), &role_arn));
    world.meanwhile(async move |world| world.deleted(&delete).await);
    world.verified(&create, 1).await;
    world.assert_failed(&create, ReasonCode::StackDeleted);
    assert_eq!(world.status(&connection).await, Status::Pending);
}

#[tokio::test]
async fn a_vendor_who_ends_the_connection_during_the_verification_wins() {
    let world = World::default();
    let (connection, _, _, create) = received(&world).await;
    world.end(&connection).await;
    world.drain().await;
    world.assert_failed(&create, ReasonCode::DisconnectedByVendor);
    assert_eq!(world.status(&connection).await, Status::Disconnected);
}

#[tokio::test]
async fn a_crash_at_any_call_is_repaired_by_redelivery_with_one_true_answer() {
    for safe in [true, false] {
        let (mut crashes, mut borne) = (0, 0);
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
                borne += usize::from(first.is_ok());
                crashes += 1;
                // Whatever happened, nobody was told SUCCESS for what is not stored.
                let told = world.bucket.answer(&create.key);
                if told.as_ref().is_some_and(|told| told.success) {
                    let stored = world.reload(&connection).await.state().status();
                    assert_eq!(stored, Status::Active);
                }
                for tries in 2..4 {
                    world.verified(&create, tries).await;
                }
                let bodies = world.bucket.bodies(&create.key);
                assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
                let told = world.bucket.answer(&create.key).unwrap();
                assert_eq!(told.success, safe, "call {call} {when:?}");
                let connection = world.reload(&connection).await;
                let expected = if safe { Status::Active } else { Status::Pending };
                assert_eq!(connection.state().status(), expected);
                let bound = connection.live_binding();
                assert!(bound.is_none_or(|bound| bound.unsettled.is_none()));
            }
            if done {
                break;
            }
        }
        assert!(crashes >= 12, "{crashes}");
        // The look that follows a proof is queued or not; the answer does not wait for it.
        assert_eq!(borne, if safe { 2 } else { 0 });
    }
}

#[tokio::test]
async fn a_request_that_is_worked_on_twice_at_once_is_decided_once() {
    let world = Arc::new(World::default());
    let (connection, _, role_arn, create) = received(&world).await;
    // Between the look and the decision of the first, the second sees an open role and refuses.
    let again = create.clone();
    world.meanwhile(async move |world| {
        world.sts.put_role(&role_arn, Trust::open());
        world.verified(&again, 1).await
    });
    let decided = world.verified(&create, 1).await;
    assert_eq!(decided, Verified::Answered(Answered::Before));
    assert_eq!(world.bucket.bodies(&create.key).len(), 1);
    world.assert_failed(&create, ReasonCode::ExternalIdNotEnforced);
    assert_eq!(world.status(&connection).await, Status::Pending);
}
