//! Updates: too many of them, and those that fail elsewhere in the stack. Stacks that go without a
//! word.

use std::time::Instant;

use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::{
    Error,
    api::Api,
    scene::{Connected, Scene, assert_contains, assert_shows, settled, text},
    stack_template::{StackTemplate, trust_policy},
};
use reqwest::Method;
use serde_json::{Value, json};

async fn next_external_id(api: &Api, one: &Connected) -> Result<String, Error> {
    let path = format!("/v1/connections/{}/rotate-external-id", one.id);
    let started = api.call(Method::POST, &path, None).await?;
    text(&started.body["rotation"], "external_id")
}

/// Updates the stack, with something failing after its connection.
async fn fails_elsewhere(one: &Connected, template: &StackTemplate) -> Result<(), Error> {
    let text = template.text_with_something_failing();
    one.customer.update_stack(Connected::STACK, &text).await?;
    let outcome = one.customer.wait(Connected::STACK).await?;
    outcome.expect("UPDATE_ROLLBACK_COMPLETE")
}

/// Waits until a connection is shown as it was: the stack is told a moment before that is written
/// down.
async fn is_as_before(api: &Api, id: &str, before: &Value) -> Result<Value, Error> {
    let shown = api
        .wait_until(id, |shown| settled(shown) == settled(before))
        .await;
    shown.map_err(|error| format!("{error}; expected {before}").into())
}

/// A5; at 51a4ca2 the 21st was refused, its rollback too, and the sentence said to delete the
/// stack.
#[tokio::test]
async fn a_stack_that_is_updated_without_end_stays_connected_and_is_not_told_to_go() -> Result<(), Error> {
    let (_, api, one) = Scene::with_connected().await?;
    // What changes nothing of the connection costs nothing.
    let mut template = one.template.clone();
    for number in 0..22 {
        template = template.property("ForceUpdate", json!(number.to_string()));
        one.updated(&template).await?;
    }
    assert_eq!(settled(&api.get(&one.id).await?), settled(&one.shown));
    // Two hours' worth: the test may begin at the end of one.
    for number in 0..=40 {
        template = template.property("TemplateVersion", json!(format!("1.1.{number}")));
        let before = settled(&api.get(&one.id).await?);
        let outcome = one.customer.update(Connected::STACK, &template).await?;
        if outcome.status == "UPDATE_COMPLETE" {
            continue;
        }
        assert!(number >= 20, "{outcome:?}");
        outcome.expect_refusal("UPDATE_ROLLBACK_COMPLETE", ReasonCode::TooManyUpdates)?;
        assert_contains(ReasonCode::TooManyUpdates.sentence(), "do not delete the stack");
        let failed = |shown: &Value| shown["failed_change"] != Value::Null;
        let mut after = settled(&api.wait_until(&one.id, failed).await?);
        let failed = after
            .as_object_mut()
            .and_then(|fields| fields.remove("failed_change"));
        assert_eq!(
            failed.map(|failed| failed["code"].clone()),
            Some(json!("too_many_updates"))
        );
        assert_eq!(after, before);
        return Ok(());
    }
    Err("no update was one too many".into())
}

/// A6; at 51a4ca2 it was told after the whole wait that the role's policy is broken.
#[tokio::test]
async fn a_tier_below_the_links_is_told_at_once() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let customer = scene.new_customer("us-east-1").await?;
    let link = api
        .create(&json!({ "name": "x", "region": "us-east-1", "permission_tier": "inventory" }))
        .await?;
    let template = StackTemplate::new(&scene.ready, &text(&link, "external_id")?);
    let less = template.property("PermissionTier", json!("self-check"));
    let started = Instant::now();
    let outcome = customer.launch("Less", &less).await?;
    outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::TierMismatch)?;
    let told = outcome.reasons.join(" ");
    assert_contains(
        told,
        "The link asks for inventory, and the stack chose self-check",
    );
    assert!(started.elapsed().as_secs() < 20, "it waited for the role");
    let shown = api.wait_for_reason(&text(&link, "id")?).await?;
    assert_shows(
        &shown,
        json!({ "status": "pending", "reason": { "code": "tier_mismatch" } }),
    );
    Ok(())
}

