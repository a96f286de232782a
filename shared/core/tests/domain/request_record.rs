//! What is kept of a request.

use jiff::{SignedDuration, Timestamp};
use latchkey_core::domain::request::request_record::*;
use latchkey_core::domain::{
    proof::reason::ReasonCode,
    request::{
        custom_resource::{Outcome, RequestKey},
        response_url::ResponseUrl,
    },
};
use latchkey_testing::{
    builders::{account, role, tenant},
    customer_stack::{CustomerStack, StackRequest},
};
use serde_json::json;

fn at(seconds: i64) -> Timestamp {
    let base: Timestamp = "2026-08-03T12:00:00Z".parse().unwrap();
    base.checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

fn request() -> StackRequest {
    let external_id = "tz4a98xxat96iws9zmbrgj3atz4a98xx".parse().unwrap();
    let account = account("222222222222");
    CustomerStack::new(&account).create(&external_id, &role(&account, "Reader"))
}

fn record(request: &StackRequest, sent_at: Timestamp, patience_seconds: i64) -> RequestRecord {
    let envelope = request.envelope();
    RequestRecord::new(
        &envelope,
        &envelope.properties().unwrap(),
        tenant("acme"),
        "conn_tz4a98xxat96iws9zmbrgj3a".parse().unwrap(),
        sent_at,
        patience_seconds,
    )
}

#[test]
fn a_record_that_is_shown_shows_nothing_of_its_answer_url() {
    let record = record(&request(), at(10), 240);
    let shown = format!("{record:?}");
    assert!(
        shown.contains("UnverifiedUrl(…)") && !shown.contains("X-Amz"),
        "{shown}"
    );
}

#[test]
fn a_role_is_tried_until_our_patience_or_the_stacks_is_over_whichever_is_first() {
    for (service_timeout, patience, deadline) in [
        ("300", 240, 240),
        ("300", 270, 270),
        ("300", 271, 270),
        ("300", 100_000, 270),
        ("3600", 240, 240),
        ("3600", 3_600, 3_570),
        ("31", 240, 1),
        ("30", 240, 0),
        ("1", 240, 0),
        ("300", 0, 0),
        // No time that CloudFormation allows: its default, an hour.
        ("0", 100_000, 3_570),
        ("nonsense", 240, 240),
    ] {
        let request = request().with("ServiceTimeout", service_timeout);
        let request = request.with_property("ServiceTimeout", service_timeout);
        let record = record(&request, at(10), patience);
        assert_eq!(
            record.deadline,
            at(10 + deadline),
            "{service_timeout} s, {patience} s"
        );
    }
}

#[test]
fn a_deadline_beyond_all_time_is_none() {
    let last = record(&request(), Timestamp::MAX, 240);
    assert_eq!(last.deadline, Timestamp::MAX);
}

#[test]
fn a_record_survives_the_table_in_every_shape() {
    let new = record(&request(), at(0), 240);
    let refused = Outcome::Refused {
        reason: ReasonCode::RoleNotAssumable.into(),
    };
    let connected = Outcome::Connected {
        connection_id: new.connection_id.clone(),
    };
    for record in [
        new.clone(),
        new.clone().decided(refused),
        new.clone().decided(connected.clone()),
        new.clone().decided(connected).delivered(),
    ] {
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<RequestRecord>(&text).unwrap(), record);
        let item: serde_dynamo::Item = serde_dynamo::to_item(&record).unwrap();
        // What the conditions of the table look at.
        assert_eq!(item.contains_key("outcome"), record.outcome.is_some());
        let read: RequestRecord = serde_dynamo::from_item(item).unwrap();
        assert_eq!(read, record);
    }
}

#[test]
fn the_answer_of_a_record_is_the_same_however_often_it_is_made_and_there_is_none_before_the_decision() {
    let new = record(&request(), at(0), 240);
    assert_eq!(new.answer_body(), None);
    let refused = Outcome::Refused {
        reason: ReasonCode::RoleNotAssumable.into(),
    };
    let decided = new.decided(refused);
    let body = decided.answer_body().unwrap();
    assert_eq!(decided.answer_body().as_ref(), Some(&body));
    assert_eq!(decided.delivered().answer_body(), Some(body));
}

#[test]
fn an_answer_url_is_checked_again_when_it_comes_back_from_the_table_and_forgotten_afterwards() {
    let record = record(&request(), at(0), 240);
    let url = record.response_url().unwrap().unwrap();
    assert_eq!(url, request_url(&record));
    assert_eq!(record.clone().delivered().response_url(), None);
    assert!(!format!("{url:?}").contains("X-Amz"));
    for evil in [
        "https://evil.example/?x",
        "http://169.254.169.254/?x",
        "",
        "https://cloudformation-custom-resource-response-euwest1.s3.eu-west-1.amazonaws.com/other?x",
    ] {
        let mut stored = serde_json::to_value(&record).unwrap();
        stored["unverified_response_url"] = json!(evil);
        let tampered: RequestRecord = serde_json::from_value(stored).unwrap();
        assert!(tampered.response_url().unwrap().is_err(), "{evil}");
    }
}

fn request_url(record: &RequestRecord) -> ResponseUrl {
    let text = latchkey_testing::cloudformation_bucket::url(
        record.key.stack_id.as_ref().unwrap(),
        &record.logical_resource_id,
        &record.key.request_id,
        "f09ed",
    );
    let RequestKey { stack_id, request_id } = &record.key;
    ResponseUrl::parse(
        &text,
        stack_id.as_ref().unwrap(),
        &record.logical_resource_id,
        request_id,
    )
    .unwrap()
}
