//! A connection that was proven once is looked at again and again: what changes in the customer's account is noticed.

use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::{
    Error,
    scene::{Connected, Scene, assert_shows, settled, text},
    stack_template::trust_policy,
};
use serde_json::{Value, json};

#[tokio::test]
async fn a_reason_that_changes_is_shown_and_written_down() -> Result<(), Error> {
    let (scene, api, one) = Scene::with_connected().await?;
    let open = trust_policy(&scene.ready.vendor_account, json!({}));
    one.customer.set_trust(Connected::ROLE, &open.to_string()).await?;
    let code = |wanted: ReasonCode| move |it: &Value| it["reason"]["code"] == wanted.as_str();
    let first = scene
        .revalidate_until(&api, &one.id, code(ReasonCode::ExternalIdNotEnforced))
        .await?;
    one.customer.delete_role(Connected::ROLE).await?;
    let second = scene
        .revalidate_until(&api, &one.id, code(ReasonCode::RoleGone))
        .await?;
    // It has been broken since then.
    assert_eq!(second["degraded"]["since"], first["degraded"]["since"]);
    let audit = scene.audit_events(&one.id).await?;
    assert_eq!(audit[2..], ["attempt_proven", "check_failed", "check_failed"]);
    Ok(())
}

#[tokio::test]
async fn a_connection_that_is_well_moves_its_last_check_and_nothing_else() -> Result<(), Error> {
    let (scene, api, one) = Scene::with_connected().await?;
    let audit = scene.audit_events(&one.id).await?;
    let checked = scene.proven_after(&api, &one.id, &one.shown).await?;
    assert_eq!(settled(&checked), settled(&one.shown));
    assert_eq!(scene.audit_events(&one.id).await?, audit);
    Ok(())
}

#[tokio::test]
async fn what_is_pending_or_disconnected_is_not_looked_at() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let pending = scene.link(&api, "us-east-1").await?;
    let (one, other) =
        futures::try_join!(scene.connect(&api, "us-east-1"), scene.connect(&api, "us-east-1"))?;
    assert!(scene.stored("acme", &one.id).await?.contains_key("sweep_slot"));
    let ended = api.delete(&one.id).await?;
    for id in [text(&pending, "id")?, one.id.clone()] {
        // It is in no slot of the sweep.
        assert!(!scene.stored("acme", &id).await?.contains_key("sweep_slot"));
    }
    // The role is still there and good: nobody takes the connection up again because of that.
    scene.proven_after(&api, &other.id, &other.shown).await?;
    assert_eq!(api.get(&one.id).await?, ended);
    assert_eq!(api.get(&text(&pending, "id")?).await?, pending);
    Ok(())
}

#[tokio::test]
async fn a_degraded_connection_is_disconnected_by_its_stack_and_by_its_vendor() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (one, other) =
        futures::try_join!(scene.connect(&api, "us-east-1"), scene.connect(&api, "us-east-1"))?;
    let open = trust_policy(&scene.ready.vendor_account, json!({})).to_string();
    for it in [&one, &other] {
        it.customer.set_trust(Connected::ROLE, &open).await?;
        scene.degraded(&api, &it.id).await?;
    }
    one.leave(&api).await?;
    assert_eq!(
        api.delete(&other.id).await?["reason"]["code"],
        "disconnected_by_vendor"
    );
    Ok(())
}

#[tokio::test]
async fn an_update_of_the_stack_repairs_a_degraded_connection() -> Result<(), Error> {
    let (scene, api, one) = Scene::with_connected().await?;
    one.customer.delete_role(Connected::ROLE).await?;
    scene.degraded(&api, &one.id).await?;
    let renamed = one.template.clone().role_name("Repaired");
    one.updated(&renamed).await?;
    let shown = api.get(&one.id).await?;
    assert_shows(&shown, json!({ "status": "active", "reason": null }));
    assert_eq!(shown["role_arn"], one.customer.role_arn("Repaired"));
    Ok(())
}