/// A12; at 51a4ca2 the new stack was told to delete itself, or to disconnect "the other".
#[tokio::test]
async fn a_new_stack_takes_the_place_of_one_that_went_without_telling() -> Result<(), Error> {
    let (scene, api, one) = Scene::with_connected().await?;
    let mut retained: Value = serde_json::from_str(&one.template.text())?;
    retained["Resources"]["Connection"]["DeletionPolicy"] = json!("Retain");
    // Something has to change for CloudFormation to see it.
    retained["Resources"]["Connection"]["Properties"]["Note"] = json!("x");
    one.customer
        .update_stack(Connected::STACK, &retained.to_string())
        .await?;
    one.customer
        .wait(Connected::STACK)
        .await?
        .expect("UPDATE_COMPLETE")?;
    // While its role stands, the account is taken, and it is told by whom.
    let (link, second) = (scene.link(&api, "us-east-1").await?, "Second");
    let fresh = StackTemplate::new(&scene.ready, &text(&link, "external_id")?);
    let refused = one.customer.launch(second, &fresh).await?;
    refused.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::AccountAlreadyConnected)?;
    assert_contains(
        refused.reasons.join(" "),
        &format!("Connection {} has this account", one.id),
    );

    one.customer.deleted(&one.stack.stack_id).await?;
    assert_eq!(api.get(&one.id).await?["status"], "active", "nobody told us");
    // The same link was used, and is told so.
    let again = one.customer.launch("Again", &one.template).await?;
    again.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::AccountAlreadyConnected)?;
    one.customer.launched("Third", &fresh).await?;
    assert_eq!(api.get(&text(&link, "id")?).await?["status"], "active");
    let ended = json!({ "status": "disconnected", "reason": { "code": "superseded" } });
    assert_shows(&api.get(&one.id).await?, ended);
    Ok(())
}

/// A18 and its brothers; at 51a4ca2 the renamed resource's rollback ended the connection.
#[tokio::test]
async fn whatever_an_update_changed_is_as_before_once_it_was_rolled_back() -> Result<(), Error> {
    let (_, api, one) = Scene::with_connected().await?;
    let same = || one.template.clone();
    let before = settled(&one.shown);
    for (what, template) in [
        (
            "another version",
            same().property("TemplateVersion", json!("1.0.1")),
        ),
        (
            "a property that nobody knows",
            same().property("Note", json!("x")),
        ),
        ("another role", same().role_name("Other")),
        (
            "an optional parameter",
            same().role_property("Path", json!("/vendors/")),
        ),
        ("another name", same().logical_id("Renamed")),
        (
            "another name and another role",
            same().logical_id("Both").role_name("Another"),
        ),
    ] {
        fails_elsewhere(&one, &template)
            .await
            .map_err(|error| format!("{what}: {error}"))?;
        is_as_before(&api, &one.id, &before)
            .await
            .map_err(|error| format!("{what}: {error}"))?;
    }
    // The stack is as alive as the connection.
    one.updated(&same().role_name("Moved")).await?;
    one.leave(&api).await?;
    Ok(())
}

/// A19; at 51a4ca2 the rollback was refused: UPDATE_ROLLBACK_FAILED, and the connection degraded
/// for good.
#[tokio::test]
async fn a_rotation_that_is_rolled_back_is_open_again() -> Result<(), Error> {
    let (scene, api, one) = Scene::with_connected().await?;
    let next = next_external_id(&api, &one).await?;
    let rotated = StackTemplate::new(&scene.ready, &next).role_name(Connected::ROLE);
    let before = api.get(&one.id).await?;
    for template in [rotated.clone(), rotated.clone().logical_id("Renamed")] {
        fails_elsewhere(&one, &template).await?;
        let after = is_as_before(&api, &one.id, &before).await?;
        scene.proven_after(&api, &one.id, &after).await?;
    }
    let events = scene.audit_events(&one.id).await?;
    for told in ["external_id_rotated", "external_id_restored"] {
        assert!(events.iter().any(|event| event == told), "{events:?}");
    }
    one.updated(&rotated).await?;
    let shown = api
        .wait_until(&one.id, |shown| shown["external_id"] == json!(next))
        .await?;
    assert_shows(&shown, json!({ "status": "active", "rotation": null }));
    one.leave(&api).await?;
    Ok(())
}

