//! A connection that was proven once is looked at again and again: what changes in the customer's account is noticed.

use latchkey_shared::domain::reason::ReasonCode;
use latchkey_tests::{
    Error,
    api::Api,
    scene::{Connected, Scene, settled, text},
    stack_template::trust_policy,
};
use serde_json::{Value, json};

/// Waits until a sweep has found the role proven, later than `before`.
async fn proven_after(scene: &Scene, api: &Api, id: &str, before: &Value) -> Result<Value, Error> {
    let before = text(before, "last_verified_at")?;
    scene
        .revalidate_until(api, id, |connection| {
            connection["status"] == "active"
                && connection["last_verified_at"].as_str() > Some(before.as_str())
        })
        .await
}

#[tokio::test]
async fn a_role_that_was_deleted_degrades_its_connection_and_made_again_repairs_it() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let one = scene.connect(&api, "us-east-1").await?;
    one.customer.delete_role(Connected::ROLE).await?;
    let degraded = scene
        .revalidate_until(&api, &one.id, |connection| connection["status"] == "degraded")
        .await?;
    assert_eq!(degraded["reason"]["code"], ReasonCode::RoleGone.as_str());
    assert_eq!(degraded["reason"]["message"], ReasonCode::RoleGone.sentence());
    assert_eq!(degraded["role_arn"], one.shown["role_arn"]);
    assert!(degraded["last_verified_at"].as_str() >= one.shown["last_verified_at"].as_str());
    assert!(degraded["degraded"]["since"].as_str() > degraded["last_verified_at"].as_str());

    // It counts on while it lasts, without a line in the audit log for each check.
    let counted = scene
        .revalidate_until(&api, &one.id, |it| {
            it["degraded"]["failed_checks"].as_u64() > Some(1)
        })
        .await?;
    assert_eq!(counted["degraded"]["since"], degraded["degraded"]["since"]);
    assert_eq!(counted["last_verified_at"], degraded["last_verified_at"]);

    one.customer
        .make_role(Connected::ROLE, &one.template.published_trust())
        .await?;
    let repaired = proven_after(&scene, &api, &one.id, &degraded).await?;
    assert_eq!(
        (&repaired["reason"], repaired.get("degraded")),
        (&Value::Null, None)
    );
    let audit = scene.audit_events(&one.id).await?;
    assert_eq!(
        audit,
        [
            "created",
            "attempt_started",
            "attempt_proven",
            "check_failed",
            "check_passed"
        ]
    );
    Ok(())
}

#[tokio::test]
async fn a_role_that_is_loosened_later_is_noticed_and_repaired_is_trusted_again() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let one = scene.connect(&api, "eu-west-1").await?;
    let vendor = &scene.ready.vendor_account;
    for loosened in [
        json!({ "ArnLike": one.template.vendor_roles() }),
        json!({ "StringLike": { "sts:ExternalId": "*" } }),
        json!({ "StringEqualsIfExists": { "sts:ExternalId": one.external_id } }),
    ] {
        one.customer
            .set_trust(Connected::ROLE, &trust_policy(vendor, loosened).to_string())
            .await?;
        let degraded = scene
            .revalidate_until(&api, &one.id, |connection| connection["status"] == "degraded")
            .await?;
        assert_eq!(
            degraded["reason"]["code"],
            ReasonCode::ExternalIdNotEnforced.as_str()
        );
        one.customer
            .set_trust(Connected::ROLE, &one.template.published_trust().to_string())
            .await?;
        proven_after(&scene, &api, &one.id, &degraded).await?;
    }
    Ok(())
}

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
    let checked = proven_after(&scene, &api, &one.id, &one.shown).await?;
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
    proven_after(&scene, &api, &other.id, &other.shown).await?;
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
