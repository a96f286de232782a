//! What is read of a stack's request, what is not, and what it is answered.

use proptest::prelude::*;
use serde_json::{Value, json};

use latchkey_core::domain::request::custom_resource::*;
use latchkey_core::domain::{
    aws::{Region, RoleArn, StackId},
    external_id::ExternalId,
    ids::ConnectionId,
    invalid::Invalid,
    proof::reason::{Reason, ReasonCode},
};
use latchkey_testing::{
    builders::{account, role, topic},
    customer_stack::{CustomerStack, StackRequest},
};

const ROLE: &str = "arn:aws:iam::222222222222:role/Reader";
const EXTERNAL_ID: &str = "tz4a98xxat96iws9zmbrgj3atz4a98xx";

const TOO_LARGE: &str = "is larger than 32 KB; give this resource no other properties than the template's";

fn external_id() -> ExternalId {
    ExternalId::parse(EXTERNAL_ID).unwrap()
}

fn stack() -> CustomerStack {
    CustomerStack::new(&account("222222222222"))
}

fn create() -> StackRequest {
    stack().create(&external_id(), &role(&account("222222222222"), "Reader"))
}

fn update() -> StackRequest {
    let old = json!({ "ExternalId": EXTERNAL_ID, "RoleArn": "arn:aws:iam::222222222222:role/Old" });
    stack()
        .update(
            "latchkey-1",
            &external_id(),
            &role(&account("222222222222"), "Reader"),
        )
        .with("OldResourceProperties", old)
}

fn delete() -> StackRequest {
    stack().delete(
        "latchkey-1",
        &external_id(),
        &role(&account("222222222222"), "Reader"),
    )
}

#[test]
fn a_create_an_update_and_a_delete_are_read_as_they_were_sent() {
    for (request, request_type, physical_resource_id) in [
        (create(), RequestType::Create, None),
        (update(), RequestType::Update, Some("latchkey-1")),
        (delete(), RequestType::Delete, Some("latchkey-1")),
    ] {
        let envelope = request.envelope();
        assert_eq!(envelope.request_type, request_type);
        assert_eq!(envelope.key, request.key);
        assert_eq!(envelope.logical_resource_id, "Connection");
        assert_eq!(envelope.physical_resource_id.as_deref(), physical_resource_id);
        assert_eq!(envelope.service_timeout_seconds, 300);
        assert_eq!(
            envelope.response_url.expose().as_str(),
            request.fields["ResponseURL"]
        );
        assert_eq!(envelope.external_id(), Some(external_id()));
        let expected = Properties {
            permission_tier: None,
            external_id: external_id(),
            role_arn: RoleArn::parse(ROLE).unwrap(),
            template_version: "1.0.0".to_owned(),
        };
        assert_eq!(envelope.properties(), Ok(expected));
    }
}

#[test]
fn what_more_cloudformation_may_send_one_day_does_no_harm() {
    let request = create()
        .with("NewField", json!({ "a": [1, 2, { "b": null }] }))
        .with_property("Tags", json!(["x", "y"]))
        .without("ServiceTimeout");
    assert!(request.envelope().properties().is_ok());
}

