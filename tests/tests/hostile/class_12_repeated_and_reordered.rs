//! Class 12: replays, duplicates, a Delete before its Create, an Update while another is being verified.
//!
//! Guard: each request is worked on once, by stack and request id; a Delete leaves a mark that a late Create meets
//! (`resource_deleted_since`, `shared/core/src/use_cases/register_role.rs`); every write is conditional
//! (`shared/aws/src/dynamodb/commit.rs`).

use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::{
    Error,
    cloudformation_message::ForgedRequest,
    scene::{Connected, OwnScene, Scene, assert_shows, settled, text},
    wiretap::Wiretap,
};
use serde_json::json;

use super::support::{LISTENER, notification, tapped};

#[tokio::test]
async fn a_request_that_is_delivered_again_is_worked_on_once_and_answered_the_same() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let mut wiretap = Wiretap::on(&scene, "us-east-1").await?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    let name = format!("Twice-{}", customer.account);
    customer.create_stack(&name, &link.template.text()).await?;
    // While it is being verified, and twice at the same time.
    let request = wiretap.request("Create", &name).await?;
    let (topic, message) = (scene.ready.topic("us-east-1")?, request.to_string());
    futures::try_join!(
        customer.publish(topic, &message),
        customer.publish(topic, &message)
    )?;
    let outcome = customer.wait(&name).await?;
    outcome.expect("CREATE_COMPLETE")?;
    let first = settled(&api.get(&link.id).await?);
    let (stack, request_id) = (text(&request, "StackId")?, text(&request, "RequestId")?);
    let answer = scene.answer(&stack, "Connection", &request_id).await?;
    assert_eq!(answer["Status"], "SUCCESS");
    assert_eq!(answer["Data"]["ConnectionId"], link.id.as_str());

    // And once more when all is done.
    customer.publish(topic, &message).await?;
    scene.heard(&[&request_id, "answered_again"]).await?;
    assert_eq!(scene.answer(&stack, "Connection", &request_id).await?, answer);
    assert_eq!(settled(&api.get(&link.id).await?), first);
    let audit = scene.audit_events(&link.id).await?;
    assert_eq!(audit, ["created", "attempt_started", "attempt_proven"]);
    Ok(())
}

/// SNS loses sight of a Create, the stack is deleted meanwhile, and the Create comes after all: with the time at
/// which it was sent.
#[tokio::test]
async fn a_create_that_comes_after_the_delete_of_its_stack_connects_nothing() -> Result<(), Error> {
    let (own, api) = OwnScene::with_acme().await?;
    let scene = &own.scene;
    let mut wiretap = Wiretap::on(scene, "us-east-1").await?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    scene.deafen("us-east-1").await?;
    customer.create_stack("Overtaken", &link.template.text()).await?;
    let create = wiretap.request("Create", "Overtaken").await?;
    // The local SNS tells whole seconds, so that the Delete could seem to be older than the Create.
    let sent_at = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(2);
    scene.hear("us-east-1").await?;
    let stack_id = text(&create, "StackId")?;
    customer.deleted(&stack_id).await?;
    let delete = wiretap.request("Delete", &stack_id).await?;
    scene.heard(&[&text(&delete, "RequestId")?, "left_alone"]).await?;

    let mut late = notification(scene, &create.to_string())?;
    late["Records"][0]["Sns"]["Timestamp"] = json!(sent_at.to_string());
    scene.invoke(LISTENER, &late).await?;
    let request_id = text(&create, "RequestId")?;
    let line = scene.heard(&[&request_id, "request.received"]).await?;
    assert!(line.contains("stack_deleted"), "{line}");
    let answer = scene.answer(&stack_id, "Connection", &request_id).await?;
    assert_eq!(answer["Status"], "FAILED");
    let told = format!("[{}]", ReasonCode::StackDeleted.as_str());
    assert!(
        answer["Reason"]
            .as_str()
            .is_some_and(|reason| reason.contains(&told)),
        "{answer}"
    );
    let kept = scene.items_about(&request_id).await?;
    assert!(kept.is_empty(), "it is not recorded: {kept:?}");
    // The link is as good as before.
    assert_eq!(api.get(&link.id).await?["status"], "pending");
    customer.launched("In-Order", &link.template).await?;
    assert_eq!(api.get(&link.id).await?["status"], "active");
    Ok(())
}

#[tokio::test]
async fn an_update_that_comes_while_another_is_being_verified_does_not_overtake_it() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (mut wiretap, one, create) = tapped(&scene, &api).await?;
    let answer = one.answer(&scene, &create).await?;
    let second = one.customer.make_role_of("Second", &one.template).await?;
    // A true Update that waits for its role.
    let late = one.template.clone().claims_role(&one.customer.role_arn("Late"));
    one.customer.update_stack(Connected::STACK, &late.text()).await?;
    let waiting = wiretap.request("Update", &one.stack.stack_id).await?;
    scene
        .verified(&[&text(&waiting, "RequestId")?, "try_again"])
        .await?;

    // A forged one meanwhile, to a role that the vendor could assume at once.
    let physical_id = text(&answer, "PhysicalResourceId")?;
    let forged = ForgedRequest::update(&scene, &one, &physical_id, &second)?;
    let attacker = scene.new_customer("us-east-1").await?;
    attacker.tell(&scene, &forged.text()).await?;
    scene.verified(&[forged.request_id(), "answer_refused"]).await?;
    assert_eq!(settled(&api.get(&one.id).await?), settled(&one.shown));

    // And the same true one once more.
    let topic = scene.ready.topic("us-east-1")?;
    one.customer.publish(topic, &waiting.to_string()).await?;
    one.customer.make_role_of("Late", &one.template).await?;
    one.customer
        .wait(Connected::STACK)
        .await?
        .expect("UPDATE_COMPLETE")?;
    let shown = api.get(&one.id).await?;
    assert_eq!(shown["role_arn"], one.customer.role_arn("Late"));
    assert_eq!(shown["status"], "active");
    Ok(())
}

#[tokio::test]
async fn an_update_that_comes_while_the_first_registration_is_being_verified_changes_nothing()
-> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let mut wiretap = Wiretap::on(&scene, "us-east-1").await?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    let name = format!("Slow-{}", customer.account);
    let slow = link.template.clone().claims_role(&customer.role_arn("Late"));
    customer.create_stack(&name, &slow.text()).await?;
    let create = wiretap.request("Create", &name).await?;
    api.wait_for(&link.id, "verifying").await?;
    let stack_id = text(&create, "StackId")?;
    let now = customer.make_role_of("Now", &link.template).await?;
    let update = ForgedRequest::delete(
        &scene,
        &stack_id,
        "latchkey-0f1e2d3c4b5a69788796a5b4",
        &link.external_id,
        &now,
    )?
    .with("RequestType", json!("Update"));
    customer.tell(&scene, &update.text()).await?;
    scene.heard(&[update.request_id(), "external_id_changed"]).await?;
    let shown = api.get(&link.id).await?;
    assert_shows(&shown, json!({ "status": "verifying", "role_arn": null }));
    let kept = scene.items_about(update.request_id()).await?;
    assert!(kept.is_empty(), "{kept:?}");

    customer.make_role_of("Late", &link.template).await?;
    customer.wait(&name).await?.expect("CREATE_COMPLETE")?;
    assert_eq!(api.get(&link.id).await?["role_arn"], customer.role_arn("Late"));
    Ok(())
}
