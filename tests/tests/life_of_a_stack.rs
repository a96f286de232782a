//! Everything that can happen to a customer's stack after, before and while it connects.

use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::{
    Error,
    scene::{Connected, Scene, assert_shows, settled, text},
    stack_template::StackTemplate,
    wiretap::Wiretap,
};
use serde_json::{Value, json};

/// A stack that waits four seconds for a role before it takes no for an answer.
const IMPATIENT: u32 = 34;

#[tokio::test]
async fn deleting_the_stack_disconnects_and_spends_the_link() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let one = scene.connect(&api, "ap-southeast-2").await?;
    let shown = one.leave(&api).await?;
    // What was connected stays readable.
    assert_eq!(shown["role_arn"], one.shown["role_arn"]);
    assert!(shown.get("launch_url").is_none());
    assert_eq!(
        scene.audit_events(&one.id).await?.last().map(String::as_str),
        Some("disconnected")
    );

    // An external ID is never used again: the same stack, made again, is told so.
    let again = one.customer.launch("Once-More", &one.template).await?;
    again.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::StackDeleted)?;
    assert_eq!(api.get(&one.id).await?["status"], "disconnected");
    // The account is free for a new link.
    let link = scene.link(&api, "ap-southeast-2").await?;
    let fresh = StackTemplate::new(&scene.ready, &text(&link, "external_id")?);
    one.customer.launched("New-Link", &fresh).await?;
    Ok(())
}

#[tokio::test]
async fn an_update_to_another_role_keeps_the_connection_and_moves_it_to_that_role() -> Result<(), Error> {
    let (scene, api, one) = Scene::with_connected().await?;
    let renamed = one.template.clone().role_name("Renamed");
    one.updated(&renamed).await?;
    let shown = api.get(&one.id).await?;
    assert_eq!(shown["role_arn"], one.customer.role_arn("Renamed"));
    assert_eq!(shown["status"], "active");
    for field in ["id", "external_id", "stack_id", "account_id", "created_at"] {
        assert_eq!(shown[field], one.shown[field], "{field}");
    }
    // The former role is nobody's any more, and the stack's end is still understood.
    let role = scene.items_about(&format!("role/{}", Connected::ROLE)).await?;
    let claim = format!("ROLE#{}", one.customer.role_arn(Connected::ROLE));
    assert!(!role.contains(&claim), "the former role is still claimed");
    one.leave(&api).await?;
    Ok(())
}

#[tokio::test]
async fn an_update_of_something_else_keeps_the_role() -> Result<(), Error> {
    let (_, api, one) = Scene::with_connected().await?;
    let newer = one
        .template
        .clone()
        .property("TemplateVersion", json!("1.0.1"))
        .property("Note", json!("added"));
    one.updated(&newer).await?;
    assert_eq!(settled(&api.get(&one.id).await?), settled(&one.shown));
    Ok(())
}

#[tokio::test]
async fn an_update_to_an_unsafe_role_fails_is_rolled_back_and_leaves_the_connection_as_it_was()
-> Result<(), Error> {
    let (_, api, one) = Scene::with_connected().await?;
    let template = one.template.clone().service_timeout(IMPATIENT);
    one.updated(&template).await?;
    let open = template
        .clone()
        .role_name("Open")
        .condition(json!({ "ArnLike": template.vendor_roles() }));
    let outcome = one.customer.update(Connected::STACK, &open).await?;
    outcome.expect_refusal("UPDATE_ROLLBACK_COMPLETE", ReasonCode::ExternalIdNotEnforced)?;
    let failed = |shown: &Value| shown["failed_change"] != Value::Null;
    let mut shown = settled(&api.wait_until(&one.id, failed).await?);
    let failed = shown
        .as_object_mut()
        .and_then(|fields| fields.remove("failed_change"));
    let code = failed.map(|failed| failed["code"].clone());
    assert_eq!(code, Some(json!("external_id_not_enforced")));
    assert_eq!(shown, settled(&one.shown));
    // Still alive: it can be checked and disconnected.
    one.leave(&api).await?;
    Ok(())
}