/// A20; at 51a4ca2 the rotation was over, and the retired external ID still let its bearer in.
#[tokio::test]
async fn a_rotation_is_open_while_the_role_takes_the_former_external_id() -> Result<(), Error> {
    let (scene, api, one) = Scene::with_connected().await?;
    let next = next_external_id(&api, &one).await?;
    let rotated = StackTemplate::new(&scene.ready, &next).role_name(Connected::ROLE);
    let both = json!({
        "ArnLike": rotated.vendor_roles(),
        "StringEquals": { "sts:ExternalId": [one.external_id, next] },
    });
    let trust = trust_policy(&scene.ready.vendor_account, both);
    one.updated(&rotated.clone().trust(trust)).await?;
    let shown = api
        .wait_until(&one.id, |shown| {
            shown["rotation"]["role_takes_both"] == json!(true)
        })
        .await?;
    assert_shows(
        &shown,
        json!({ "status": "active", "external_id": one.external_id }),
    );
    assert_contains(
        &shown["rotation"]["instruction"],
        "take that out of its trust policy",
    );
    let path = format!("/v1/connections/{}/rotate-external-id", one.id);
    api.call(Method::DELETE, &path, None).await?.shows(409, json!({}));

    one.customer
        .set_trust(Connected::ROLE, &rotated.published_trust().to_string())
        .await?;
    let over = scene
        .revalidate_until(&api, &one.id, |shown| shown["external_id"] == json!(next))
        .await?;
    assert_shows(&over, json!({ "status": "active", "rotation": null }));
    let events = scene.audit_events(&one.id).await?;
    assert!(
        events.iter().any(|event| event == "external_id_rotated"),
        "{events:?}"
    );
    Ok(())
}

/// A22; at 51a4ca2 the API showed `pending` without a reason, and nothing of the refused update.
#[tokio::test]
async fn what_a_stack_was_told_the_vendor_can_read() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    let elsewhere = "arn:aws:iam::999999999999:role/Elsewhere";
    for (name, role_arn, code) in [
        ("No-Arn", "not-an-arn", "invalid_request"),
        ("Elsewhere", elsewhere, "role_in_other_account"),
    ] {
        let outcome = customer
            .launch(name, &link.template.clone().claims_role(role_arn))
            .await?;
        outcome.expect("ROLLBACK_COMPLETE")?;
        let shown = api
            .wait_until(&link.id, |shown| shown["reason"]["code"] == json!(code))
            .await?;
        assert_eq!(shown["status"], "pending");
    }

    customer.launched("Right", &link.template).await?;
    let broken = link.template.clone().claims_role(elsewhere);
    customer
        .update("Right", &broken)
        .await?
        .expect("UPDATE_ROLLBACK_COMPLETE")?;
    let told = json!({ "code": "role_in_other_account" });
    let failed = |shown: &Value| shown["failed_change"] != Value::Null;
    let stands = api.wait_until(&link.id, failed).await?;
    assert_shows(&stands, json!({ "status": "active", "failed_change": told }));
    // The next update that goes through is the end of that.
    customer
        .update(
            "Right",
            &link.template.clone().property("TemplateVersion", json!("1.0.1")),
        )
        .await?
        .expect("UPDATE_COMPLETE")?;
    assert_eq!(api.get(&link.id).await?["failed_change"], Value::Null);
    Ok(())
}
