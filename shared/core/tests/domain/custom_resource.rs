//! What is read of a stack's request, what is not, and what it is answered.

use proptest::prelude::*;
use serde_json::{Value, json};

use latchkey_core::domain::request::custom_resource::*;
use latchkey_core::domain::request::stack_says::{MadeBy, StackSays};
use latchkey_core::domain::{
    aws::{Region, RoleArn, StackId},
    external_id::ExternalId,
    ids::ConnectionId,
    invalid::Invalid,
    proof::reason::{Reason, ReasonCode},
};
use latchkey_testing::{
    builders::{account, topic},
    cloudformation_bucket,
    customer_stack::{CustomerStack, StackRequest},
};

const ROLE: &str = "arn:aws:iam::222222222222:role/Reader";
const OTHER_TOPIC: &str = "arn:aws:sns:eu-west-1:999999999999:latchkey-listener";
const EXTERNAL_ID: &str = "tz4a98xxat96iws9zmbrgj3atz4a98xx";

fn external_id() -> ExternalId {
    ExternalId::parse(EXTERNAL_ID).unwrap()
}

fn stack() -> CustomerStack {
    CustomerStack::new(&account("222222222222"))
}

fn reader() -> RoleArn {
    RoleArn::parse(ROLE).unwrap()
}

fn create() -> StackRequest {
    stack().create(&external_id(), &reader())
}

fn update() -> StackRequest {
    let old = json!({ "ExternalId": EXTERNAL_ID, "RoleArn": "arn:aws:iam::222222222222:role/Old" });
    let update = stack().update("latchkey-1", &external_id(), &reader());
    update.with("OldResourceProperties", old)
}