/// Every request that cannot be answered, with the field and the rule that the log will name.
fn refused_envelopes() -> Vec<(StackRequest, &'static str, &'static str)> {
    let stack_id = |from: &str, to: &str| {
        let text = create().stack_id.to_string();
        assert!(text.contains(from), "{text}");
        text.replace(from, to)
    };
    let url = |from: &str, to: &str| {
        let request = create();
        let text = request.fields["ResponseURL"].as_str().unwrap().replace(from, to);
        request.with("ResponseURL", text)
    };
    let (missing, no_text) = ("is missing", "is not a text");
    let not_a_type = "is not Create, Update or Delete";
    let no_stack = "is not the ARN of a CloudFormation stack";
    let no_request_id = "is not an id of CloudFormation";
    let no_logical_id = "is not a logical id of a template";
    let not_the_topic = "is not the topic that the message came through";
    let signed_for_another = "was signed for another stack, resource or request";
    let no_physical_id = "is missing, longer than 1,024 bytes or has control characters";
    let other_topic = "arn:aws:sns:eu-west-1:999999999999:latchkey-listener";
    let mut cases = vec![
        (create().with("RequestType", "create"), "RequestType", not_a_type),
        (create().with("RequestType", "CREATE"), "RequestType", not_a_type),
        (create().with("RequestType", ""), "RequestType", not_a_type),
        (create().with("RequestType", "Read"), "RequestType", not_a_type),
        (create().with("RequestType", "Create "), "RequestType", not_a_type),
        (
            create().with("ResourceType", "Custom::Other"),
            "ResourceType",
            "is not Custom::LatchkeyConnection",
        ),
        (
            create().with("ResourceType", "custom::latchkeyconnection"),
            "ResourceType",
            "is not Custom::LatchkeyConnection",
        ),
        (create().with("StackId", "arn:aws"), "StackId", no_stack),
        (
            create().with("StackId", stack_id(":222222222222:", ":2222:")),
            "StackId",
            no_stack,
        ),
        (
            create().with("StackId", stack_id("arn:aws:", "arn:aws-iso:")),
            "StackId",
            no_stack,
        ),
        (
            create().with("StackId", stack_id("stack/", "changeSet/")),
            "StackId",
            no_stack,
        ),
        (create().with("RequestId", ""), "RequestId", no_request_id),
        (create().with("RequestId", "a|b"), "RequestId", no_request_id),
        (create().with("RequestId", "a\nb"), "RequestId", no_request_id),
        (create().with("RequestId", "a#b"), "RequestId", no_request_id),
        (create().with("RequestId", "é"), "RequestId", no_request_id),
        (
            create().with("RequestId", "a".repeat(129)),
            "RequestId",
            no_request_id,
        ),
        (
            create().with("LogicalResourceId", ""),
            "LogicalResourceId",
            no_logical_id,
        ),
        (
            create().with("LogicalResourceId", "a-b"),
            "LogicalResourceId",
            no_logical_id,
        ),
        (
            create().with("LogicalResourceId", "a|b"),
            "LogicalResourceId",
            no_logical_id,
        ),
        (
            create().with("LogicalResourceId", "a#b"),
            "LogicalResourceId",
            no_logical_id,
        ),
        (
            create().with("LogicalResourceId", "A".repeat(256)),
            "LogicalResourceId",
            no_logical_id,
        ),
        (create().with("ResponseURL", ""), "ResponseURL", "is not https"),
        (
            create().with("ResponseURL", "https://evil.example/?x"),
            "ResponseURL",
            "is not CloudFormation's response bucket of the stack's region",
        ),
        (
            create().with("ResponseURL", "http://169.254.169.254/latest/meta-data/?x"),
            "ResponseURL",
            "is not https",
        ),
        (
            url("eu-west-1.amazonaws.com", "eu-west-2.amazonaws.com"),
            "ResponseURL",
            "is not CloudFormation's response bucket of the stack's region",
        ),
        (
            url("222222222222", "333333333333"),
            "ResponseURL",
            signed_for_another,
        ),
        (
            url("%7CConnection", "%7COther"),
            "ResponseURL",
            signed_for_another,
        ),
        (
            create().with("RequestId", "another"),
            "ResponseURL",
            signed_for_another,
        ),
        (
            create().with("LogicalResourceId", "Another"),
            "ResponseURL",
            signed_for_another,
        ),
        (
            create().with("StackId", stack_id("stack/Latchkey/", "stack/Another/")),
            "ResponseURL",
            signed_for_another,
        ),
        (
            create().with("PhysicalResourceId", "latchkey-1"),
            "PhysicalResourceId",
            "must not be given on Create",
        ),
        (
            create().with("PhysicalResourceId", Value::Null),
            "PhysicalResourceId",
            "must not be given on Create",
        ),
        (
            update().without("PhysicalResourceId"),
            "PhysicalResourceId",
            no_physical_id,
        ),
        (
            delete().without("PhysicalResourceId"),
            "PhysicalResourceId",
            no_physical_id,
        ),
        (
            delete().with("PhysicalResourceId", ""),
            "PhysicalResourceId",
            no_physical_id,
        ),
        (
            delete().with("PhysicalResourceId", Value::Null),
            "PhysicalResourceId",
            no_physical_id,
        ),
        (
            delete().with("PhysicalResourceId", 1),
            "PhysicalResourceId",
            no_physical_id,
        ),
        (
            delete().with("PhysicalResourceId", "ä".repeat(513)),
            "PhysicalResourceId",
            no_physical_id,
        ),
        (
            delete().with("PhysicalResourceId", "\u{1}".repeat(1_024)),
            "PhysicalResourceId",
            no_physical_id,
        ),
        (
            delete().with("PhysicalResourceId", "latchkey-1\n"),
            "PhysicalResourceId",
            no_physical_id,
        ),
        (
            create().without("ResourceProperties"),
            "ResourceProperties",
            "is not a JSON object",
        ),
        (
            create().with("ResourceProperties", json!([])),
            "ResourceProperties",
            "is not a JSON object",
        ),
        (
            create().with("ResourceProperties", "{}"),
            "ResourceProperties",
            "is not a JSON object",
        ),
        (
            create().with("ServiceToken", other_topic),
            "ServiceToken",
            not_the_topic,
        ),
        (
            create().with_property("ServiceToken", other_topic),
            "ServiceToken",
            not_the_topic,
        ),
        (
            create().with_property("ServiceToken", json!([other_topic])),
            "ServiceToken",
            not_the_topic,
        ),
        (
            create().with("ServiceToken", Value::Null),
            "ServiceToken",
            not_the_topic,
        ),
        (
            create().without("ServiceToken").without_property("ServiceToken"),
            "ServiceToken",
            missing,
        ),
        (
            create().with("Padding", "x".repeat(MAX_REQUEST_BYTES)),
            "request",
            TOO_LARGE,
        ),
    ];
    for field in [
        "RequestType",
        "RequestId",
        "StackId",
        "ResponseURL",
        "ResourceType",
        "LogicalResourceId",
    ] {
        cases.push((create().without(field), field, missing));
        for wrong in [json!(1), json!(null), json!(true), json!(["Create"]), json!({})] {
            cases.push((create().with(field, wrong), field, no_text));
        }
    }
    cases
}

