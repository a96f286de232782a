//! The stack of the Terraform module: it holds nothing but the message, and has no parameters.

use latchkey_tests::{
    Error,
    customer::Customer,
    scene::{Link, Scene, assert_contains, text},
};
use reqwest::Method;
use serde_json::{Value, json};

const ROLE: &str = "connection-20261121120000123400000001";

/// As `customer/templates/terraform/main.tf.jinja` writes it, of this version of the template.
fn module_stack(scene: &Scene, external_id: &str, role_arn: &str, version: &str) -> String {
    let topic = &scene.ready.topics["us-east-1"];
    let connection = json!({
        "ServiceToken": topic, "ServiceTimeout": 60, "ExternalId": external_id, "RoleArn": role_arn,
        "TemplateVersion": version, "PermissionTier": "account-basics",
    });
    let resource = json!({ "Type": "Custom::LatchkeyConnection", "Properties": connection });
    json!({ "AWSTemplateFormatVersion": "2010-09-09", "Resources": { "Connection": resource } }).to_string()
}

async fn applied(scene: &Scene, link: &Link, customer: &Customer, version: &str) -> Result<String, Error> {
    let role_arn = customer.make_role_of(ROLE, &link.template).await?;
    let stack = module_stack(scene, &link.external_id, &role_arn, version);
    customer.create_stack("latchkey-connection", &stack).await?;
    customer
        .wait("latchkey-connection")
        .await?
        .expect("CREATE_COMPLETE")?;
    Ok(role_arn)
}

/// A7; at 51a4ca2 the API gave a command with nine parameters that such a stack does not have.
#[tokio::test]
async fn the_modules_stack_is_told_to_set_external_id_and_that_ends_the_rotation() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    let version = text(&link.shown["template"], "version")?;
    let role_arn = applied(&scene, &link, &customer, &version).await?;
    api.wait_for(&link.id, "active").await?;
    let path = format!("/v1/connections/{}/rotate-external-id", link.id);
    let started = api.call(Method::POST, &path, None).await?;
    let rotation = &started.body["rotation"];
    let next = text(rotation, "external_id")?;
    assert_contains(
        &rotation["instruction"],
        "set external_id of the Terraform module to it",
    );
    for absent in ["update_url", "update_command"] {
        assert_eq!(rotation[absent], Value::Null, "{rotation}");
    }

    // What `terraform apply` does with it: the role's trust policy, then the stack.
    let trust = link.template.published_trust().to_string();
    customer
        .set_trust(ROLE, &trust.replace(&link.external_id, &next))
        .await?;
    let stack = module_stack(&scene, &next, &role_arn, &version);
    customer.update_stack("latchkey-connection", &stack).await?;
    customer
        .wait("latchkey-connection")
        .await?
        .expect("UPDATE_COMPLETE")?;
    api.wait_until(&link.id, |shown| shown["external_id"] == json!(next))
        .await?;
    Ok(())
}

/// A7; at 51a4ca2 it was offered the template, which would have taken the role's stack apart.
#[tokio::test]
async fn the_modules_stack_is_offered_no_template_when_it_is_behind() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    scene.publish_first_version().await?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    applied(&scene, &link, &customer, "1.0.0").await?;
    let shown = api.wait_for(&link.id, "active").await?;
    assert_eq!(shown["update"], Value::Null, "{shown}");
    Ok(())
}
