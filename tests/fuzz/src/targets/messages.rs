//! What comes over the open topics and the queue.

use std::panic::AssertUnwindSafe;

use bolero::check;
use custom_resource_listener::handler::Handler;
use latchkey_aws::config::listener_topics::ListenerTopics;
use latchkey_core::{
    domain::{
        aws::{AccountId, TopicArn},
        connection::Status,
        proof::reason::ReasonCode,
        request::custom_resource::{
            Envelope, MAX_ANSWER_BYTES, MAX_PHYSICAL_RESOURCE_ID_BYTES, MAX_REQUEST_BYTES, Outcome,
            RequestType, answer_body,
        },
    },
    ports::VerificationTask,
};
use latchkey_testing::{
    builders::{REGION, VENDOR_ACCOUNT, role, topic},
    customer_stack::CustomerStack,
    world::World,
};
use serde_json::{Value, json};

use super::{INPUTS, each_text, each_value, same_again};
use crate::mangle::{Mangled, MangledJson, events};

/// The `Message` of every payload of `events/` for the listener.
fn messages() -> Vec<String> {
    let events = events("custom-resource-listener");
    let message = |event: &Value| event["Records"][0]["Sns"]["Message"].as_str().map(str::to_owned);
    events.iter().filter_map(message).collect()
}

fn assert_holds(text: &str, topic: &TopicArn) {
    let Ok(envelope) = Envelope::parse(text, topic) else {
        return;
    };
    assert!(text.len() <= MAX_REQUEST_BYTES);
    assert_eq!(envelope.stack_id.region(), topic.region());
    let id = envelope.answered_physical_resource_id();
    assert!((1..=MAX_PHYSICAL_RESOURCE_ID_BYTES).contains(&id.len()) && !id.contains(char::is_control));
    assert_eq!(
        envelope.physical_resource_id.is_none(),
        envelope.request_type == RequestType::Create
    );
    assert!((1..=3_600).contains(&envelope.service_timeout_seconds));
    let outcomes = ReasonCode::ALL.map(|code| Outcome::Refused { reason: code.into() });
    for outcome in outcomes.iter().chain([&Outcome::Deleted]) {
        let body = answer_body(&envelope.key, &envelope.logical_resource_id, &id, outcome);
        assert!(body.len() <= MAX_ANSWER_BYTES, "{} bytes", body.len());
        let read: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(read["RequestId"], envelope.key.request_id.as_str());
    }
    if let Ok(properties) = envelope.properties() {
        assert_eq!(envelope.external_id(), Some(properties.external_id));
        assert!(properties.template_version.len() <= 32);
    }
}

#[test]
fn an_envelope_that_is_read_can_be_answered_within_cloudformations_limits() {
    let (seeds, topic) = (messages(), topic(&REGION.parse().unwrap()));
    each_text(INPUTS, &seeds, |text| assert_holds(&text, &topic));
}

#[test]
fn an_envelope_of_any_json_can_be_answered_within_cloudformations_limits() {
    let topic = topic(&REGION.parse().unwrap());
    let seeds: Vec<Value> = messages()
        .iter()
        .filter_map(|text| serde_json::from_str(text).ok())
        .collect();
    each_value(&seeds, |value| assert_holds(&value.to_string(), &topic));
}

/// The whole listener over fakes: whatever SNS hands over, it neither fails nor connects anybody, and what it keeps has
/// a bound.
#[test]
fn the_listener_survives_any_event_and_connects_nobody() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let world = World::default();
    let link = runtime.block_on(world.link("acme"));
    let account: AccountId = "222222222222".parse().unwrap();
    let stack = CustomerStack::new(&account);
    let known = stack.create(link.external_id(), &role(&account, "Reader"));
    let World {
        register,
        disconnect_by_stack,
        store,
        ..
    } = world;
    let handler = AssertUnwindSafe(Handler {
        topics: ListenerTopics {
            vendor_account: VENDOR_ACCOUNT.parse().unwrap(),
            name: "latchkey-listener".to_owned(),
            regions: vec![REGION.parse().unwrap()],
        },
        register,
        disconnect: disconnect_by_stack,
    });
    let mut seeds = events("custom-resource-listener");
    let mut with_known = seeds[0].clone();
    with_known["Records"][0]["Sns"]["Message"] = json!(known.message());
    seeds.push(with_known);
    check!()
        .with_type::<(MangledJson, Option<Mangled>)>()
        .with_iterations(INPUTS)
        .for_each(|(event, message)| {
            let mut event = event.value(&seeds);
            if let (Some(mangled), Some(place)) = (message, event.pointer_mut("/Records/0/Sns/Message"))
                && let Some(text) = place.as_str()
            {
                *place = json!(mangled.text(&[text.to_owned()]));
            }
            // What is no event of SNS is Lambda's to refuse.
            let Ok(event) = serde_json::from_value(event) else {
                return;
            };
            runtime.block_on(handler.handle(event)).unwrap();
            for connection in store.all_connections() {
                assert!(matches!(
                    connection.state().status(),
                    Status::Pending | Status::Verifying
                ));
            }
            assert!(store.item_count() < 200, "{} items", store.item_count());
        });
}

#[test]
fn a_task_from_the_queue_is_read_as_it_was_written_or_not_at_all() {
    let bodies = |event: &Value| -> Vec<Value> {
        let records = event["Records"].as_array().cloned().unwrap_or_default();
        let bodies = records
            .into_iter()
            .filter_map(|record| Some(record["body"].as_str()?.to_owned()));
        bodies
            .filter_map(|body| serde_json::from_str(&body).ok())
            .collect()
    };
    let seeds: Vec<Value> = events("role-verifier").iter().flat_map(bodies).collect();
    each_value(&seeds, |value| drop(same_again::<VerificationTask>(value)));
}
