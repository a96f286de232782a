//! The external ID of a live connection is replaced, by the customer's own update of the stack.

use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::{
    Error,
    api::{Answer, Api},
    customer::Customer,
    scene::{Scene, assert_shows, text},
};
use reqwest::Method;
use serde_json::{Value, json};

async fn rotate(api: &Api, method: Method, id: &str) -> Result<Answer, Error> {
    let path = format!("/v1/connections/{id}/rotate-external-id");
    api.call(method, &path, None).await
}

/// A customer who launched the published template from its link.
async fn launched(scene: &Scene, api: &Api) -> Result<(Customer, Value), Error> {
    let (link, customer) = scene.newcomer(api, "us-east-1").await?;
    customer.follow(&link.shown).await?;
    let shown = api.wait_for(&link.id, "active").await?;
    Ok((customer, shown))
}

#[tokio::test]
async fn the_command_from_the_api_updates_the_published_template_and_retires_the_former_external_id()
-> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (customer, shown) = launched(&scene, &api).await?;
    let (id, former) = (text(&shown, "id")?, text(&shown, "external_id")?);

    let started = rotate(&api, Method::POST, &id).await?;
    assert_eq!((started.status, &started.body["status"]), (201, &json!("active")));
    let next = text(&started.body["rotation"], "external_id")?;
    assert_ne!(next, former);
    assert_eq!(started.body["external_id"], json!(former));
    let again = rotate(&api, Method::POST, &id).await?;
    again.shows(200, json!({ "rotation": started.body["rotation"] }));
    // It can be read at any time.
    assert_eq!(api.get(&id).await?["rotation"], started.body["rotation"]);

    let command = text(&started.body["rotation"], "update_command")?;
    customer
        .run_update_command(&command)
        .await?
        .expect("UPDATE_COMPLETE")?;
    let rotated = api
        .wait_until(&id, |connection| connection["external_id"] == json!(next))
        .await?;
    assert_eq!(
        (&rotated["status"], rotated.get("rotation")),
        (&json!("active"), None)
    );
    assert_eq!(rotated["role_arn"], shown["role_arn"]);
    let audit = scene.audit_events(&id).await?;
    assert_eq!(
        audit.last().map(String::as_str),
        Some("external_id_rotated"),
        "{audit:?}"
    );

    // Another update says that this one went through. Then back to the former one: refused, and the
    // stack goes back.
    let (as_it_is, more) = (
        "PermissionTier,UsePreviousValue=true",
        "PermissionTier,ParameterValue=inventory",
    );
    let another = command.replace(as_it_is, more);
    assert_ne!(another, command);
    customer
        .run_update_command(&another)
        .await?
        .expect("UPDATE_COMPLETE")?;
    let back = command.replace(&next, &former);
    customer
        .run_update_command(&back)
        .await?
        .expect_refusal("UPDATE_ROLLBACK_COMPLETE", ReasonCode::ExternalIdRetired)?;
    let stands = api.get(&id).await?;
    assert_shows(&stands, json!({ "status": "active", "external_id": next }));
    customer.deleted(&text(&shown, "stack_id")?).await?;
    api.ended_by_its_stack(&id).await?;
    Ok(())
}

#[tokio::test]
async fn a_role_that_has_the_next_external_id_before_its_stack_told_us_is_not_lost_to_a_check()
-> Result<(), Error> {
    let (scene, api, one) = Scene::with_connected().await?;
    let started = rotate(&api, Method::POST, &one.id).await?;
    let next = text(&started.body["rotation"], "external_id")?;
    let policy = one.template.published_trust().to_string();
    one.customer
        .set_trust(
            latchkey_tests::scene::Connected::ROLE,
            &policy.replace(&one.external_id, &next),
        )
        .await?;
    let before = text(&one.shown, "last_verified_at")?;
    let checked = scene
        .revalidate_until(&api, &one.id, |connection| {
            connection["last_verified_at"].as_str() > Some(before.as_str())
        })
        .await?;
    assert_eq!(checked["status"], "active");
    // A check alone ends no rotation.
    assert_eq!(checked["external_id"], json!(one.external_id));
    Ok(())
}

#[tokio::test]
async fn a_cancelled_rotation_refuses_its_update_and_the_stack_rolls_back_to_what_is_connected()
-> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (customer, shown) = launched(&scene, &api).await?;
    let id = text(&shown, "id")?;
    let started = rotate(&api, Method::POST, &id).await?;
    let cancelled = rotate(&api, Method::DELETE, &id).await?;
    assert_eq!((cancelled.status, cancelled.body.get("rotation")), (200, None));
    let again = rotate(&api, Method::DELETE, &id).await?;
    assert_eq!((again.status, &again.body["status"]), (200, &json!("active")));
    customer
        .run_update_command(&text(&started.body["rotation"], "update_command")?)
        .await?
        .expect_refusal("UPDATE_ROLLBACK_COMPLETE", ReasonCode::ExternalIdRetired)?;
    let stands = api.get(&id).await?;
    assert_shows(
        &stands,
        json!({ "status": "active", "external_id": shown["external_id"] }),
    );
    Ok(())
}
