//! A connection that was proven once is looked at again and again: what changes in the customer's account is noticed.

use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::{
    Error,
    scene::{Connected, Scene, settled, text},
    stack_template::trust_policy,
};
use serde_json::{Value, json};

#[tokio::test]
async fn a_reason_that_changes_is_shown_and_written_down() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let one = scene.connect(&api, "us-east-1").await?;
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
    assert_eq!(
        second["degraded"]["since"], first["degraded"]["since"],
        "it has been broken since then"
    );
    let audit = scene.audit_events(&one.id).await?;
    assert_eq!(audit[2..], ["attempt_proven", "check_failed", "check_failed"]);
    Ok(())
}

#[tokio::test]
async fn a_connection_that_is_well_moves_its_last_check_and_nothing_else() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let one = scene.connect(&api, "us-east-1").await?;
    let audit = scene.audit_events(&one.id).await?;
    let checked = scene.proven_after(&api, &one.id, &one.shown).await?;
    assert_eq!(settled(&checked), settled(&one.shown));
    assert_eq!(scene.audit_events(&one.id).await?, audit);
    Ok(())
}

#[tokio::test]
async fn what_is_pending_or_disconnected_is_not_looked_at() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let pending = scene.link(&api, "us-east-1").await?;
    let (one, other) =
        futures::try_join!(scene.connect(&api, "us-east-1"), scene.connect(&api, "us-east-1"))?;
    assert!(scene.stored("acme", &one.id).await?.contains_key("sweep_slot"));
    let ended = api.delete(&one.id).await?;
    for id in [text(&pending, "id")?, one.id.clone()] {
        assert!(
            !scene.stored("acme", &id).await?.contains_key("sweep_slot"),
            "it is in no slot of the sweep"
        );
    }
    // The role is still there and good: nobody takes the connection up again because of that.
    scene.proven_after(&api, &other.id, &other.shown).await?;
    assert_eq!(api.get(&one.id).await?, ended);
    assert_eq!(api.get(&text(&pending, "id")?).await?, pending);
    Ok(())
}

#[tokio::test]
async fn a_degraded_connection_is_disconnected_by_its_stack_and_by_its_vendor() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let (one, other) =
        futures::try_join!(scene.connect(&api, "us-east-1"), scene.connect(&api, "us-east-1"))?;
    let open = trust_policy(&scene.ready.vendor_account, json!({})).to_string();
    for it in [&one, &other] {
        it.customer.set_trust(Connected::ROLE, &open).await?;
        scene
            .revalidate_until(&api, &it.id, |connection| connection["status"] == "degraded")
            .await?;
    }
    one.customer
        .delete_stack(&one.stack.stack_id)
        .await?
        .expect("DELETE_COMPLETE")?;
    assert_eq!(
        api.wait_for(&one.id, "disconnected").await?["reason"]["code"],
        "stack_deleted"
    );
    assert_eq!(
        api.delete(&other.id).await?["reason"]["code"],
        "disconnected_by_vendor"
    );
    Ok(())
}

#[tokio::test]
async fn an_update_of_the_stack_repairs_a_degraded_connection() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let one = scene.connect(&api, "us-east-1").await?;
    one.customer.delete_role(Connected::ROLE).await?;
    scene
        .revalidate_until(&api, &one.id, |connection| connection["status"] == "degraded")
        .await?;
    let renamed = one.template.clone().role_name("Repaired");
    one.customer
        .update(Connected::STACK, &renamed)
        .await?
        .expect("UPDATE_COMPLETE")?;
    let shown = api.get(&one.id).await?;
    assert_eq!(
        (&shown["status"], &shown["reason"]),
        (&json!("active"), &Value::Null)
    );
    assert_eq!(shown["role_arn"], one.customer.role_arn("Repaired"));
    Ok(())
}