#[test]
fn a_request_that_could_not_be_answered_is_dropped_and_the_log_learns_why() {
    let cases = refused_envelopes();
    assert!(cases.len() > 70, "{}", cases.len());
    for (request, what, rule) in cases {
        let message: String = request.message().chars().take(900).collect();
        assert_eq!(request.parse(), Err(Invalid::new(what, rule)), "{message}");
    }
}

/// I5: whoever has an answer URL of CloudFormation gets an answer, and no stack waits for its time-out.
#[test]
fn a_genuine_request_that_is_not_read_is_answered() {
    let padding = "x".repeat(MAX_REQUEST_BYTES);
    let cases = [
        (
            create().with("ResourceType", "Custom::Other"),
            "ResourceType is not",
        ),
        (
            create().with("Padding", padding.as_str()),
            "request is larger than 32 KB",
        ),
        (create().with("RequestType", "Read"), "RequestType is not"),
        (
            update().without("PhysicalResourceId"),
            "PhysicalResourceId is missing",
        ),
        (
            create().with("ResourceProperties", json!([])),
            "ResourceProperties is not",
        ),
    ];
    for (request, sentence) in cases {
        let not_read = Envelope::parse(&request.message(), &request.topic).unwrap_err();
        assert!(
            not_read.invalid().to_string().starts_with(sentence),
            "{not_read:?}"
        );
        let NotRead::Answered(unread) = not_read else {
            panic!("{sentence}");
        };
        let Outcome::Refused { reason } = unread.outcome() else {
            panic!("{sentence}");
        };
        assert!(reason.message().contains(sentence), "{reason:?}");
    }
    for delete in [
        delete().with("ResourceType", "Custom::Other"),
        delete().with("Padding", padding.as_str()),
        delete().with("PhysicalResourceId", "\u{7}"),
    ] {
        let NotRead::Answered(unread) = Envelope::parse(&delete.message(), &delete.topic).unwrap_err() else {
            panic!("{delete:?}");
        };
        assert_eq!(unread.outcome(), Outcome::Deleted);
        assert!(unread.physical_resource_id.starts_with("latchkey-"), "{unread:?}");
    }
}

#[test]
fn cdks_default_resource_type_is_taken_like_ours() {
    assert!(
        create()
            .with("ResourceType", DEFAULT_RESOURCE_TYPE)
            .parse()
            .is_ok()
    );
}