#[tokio::test]
async fn an_update_to_the_external_id_of_another_link_is_refused_and_connects_neither_anew()
-> Result<(), Error> {
    let (scene, api, one) = Scene::with_connected().await?;
    let other = scene.link(&api, "us-east-1").await?;
    let moved = StackTemplate::new(&scene.ready, &text(&other, "external_id")?).role_name(Connected::ROLE);
    let outcome = one.customer.update(Connected::STACK, &moved).await?;
    outcome.expect_refusal("UPDATE_ROLLBACK_COMPLETE", ReasonCode::ExternalIdChanged)?;
    assert_eq!(
        settled(&api.get(&one.id).await?)["role_arn"],
        one.shown["role_arn"]
    );
    assert_eq!(api.get(&text(&other, "id")?).await?["status"], "pending");
    Ok(())
}

#[tokio::test]
async fn the_same_template_launched_twice_connects_once_and_both_stacks_can_be_deleted() -> Result<(), Error>
{
    let (scene, api) = Scene::with_acme()?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    let first = customer.open(&link.url, Some("First")).await?;
    let first = customer.wait(&first).await?;
    first.expect("CREATE_COMPLETE")?;
    let before = settled(&api.get(&link.id).await?);
    let second = customer.open(&link.url, Some("Second")).await?;
    let second = customer.wait(&second).await?;
    second.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::AccountAlreadyConnected)?;
    assert_eq!(settled(&api.get(&link.id).await?), before);
    customer.deleted(&second.stack_id).await?;
    assert_eq!(settled(&api.get(&link.id).await?), before);
    customer.deleted(&first.stack_id).await?;
    api.ended_by_its_stack(&link.id).await?;
    Ok(())
}

#[tokio::test]
async fn two_stacks_of_one_link_launched_at_the_same_time_connect_one_of_them() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let link = scene.link(&api, "us-east-1").await?;
    let (id, url) = (text(&link, "id")?, text(&link, "launch_url")?);
    let (one, other) = futures::try_join!(scene.new_customer("us-east-1"), scene.new_customer("us-east-1"))?;
    futures::try_join!(one.open(&url, Some("Race")), other.open(&url, Some("Race")))?;
    let (first, second) = futures::try_join!(one.wait("Race"), other.wait("Race"))?;
    let (winner, loser) = if first.status == "CREATE_COMPLETE" {
        (first, second)
    } else {
        (second, first)
    };
    winner.expect("CREATE_COMPLETE")?;
    loser.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::LinkAlreadyUsed)?;
    let shown = api.get(&id).await?;
    assert_shows(&shown, json!({ "status": "active", "stack_id": winner.stack_id }));
    Ok(())
}

#[tokio::test]
async fn after_a_failure_the_same_link_connects_without_deleting_the_failed_stack_first() -> Result<(), Error>
{
    let (scene, api) = Scene::with_acme()?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    let bad = link
        .template
        .clone()
        .condition(json!({ "ArnLike": link.template.vendor_roles() }));
    let failed = customer.launch("Failed", &bad).await?;
    failed.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::ExternalIdNotEnforced)?;

    customer.follow(&link.shown).await?;
    let shown = settled(&api.get(&link.id).await?);
    assert_shows(&shown, json!({ "status": "active", "reason": null }));
    // The old stack's end is none of the new connection's.
    customer.deleted(&failed.stack_id).await?;
    assert_eq!(settled(&api.get(&link.id).await?), shown);
    Ok(())
}

#[tokio::test]
async fn a_stack_whose_connection_the_vendor_removed_first_can_still_be_deleted() -> Result<(), Error> {
    let (scene, api, one) = Scene::with_connected().await?;
    let removed = api.delete(&one.id).await?;
    assert_shows(
        &removed,
        json!({ "status": "disconnected", "reason": { "code": "disconnected_by_vendor" } }),
    );
    // An update of the leftover stack says what happened instead of connecting again.
    let outcome = one
        .customer
        .update(Connected::STACK, &one.template.clone().role_name("Next"))
        .await?;
    let told = format!("[{}]", ReasonCode::DisconnectedByVendor.as_str());
    assert!(
        outcome.reasons.iter().any(|reason| reason.contains(&told)),
        "{outcome:?}"
    );
    assert_eq!(api.get(&one.id).await?, removed);
    // The account can be connected by a new link while the old stack still stands.
    let link = scene.link(&api, "us-east-1").await?;
    one.customer.follow(&link).await?;
    let fresh = settled(&api.get(&text(&link, "id")?).await?);

    one.customer.deleted(&one.stack.stack_id).await?;
    assert_eq!(api.get(&one.id).await?, removed);
    assert_eq!(settled(&api.get(&text(&link, "id")?).await?), fresh);
    Ok(())
}