fn delete() -> StackRequest {
    stack().delete("latchkey-1", &external_id(), &reader())
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
        let url = envelope.response_url.expose();
        assert_eq!(url.as_str(), request.fields["ResponseURL"]);
        assert_eq!(envelope.external_id(), Some(external_id()));
        let expected = Properties {
            permission_tier: None,
            external_id: external_id(),
            role_arn: reader(),
            template_version: "1.0.0".to_owned(),
            says: StackSays::default(),
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

/// The wrong values of each field, by the rule that the log will name.
fn wrong_values(values: Value) -> Vec<(String, String, Value)> {
    let mut cases = Vec::new();
    for (rule, fields) in values.as_object().unwrap() {
        for (field, values) in fields.as_object().unwrap() {
            for value in values.as_array().unwrap() {
                cases.push((rule.clone(), field.clone(), value.clone()));
            }
        }
    }
    cases
}

fn assert_not_read(request: &StackRequest, expected: &str) {
    let message: String = request.message().chars().take(900).collect();
    assert_eq!(request.parse().unwrap_err().to_string(), expected, "{message}");
}

#[test]
fn a_create_with_a_wrong_field_is_dropped_and_the_log_learns_why() {
    let right = create();
    let text = |field: &str| right.fields[field].as_str().unwrap().to_owned();
    let stack_id = |from: &str, to: &str| {
        assert!(text("StackId").contains(from));
        text("StackId").replace(from, to)
    };
    let url = |from: &str, to: &str| text("ResponseURL").replace(from, to);
    let not_a_bucket = "is not CloudFormation's response bucket of the stack's region";
    for (rule, field, value) in wrong_values(json!({
        "is not Create, Update or Delete": { "RequestType": ["create", "CREATE", "", "Read", "Create "] },
        "is not Custom::LatchkeyConnection": { "ResourceType": ["Custom::Other", "custom::latchkeyconnection"] },
        "is not the ARN of a CloudFormation stack": { "StackId": [
            "arn:aws",
            stack_id(":222222222222:", ":2222:"),
            stack_id("arn:aws:", "arn:aws-iso:"),
            stack_id("stack/", "changeSet/"),
        ] },
        "is not an id of CloudFormation": { "RequestId": ["", "a|b", "a\nb", "a#b", "é", "a".repeat(129)] },
        "is not a logical id of a template": { "LogicalResourceId": ["", "a-b", "a|b", "a#b", "A".repeat(256)] },
        "is not https": { "ResponseURL": ["", "http://169.254.169.254/latest/meta-data/?x"] },
        not_a_bucket: { "ResponseURL": [
            "https://evil.example/?x",
            url("eu-west-1.amazonaws.com", "eu-west-2.amazonaws.com"),
        ] },
        "was signed for another stack, resource or request": { "ResponseURL": [
            url("222222222222", "333333333333"),
            url("%7CConnection", "%7COther"),
        ] },
        "must not be given on Create": { "PhysicalResourceId": ["latchkey-1", null] },
        "is not a JSON object": { "ResourceProperties": [[], "{}"] },
        "is not the topic that the message came through": { "ServiceToken": [OTHER_TOPIC, null] },
    })) {
        assert_not_read(&right.clone().with(&field, value), &format!("{field} {rule}"));
    }
    for field in [
        "RequestType",
        "RequestId",
        "StackId",
        "ResponseURL",
        "ResourceType",
        "LogicalResourceId",
    ] {
        assert_not_read(&create().without(field), &format!("{field} is missing"));
        for wrong in [json!(1), json!(null), json!(true), json!(["Create"]), json!({})] {
            assert_not_read(&create().with(field, wrong), &format!("{field} is not a text"));
        }
    }
}

#[test]
fn a_request_whose_parts_contradict_each_other_is_dropped() {
    let right = create();
    let stack_id = right.stack_id.to_string();
    let another = stack_id.replace("stack/Latchkey/", "stack/Another/");
    for (field, value) in [
        ("RequestId", "another"),
        ("LogicalResourceId", "Another"),
        ("StackId", &another),
    ] {
        let signed_for_another = "ResponseURL was signed for another stack, resource or request";
        assert_not_read(&right.clone().with(field, value), signed_for_another);
    }
    for token in [json!(OTHER_TOPIC), json!([OTHER_TOPIC])] {
        let request = create().with_property("ServiceToken", token);
        let not_its_topic = "ServiceToken is not the topic that the message came through";
        assert_not_read(&request, not_its_topic);
    }
    let without_token = create().without("ServiceToken").without_property("ServiceToken");
    assert_not_read(&without_token, "ServiceToken is missing");
    let without_properties = create().without("ResourceProperties");
    assert_not_read(&without_properties, "ResourceProperties is not a JSON object");
    let large = create().with("Padding", "x".repeat(MAX_REQUEST_BYTES));
    let too_large =
        "request is larger than 32 KB; give this resource no other properties than the template's";
    assert_not_read(&large, too_large);
}

#[test]
fn an_update_or_delete_without_a_usable_physical_id_is_not_read() {
    let rule = "PhysicalResourceId is missing, longer than 1,024 bytes or has control characters";
    assert_not_read(&update().without("PhysicalResourceId"), rule);
    assert_not_read(&delete().without("PhysicalResourceId"), rule);
    let (long, controls) = ("ä".repeat(513), "\u{1}".repeat(1_024));
    let wrong = json!(["", null, 1, long, controls, "latchkey-1\n"]);
    for wrong in wrong.as_array().unwrap() {
        assert_not_read(&delete().with("PhysicalResourceId", wrong.clone()), rule);
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
    let (quoted, cut) = ("\"Create\"", "{\"RequestType\":}");
    for message in [
        "",
        " ",
        "null",
        "1",
        quoted,
        "[]",
        "{",
        "{}}",
        cut,
        "{'RequestType':'Create'}",
        "\u{feff}{}",
        "\0",
    ]
    .into_iter()
    .chain([deep.as_str(), &deep_object, &doubled])
    {
        let topic = create().topic;
        let error = Envelope::parse(message, &topic).unwrap_err();
        assert_eq!(
            error.invalid().to_string(),
            "request is not a JSON object",
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
        error.invalid().to_string(),
        "StackId is in another region than the topic of the message"
    );
    let there = CustomerStack::in_region(&account("222222222222"), "eu-west-2");
    let request = there.create(&external_id(), &reader());
    assert!(Envelope::parse(&request.message(), &topic(&region)).is_ok());
}

#[test]
fn a_request_whose_properties_are_garbage_can_still_be_answered() {
    for (rule, property, value) in wrong_values(json!({
        "is not a text": { "ExternalId": [1], "RoleArn": [[ROLE]], "TemplateVersion": [1] },
        "is not one that this vendor issued": { "ExternalId": ["*", EXTERNAL_ID.to_uppercase()] },
        "has a blank or a line break around it": {
            "ExternalId": [format!("{EXTERNAL_ID}\n"), format!(" {EXTERNAL_ID}")],
            "RoleArn": [format!("{ROLE}\n"), format!("\t{ROLE}")],
            "TemplateVersion": ["1.1.0\n"],
        },
        "is not the ARN of a role (role/…)": { "RoleArn": ["arn:aws:iam::222222222222:user/x"] },
        "is the ARN of a session; give the ARN of its role": {
            "RoleArn": ["arn:aws:sts::222222222222:assumed-role/x/y"],
        },
        "is not a version such as 1.2.0": { "TemplateVersion": ["", "1.0\n1", "<b>", "1".repeat(33)] },
    })) {
        let envelope = create().with_property(&property, value).envelope();
        let error = envelope.properties().unwrap_err();
        assert_eq!(error.to_string(), format!("{property} {rule}"));
    }
    for property in ["ExternalId", "RoleArn", "TemplateVersion"] {
        let envelope = create().without_property(property).envelope();
        assert_eq!(envelope.properties(), Err(Invalid::new(property, "is missing")));
    }
    let empty = create().with("ResourceProperties", json!({})).envelope();
    assert_eq!(empty.properties(), Err(Invalid::new("ExternalId", "is missing")));
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
    let timeout = |fields: Value| {
        let mut request = create()
            .without("ServiceTimeout")
            .without_property("ServiceTimeout");
        if let Some(value) = fields.get("top") {
            request = request.with("ServiceTimeout", value.clone());
        }
        if let Some(value) = fields.get("property") {
            request = request.with_property("ServiceTimeout", value.clone());
        }
        request.envelope().service_timeout_seconds
    };
    assert_eq!(timeout(json!({ "property": "60" })), 60);
    assert_eq!(timeout(json!({ "top": "60", "property": "90" })), 60);
    assert_eq!(timeout(json!({ "top": "x", "property": "90" })), 90);
    for (value, seconds) in [("60", 60), ("1", 1), ("3600", 3_600)] {
        assert_eq!(timeout(json!({ "top": value })), seconds);
    }
    for nonsense in json!(["0", "3601", "-1", "99999999999", "", 60, null])
        .as_array()
        .unwrap()
    {
        assert_eq!(timeout(json!({ "top": nonsense })), 3_600, "{nonsense}");
    }
    assert_eq!(timeout(json!({})), 3_600);
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
        let body = answer_body(
            &envelope.key,
            &envelope.logical_resource_id,
            "latchkey-1",
            &outcome,
        );
        let body: Value = serde_json::from_str(&body).unwrap();
        let fields: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        let (status, before, after) = match &outcome {
            Outcome::Connected { .. } => ("SUCCESS", "Data ", ""),
            Outcome::Deleted => ("SUCCESS", "", ""),
            Outcome::Refused { .. } => ("FAILED", "", "Reason "),
        };
        let expected =
            format!("{before}LogicalResourceId PhysicalResourceId {after}RequestId StackId Status");
        assert_eq!(fields.join(" "), expected);
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
    let stack_id = stack.stack_id.to_string();
    let stack_id = stack_id.replace("stack/Latchkey/", &longest_name);
    stack.stack_id = StackId::parse(&stack_id).unwrap();
    stack.logical_resource_id = "L".repeat(255);
    let id = character.repeat(MAX_PHYSICAL_RESOURCE_ID_BYTES / character.len());
    let role_arn = "arn:aws-us-gov:iam::222222222222:role/Reader".parse().unwrap();
    let request = stack.delete(&id, &external_id(), &role_arn);
    let request_id = "r".repeat(128);
    let url = cloudformation_bucket::url(&stack.stack_id, &stack.logical_resource_id, &request_id, "x");
    request.with("RequestId", request_id).with("ResponseURL", url)
}

#[test]
fn no_answer_is_larger_than_cloudformation_reads() {
    let mut largest_seen = 0;
    for character in ["a", "\"", "\\", "/", "ä", "日", "🔑", "\u{2028}", "<"] {
        let envelope = largest(character).envelope();
        for outcome in outcomes() {
            let id = envelope.answered_physical_resource_id();
            let length = answer_body(&envelope.key, &envelope.logical_resource_id, &id, &outcome).len();
            largest_seen = largest_seen.max(length);
            assert!(length <= MAX_ANSWER_BYTES, "{length} bytes for {character:?}");
        }
    }
    assert!(largest_seen > 2_900, "{largest_seen} is not large");
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

#[test]
fn a_stack_tells_what_made_it_and_until_when_it_lets_us_in() {
    let says = |properties: &[(&str, &str)]| {
        let with =
            |request: StackRequest, (name, value): &(&str, &str)| request.with_property(name, json!(value));
        let request = properties.iter().fold(create(), with);
        request.envelope().properties().map(|properties| properties.says)
    };
    assert_eq!(says(&[]), Ok(StackSays::default()));
    let told = says(&[("MadeBy", "terraform"), ("AccessUntil", "2030-06-30")]).unwrap();
    assert_eq!(told.made_by, Some(MadeBy::Terraform));
    assert_eq!(told.access_until, "2030-06-30T00:00:00Z".parse().ok());
    assert_eq!(
        says(&[("MadeBy", "template")]).unwrap().made_by,
        Some(MadeBy::Template)
    );
    assert_eq!(says(&[("MadeBy", "cdk")]).unwrap().made_by, Some(MadeBy::Another));
    // In the words of the property that is wrong.
    for day in ["2030-02-31", "30.6.2030", ""] {
        assert_eq!(
            says(&[("AccessUntil", day)]).unwrap_err().what,
            "AccessUntil",
            "{day}"
        );
    }
}
