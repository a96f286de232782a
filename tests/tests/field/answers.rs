//! Every genuine request is answered, whatever else is wrong with it.

use latchkey_core::domain::{
    proof::reason::ReasonCode,
    request::custom_resource::{DEFAULT_RESOURCE_TYPE, MAX_REQUEST_BYTES},
};
use latchkey_tests::{
    Error,
    customer::Customer,
    refusal::refused,
    scene::{Scene, assert_contains},
    stack_template::StackTemplate,
};
use serde_json::json;

/// A1; failed at 51a4ca2: neither Create nor Delete was answered, and the stack ended in
/// ROLLBACK_FAILED.
#[tokio::test]
async fn a_stack_of_another_resource_type_fails_at_once_and_goes() -> Result<(), Error> {
    let scene = Scene::open()?;
    let (link, customer) = scene.newcomer(&scene.acme()?, "us-east-1").await?;
    let template = link.template.resource_type("Custom::VendorConnection");
    let outcome = customer.launch("Typed", &template).await?;
    outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::InvalidRequest)?;
    assert_contains(
        outcome.reasons.join(" "),
        "ResourceType is not Custom::LatchkeyConnection",
    );
    customer.deleted(&outcome.stack_id).await
}

/// A1; failed at 51a4ca2: CDK writes this type where a template names none.
#[tokio::test]
async fn a_stack_of_cdks_default_type_connects_and_disconnects() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    let template = link.template.resource_type(DEFAULT_RESOURCE_TYPE);
    let stack = customer.launched("Cdk", &template).await?;
    api.wait_for(&link.id, "active").await?;
    customer.deleted(&stack.stack_id).await?;
    api.ended_by_its_stack(&link.id).await?;
    Ok(())
}

/// A1; failed at 51a4ca2.
#[tokio::test]
async fn a_stack_with_properties_over_32_kb_fails_at_once_and_goes() -> Result<(), Error> {
    let scene = Scene::open()?;
    let (link, customer) = scene.newcomer(&scene.acme()?, "us-east-1").await?;
    let template = link
        .template
        .property("Notes", json!("n".repeat(MAX_REQUEST_BYTES)));
    let outcome = customer.launch("Large", &template).await?;
    outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::InvalidRequest)?;
    assert_contains(outcome.reasons.join(" "), "is larger than 32 KB");
    customer.deleted(&outcome.stack_id).await
}

/// A15; at 51a4ca2 such an external ID was told to be one that was never issued.
#[tokio::test]
async fn a_line_break_around_a_property_is_told_as_that() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    for (property, padded) in [
        ("ExternalId", json!({ "Fn::Sub": "EXTERNAL\n" })),
        ("ExternalId", json!({ "Fn::Sub": " EXTERNAL" })),
        ("RoleArn", json!({ "Fn::Sub": "${Role.Arn}\n" })),
    ] {
        let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
        let value = padded.to_string().replace("EXTERNAL", &link.external_id);
        let template = link.template.property(property, serde_json::from_str(&value)?);
        let outcome = customer.launch("Padded", &template).await?;
        outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::InvalidRequest)?;
        let said = format!("{property} has a blank or a line break around it");
        assert_contains(outcome.reasons.join(" "), &said);
    }
    Ok(())
}

/// A16; at 51a4ca2 docs/REASONS.md did not say how our sessions are called, so that nobody could
/// ask for it.
#[tokio::test]
async fn a_trust_policy_may_ask_for_our_session_names_and_for_no_other() -> Result<(), Error> {
    let scene = Scene::open()?;
    let named = |template: &StackTemplate, names: &str| {
        let mut condition = template.published_condition();
        condition["StringLike"] = json!({ "sts:RoleSessionName": names });
        template
            .clone()
            .condition(condition)
            .service_timeout(latchkey_tests::refusal::IMPATIENT)
    };
    let (link, customer) = scene.newcomer(&scene.acme()?, "us-east-1").await?;
    customer
        .launched("Ours", &named(&link.template, "latchkey-*"))
        .await?;
    let others = |template: StackTemplate, _: &Customer| named(&template, "vendor-*");
    refused(
        &scene,
        "another session name",
        ReasonCode::RoleNotAssumable,
        others,
    )
    .await
}
