//! Answers that the bucket refuses or that nobody may send, and work that is none.

use latchkey_core::{
    domain::{
        connection::Status,
        proof::reason::{Reason, ReasonCode},
    },
    ports::{ConnectionStore, Delivery},
    use_cases::{
        answer_stack::Answered,
        verify_role::{Verified, retry_delay_seconds},
    },
};
use latchkey_testing::{
    builders::account,
    cloudformation_bucket::SIGNED_FOR_SECONDS,
    faults::Operation,
    world::{PATIENCE_SECONDS, World},
};

use crate::{ACCOUNT, answered, received};

#[tokio::test]
async fn a_create_whose_success_the_bucket_refuses_was_never_cloudformations_and_connects_nothing() {
    let (world, connection) = World::linked().await;
    let (stack, role_arn) = world.customer_of(&connection, &account(ACCOUNT));
    let forged = stack.create(connection.external_id(), &role_arn);
    world.receive(&forged).await.unwrap();
    assert_eq!(world.verified(&forged, 1).await, answered(Delivery::Refused));
    let waiting = world.reload(&connection).await;
    assert_eq!(waiting.state().status(), Status::Pending);
    assert_eq!(waiting.reason(), Some(&Reason::from(ReasonCode::AnswerRefused)));
    let log = world.store.audit_log(connection.id());
    assert_eq!(log.last().unwrap().event, "answer_refused");
    assert_eq!(log.last().unwrap().request.as_ref(), Some(&forged.key));
    // Account and role are free again for the true one.
    let create = world.signed(stack.create(connection.external_id(), &role_arn));
    assert!(world.complete(&create).await.success);
}

#[tokio::test]
async fn an_answer_that_comes_after_the_urls_two_hours_connects_nothing() {
    let world = World::default();
    let (connection, _, _, create) = received(&world).await;
    world.clock.advance(SIGNED_FOR_SECONDS + 1);
    assert_eq!(world.verified(&create, 1).await, answered(Delivery::Refused));
    assert_eq!(world.status(&connection).await, Status::Pending);
}

#[tokio::test]
async fn an_answer_url_that_somebody_wrote_into_the_table_is_never_opened() {
    let world = World::default();
    let (_, _, _, create) = received(&world).await;
    world.verified(&create, 1).await;
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
    let unknown = stack.create(connection.external_id(), &role_arn);
    assert_eq!(world.verified(&unknown, 1).await, Verified::Unknown);
    world.store.forget_request(&create.key);
    assert_eq!(world.verified(&create, 1).await, Verified::Unknown);
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