/// CloudFormation abandons the Create and sends a Delete with an id that it made up.
#[tokio::test]
async fn a_stack_deleted_while_its_role_is_being_verified_goes_and_never_connects() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let mut wiretap = Wiretap::on(&scene, "us-east-1").await?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    let name = format!("Hasty-{}", customer.account);
    let late = link.template.clone().claims_role(&customer.role_arn("Late"));
    customer.create_stack(&name, &late.text()).await?;
    api.wait_for(&link.id, "verifying").await?;
    let create = wiretap.request("Create", &name).await?;
    let stack_id = text(&create, "StackId")?;
    customer.start_deletion(&stack_id).await?;
    customer.wait(&stack_id).await?.expect("DELETE_COMPLETE")?;
    let delete = wiretap.request("Delete", &stack_id).await?;
    let made_up = text(&delete, "PhysicalResourceId")?;
    assert!(made_up.starts_with(&format!("{name}_Connection_")));

    // Now the role appears: nobody may be connected by it.
    customer.make_role_of("Late", &link.template).await?;
    api.wait_for(&link.id, "pending").await?;
    let shown = api.wait_for_reason(&link.id).await?;
    assert_eq!(shown["reason"]["code"], "stack_deleted");
    assert_eq!(shown["role_arn"], Value::Null);
    // The same link still works.
    customer.follow(&link.shown).await?;
    assert_eq!(api.get(&link.id).await?["status"], "active");
    Ok(())
}

#[tokio::test]
async fn a_stack_that_fails_for_another_reason_after_it_connected_disconnects_again() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    let broken = link.template.text_with_something_failing();
    customer.create_stack("Unlucky", &broken).await?;
    let outcome = customer.wait("Unlucky").await?;
    outcome.expect("ROLLBACK_COMPLETE")?;
    let shown = api.wait_for(&link.id, "disconnected").await?;
    assert_eq!(shown["reason"]["code"], "stack_deleted");
    Ok(())
}

/// The update fails, and what it is rolled back to is refused as well: CloudFormation gives up, and nobody is stuck.
#[tokio::test]
async fn a_rollback_that_is_refused_too_changes_nothing_and_the_stack_can_be_deleted() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    // The vendor has ended the connection: no update is taken any more, and none back either.
    let one = scene.connect(&api, "us-east-1").await?;
    let ended = api.delete(&one.id).await?;
    let next = one.template.clone().role_name("Next");
    let outcome = one.customer.update(Connected::STACK, &next).await?;
    outcome.expect_refusal("UPDATE_ROLLBACK_FAILED", ReasonCode::DisconnectedByVendor)?;
    assert_eq!(api.get(&one.id).await?, ended);
    one.customer.deleted(&one.stack.stack_id).await?;
    assert_eq!(api.get(&one.id).await?, ended);

    // The former role is open by now, and so is the next one: the update is refused for it, and
    // going back to what is bound is answered without another look. The next check finds the former
    // one.
    let other = scene.connect(&api, "us-east-1").await?;
    let patient = other.template.clone().service_timeout(IMPATIENT);
    other.updated(&patient).await?;
    let open = patient
        .clone()
        .role_name("Open")
        .condition(json!({ "ArnLike": patient.vendor_roles() }));
    let anybody = latchkey_tests::stack_template::trust_policy(&scene.ready.vendor_account, json!({}));
    other
        .customer
        .set_trust(Connected::ROLE, &anybody.to_string())
        .await?;
    let outcome = other.customer.update(Connected::STACK, &open).await?;
    outcome.expect_refusal("UPDATE_ROLLBACK_COMPLETE", ReasonCode::ExternalIdNotEnforced)?;
    let shown = scene.degraded(&api, &other.id).await?;
    // Bound to what was proven last.
    assert_eq!(shown["role_arn"], other.shown["role_arn"]);
    other.customer.deleted(&other.stack.stack_id).await?;
    api.wait_for(&other.id, "disconnected").await?;
    Ok(())
}