#[test]
fn what_is_no_json_object_is_dropped() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_object = create().message().replacen(
        '{',
        &format!("{{\"x\":{}{},", "[".repeat(200), "]".repeat(200)),
        1,
    );
    let doubled = create().message() + "{}";
    for message in [
        "",
        " ",
        "null",
        "1",
        "\"Create\"",
        "[]",
        "{",
        "{}}",
        "{\"RequestType\":}",
        "{'RequestType':'Create'}",
        "\u{feff}{}",
        "\0",
        &deep,
        &deep_object,
        &doubled,
    ] {
        let topic = create().topic;
        let error = Envelope::parse(message, &topic).unwrap_err();
        assert_eq!(
            error,
            NotRead::Dropped(Invalid::new("request", "is not a JSON object")),
            "{message:.60}"
        );
    }
    let error = Envelope::parse("{}", &create().topic).unwrap_err();
    assert_eq!(error, NotRead::Dropped(Invalid::new("StackId", "is missing")));
}

#[test]
fn a_request_through_the_topic_of_another_region_is_dropped() {
    let region = Region::parse("eu-west-2").unwrap();
    let request = create();
    let error = Envelope::parse(&request.message(), &topic(&region)).unwrap_err();
    assert_eq!(
        error,
        NotRead::Dropped(Invalid::new(
            "StackId",
            "is in another region than the topic of the message"
        ))
    );
    let there = CustomerStack::in_region(&account("222222222222"), "eu-west-2");
    let request = there.create(&external_id(), &role(&account("222222222222"), "Reader"));
    assert!(Envelope::parse(&request.message(), &topic(&region)).is_ok());
}

#[test]
fn a_request_whose_properties_are_garbage_can_still_be_answered() {
    let long = "1".repeat(33);
    for (request, what, rule) in [
        (
            create().without_property("ExternalId"),
            "ExternalId",
            "is missing",
        ),
        (
            create().with_property("ExternalId", 1),
            "ExternalId",
            "is not a text",
        ),
        (
            create().with_property("ExternalId", "*"),
            "ExternalId",
            "is not one that this vendor issued",
        ),
        (
            create().with_property("ExternalId", EXTERNAL_ID.to_uppercase()),
            "ExternalId",
            "is not one that this vendor issued",
        ),
        (create().without_property("RoleArn"), "RoleArn", "is missing"),
        (
            create().with_property("RoleArn", json!([ROLE])),
            "RoleArn",
            "is not a text",
        ),
        (
            create().with_property("RoleArn", "arn:aws:iam::222222222222:user/x"),
            "RoleArn",
            "is not the ARN of a role (role/…)",
        ),
        (
            create().with_property("RoleArn", "arn:aws:sts::222222222222:assumed-role/x/y"),
            "RoleArn",
            "is the ARN of a session; give the ARN of its role",
        ),
        (
            create().without_property("TemplateVersion"),
            "TemplateVersion",
            "is missing",
        ),
        (
            create().with_property("TemplateVersion", 1),
            "TemplateVersion",
            "is not a text",
        ),
        (
            create().with_property("TemplateVersion", ""),
            "TemplateVersion",
            "is not a version such as 1.2.0",
        ),
        (
            create().with_property("TemplateVersion", "1.0\n"),
            "TemplateVersion",
            "is not a version such as 1.2.0",
        ),
        (
            create().with_property("TemplateVersion", "<b>"),
            "TemplateVersion",
            "is not a version such as 1.2.0",
        ),
        (
            create().with_property("TemplateVersion", long),
            "TemplateVersion",
            "is not a version such as 1.2.0",
        ),
        (
            create().with("ResourceProperties", json!({})),
            "ExternalId",
            "is missing",
        ),
    ] {
        let envelope = request.envelope();
        assert_eq!(envelope.properties(), Err(Invalid::new(what, rule)));
    }
}

#[test]
fn a_delete_finds_its_connection_whatever_else_is_garbage() {
    let request = delete()
        .with_property("RoleArn", json!({}))
        .without_property("TemplateVersion");
    assert_eq!(request.envelope().external_id(), Some(external_id()));
    for request in [
        delete().without_property("ExternalId"),
        delete().with_property("ExternalId", json!([EXTERNAL_ID])),
        delete().with_property("ExternalId", "x"),
    ] {
        assert_eq!(request.envelope().external_id(), None);
    }
}

