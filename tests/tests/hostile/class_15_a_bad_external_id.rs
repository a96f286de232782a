//! Class 15: an external ID that is expired, used, guessed, or of another tenant.
//!
//! Guard: the connection is found by our own record of the external ID or not at all, and its state decides
//! (`admit`, `shared/core/src/domain/request/admission.rs`).
//! Shown to fail without it: `tests/mutations/i8-tenant-key.patch`.

use std::time::Instant;

use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::{
    Error,
    scene::{Scene, settled, text},
    stack_template::StackTemplate,
};
use serde_json::Value;

use super::support::assert_soon;

#[tokio::test]
async fn an_expired_link_is_refused_and_stays_expired() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let link = scene.link(&api, "us-east-1").await?;
    let (id, url) = (text(&link, "id")?, text(&link, "launch_url")?);
    scene.expire_link("acme", &id).await?;
    let shown = api.get(&id).await?;
    assert_eq!(shown["status"], "expired");
    // An expired link is not offered any more.
    assert!(shown.get("launch_url").is_none());

    let customer = scene.new_customer("us-east-1").await?;
    let stack = customer.open(&url, None).await?;
    customer
        .wait(&stack)
        .await?
        .expect_refusal("ROLLBACK_COMPLETE", ReasonCode::LinkExpired)?;
    let shown = api.get(&id).await?;
    assert_eq!(shown["status"], "expired");
    assert_eq!(shown["role_arn"], Value::Null);
    Ok(())
}

#[tokio::test]
async fn an_external_id_that_was_never_issued_is_refused_at_once() -> Result<(), Error> {
    let scene = Scene::open()?;
    let customer = scene.new_customer("us-east-1").await?;
    for (name, external_id) in [
        ("Guessed", "tz4a98xxat96iws9zmbrgj3atz4a98xx"),
        ("Chosen", "MyOwnSecret"),
    ] {
        let started = Instant::now();
        let outcome = customer
            .launch(name, &StackTemplate::new(&scene.ready, external_id))
            .await?;
        outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::ExternalIdUnknown)?;
        assert_soon(started, 10);
        let left = scene.items_about(&outcome.stack_id).await?;
        assert!(left.is_empty(), "a guess leaves nothing behind, not {left:?}");
    }
    Ok(())
}

#[tokio::test]
async fn an_external_id_that_is_in_use_or_spent_connects_no_other_account() -> Result<(), Error> {
    let (scene, api, one) = Scene::with_connected().await?;
    let thief = scene.new_customer("us-east-1").await?;
    let stolen = StackTemplate::new(&scene.ready, &one.external_id);
    let outcome = thief.launch("In-Use", &stolen).await?;
    outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::LinkAlreadyUsed)?;
    assert_eq!(settled(&api.get(&one.id).await?), settled(&one.shown));

    let ended = api.delete(&one.id).await?;
    let outcome = thief.launch("Spent", &stolen).await?;
    outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::DisconnectedByVendor)?;
    assert_eq!(api.get(&one.id).await?, ended);
    Ok(())
}

/// Whoever holds another tenant's external ID connects to *that* tenant, and never moves anything into their own.
#[tokio::test]
async fn another_tenants_external_id_leads_to_that_tenant_and_to_nobody_else() -> Result<(), Error> {
    let scene = Scene::open()?;
    let (acme, globex) = (scene.acme()?, scene.globex()?);
    let (theirs, ours) = (
        scene.link(&acme, "us-east-1").await?,
        scene.link(&globex, "us-east-1").await?,
    );
    let customer = scene.new_customer("us-east-1").await?;
    // Says that it is globex's in every way that a message can.
    let template = StackTemplate::new(&scene.ready, &text(&theirs, "external_id")?)
        .property("Tenant", serde_json::json!("globex"))
        .property("ConnectionId", ours["id"].clone());
    customer.launched("Crossed", &template).await?;
    assert_eq!(acme.get(&text(&theirs, "id")?).await?["status"], "active");
    assert_eq!(globex.get(&text(&ours, "id")?).await?["status"], "pending");
    let path = format!("/v1/connections/{}", text(&theirs, "id")?);
    assert_eq!(globex.call(reqwest::Method::GET, &path, None).await?.status, 404);
    Ok(())
}