#[test]
fn a_stack_waits_as_long_as_it_says_if_that_is_a_time_that_cloudformation_allows() {
    let timeout = |top: Option<Value>, property: Option<Value>| {
        let mut request = create()
            .without("ServiceTimeout")
            .without_property("ServiceTimeout");
        if let Some(value) = top {
            request = request.with("ServiceTimeout", value);
        }
        if let Some(value) = property {
            request = request.with_property("ServiceTimeout", value);
        }
        request.envelope().service_timeout_seconds
    };
    assert_eq!(timeout(Some(json!("60")), None), 60);
    assert_eq!(timeout(None, Some(json!("60"))), 60);
    assert_eq!(timeout(Some(json!("60")), Some(json!("90"))), 60);
    assert_eq!(timeout(Some(json!("1")), None), 1);
    assert_eq!(timeout(Some(json!("3600")), None), 3_600);
    assert_eq!(timeout(Some(json!("x")), Some(json!("90"))), 90);
    for nonsense in [
        json!("0"),
        json!("3601"),
        json!("-1"),
        json!("99999999999"),
        json!(""),
        json!(60),
        json!(null),
    ] {
        assert_eq!(timeout(Some(nonsense.clone()), None), 3_600, "{nonsense}");
    }
    assert_eq!(timeout(None, None), 3_600);
}

#[test]
fn an_answer_that_is_made_again_is_the_same_answer() {
    let request = create();
    let envelope = request.envelope();
    let id = envelope.answered_physical_resource_id();
    assert_eq!(id, request.envelope().answered_physical_resource_id());
    assert!(id.starts_with("latchkey-") && id.len() == 33, "{id}");
    let outcome = Outcome::Deleted;
    let body = || answer_body(&envelope.key, &envelope.logical_resource_id, &id, &outcome);
    assert_eq!(body(), body());
    // Another request of the same stack makes another resource; Update and Delete keep theirs.
    let mut other = request.envelope();
    other.key.request_id.push('1');
    assert_ne!(id, other.answered_physical_resource_id());
    assert_eq!(update().envelope().answered_physical_resource_id(), "latchkey-1");
    assert_eq!(delete().envelope().answered_physical_resource_id(), "latchkey-1");
}

fn connection_id() -> ConnectionId {
    ConnectionId::parse("conn_tz4a98xxat96iws9zmbrgj3a").unwrap()
}

/// Every answer that there can be.
fn outcomes() -> Vec<Outcome> {
    let mut outcomes = vec![
        Outcome::Connected {
            connection_id: connection_id(),
        },
        Outcome::Deleted,
    ];
    outcomes.extend(ReasonCode::ALL.map(|code| Outcome::Refused { reason: code.into() }));
    // What is told about each property, by the parsers themselves.
    for request in [
        create().without_property("ExternalId"),
        create().without_property("RoleArn"),
        create().without_property("TemplateVersion"),
        create().with_property("RoleArn", "arn:aws-iso:iam::222222222222:role/x"),
        create().with_property("RoleArn", "arn:aws:sts::222222222222:assumed-role/x/y"),
        create().with_property("TemplateVersion", "?"),
    ] {
        let invalid = request.envelope().properties().unwrap_err();
        outcomes.push(Outcome::Refused {
            reason: invalid.into(),
        });
    }
    outcomes
}

#[test]
fn answers_say_what_cloudformation_asks_for_and_no_more() {
    let envelope = create().envelope();
    for outcome in outcomes() {
        let body: Value = serde_json::from_str(&answer_body(
            &envelope.key,
            &envelope.logical_resource_id,
            "latchkey-1",
            &outcome,
        ))
        .unwrap();
        let fields: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        let mut expected = vec![
            "LogicalResourceId",
            "PhysicalResourceId",
            "RequestId",
            "StackId",
            "Status",
        ];
        let (status, more) = match &outcome {
            Outcome::Connected { .. } => ("SUCCESS", Some("Data")),
            Outcome::Deleted => ("SUCCESS", None),
            Outcome::Refused { .. } => ("FAILED", Some("Reason")),
        };
        expected.extend(more);
        expected.sort_unstable();
        assert_eq!(fields, expected);
        assert_eq!(body["Status"], status);
        assert_eq!(body["StackId"], envelope.stack_id.as_str());
        assert_eq!(body["RequestId"], envelope.key.request_id);
        if let Outcome::Connected { .. } = outcome {
            let data = json!({ "ConnectionId": connection_id(), "Status": "active" });
            assert_eq!(body["Data"], data);
        }
    }
}

/// The largest request that the envelope lets through: every id as long as it may be, in the longest partition, a
/// physical id of whatever takes most room in JSON.
fn largest(character: &str) -> StackRequest {
    let mut stack = CustomerStack::in_region(&account("222222222222"), "us-gov-aaaaaaaa-bbbbbbb-1");
    let longest_name = format!("stack/{}/", "N".repeat(128));
    let stack_id = stack
        .stack_id
        .to_string()
        .replace("stack/Latchkey/", &longest_name);
    stack.stack_id = StackId::parse(&stack_id).unwrap();
    stack.logical_resource_id = "L".repeat(255);
    let id = character.repeat(MAX_PHYSICAL_RESOURCE_ID_BYTES / character.len());
    let request = stack.delete(
        &id,
        &external_id(),
        &RoleArn::parse("arn:aws-us-gov:iam::222222222222:role/Reader").unwrap(),
    );
    let request_id = "r".repeat(128);
    let url = latchkey_testing::cloudformation_bucket::url(
        &stack.stack_id,
        &stack.logical_resource_id,
        &request_id,
        "x",
    );
    request.with("RequestId", request_id).with("ResponseURL", url)
}

#[test]
fn no_answer_is_larger_than_cloudformation_reads() {
    let mut largest_seen = 0;
    for character in ["a", "\"", "\\", "/", "ä", "日", "🔑", "\u{2028}", "<"] {
        let envelope = largest(character).envelope();
        for outcome in outcomes() {
            let body = answer_body(
                &envelope.key,
                &envelope.logical_resource_id,
                &envelope.answered_physical_resource_id(),
                &outcome,
            );
            largest_seen = largest_seen.max(body.len());
            assert!(
                body.len() <= MAX_ANSWER_BYTES,
                "{} bytes for {character:?}",
                body.len()
            );
        }
    }
    assert!(
        largest_seen > 2_900,
        "the largest is really large: {largest_seen}"
    );
    // What takes six bytes in JSON does not get in.
    for character in ["\u{0}", "\u{1f}", "\n", "\u{7f}"] {
        assert!(largest(character).parse().is_err(), "{character:?}");
    }
}

proptest! {
    #[test]
    fn reading_any_text_never_panics(text in "\\PC{0,300}") {
        let _ = Envelope::parse(&text, &create().topic);
    }

    #[test]
    fn reading_any_json_in_place_of_a_field_never_panics(
        field in 0_usize..10,
        value in prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,60}".prop_map(Value::from),
            proptest::collection::vec("\\PC{0,8}", 0..4).prop_map(Value::from),
        ],
    ) {
        let request = update();
        let name = request.fields.keys().nth(field).unwrap().clone();
        if let Ok(envelope) = request.with(&name, value).parse() {
            let _ = (envelope.properties(), envelope.external_id(), envelope.answered_physical_resource_id());
        }
    }

    #[test]
    fn every_physical_id_that_gets_in_fits_an_answer(id in "\\PC{0,400}") {
        if let Ok(envelope) = delete().with("PhysicalResourceId", id.clone()).parse() {
            prop_assert_eq!(envelope.answered_physical_resource_id(), id.clone());
            let body = answer_body(&envelope.key, "Connection", &id, &Outcome::Deleted);
            prop_assert!(body.len() <= MAX_ANSWER_BYTES);
            let read: Value = serde_json::from_str(&body).unwrap();
            prop_assert_eq!(read["PhysicalResourceId"].as_str(), Some(id.as_str()));
        }
    }

    #[test]
    fn no_property_of_any_text_gets_into_an_answer(text in "[<>\"'\\\\a-z\u{0}\u{202e}]{8,80}") {
        let request = create().with_property("RoleArn", text.clone());
        let invalid = request.envelope().properties().unwrap_err();
        let reason = Reason::from(invalid);
        prop_assert!(!reason.stack_event().contains(&text));
    }
}
