//! Class 13: the Delete of a rollback, of a replaced resource, and one with an id that CloudFormation made up.
//!
//! Guard: a Delete ends the connection only if it names the bound stack and the bound resource
//! (`shared/core/src/use_cases/disconnect.rs`).

use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::{
    Error,
    refusal::waits_again,
    scene::{Scene, settled, text},
    stack_template::StackTemplate,
    wiretap::Wiretap,
};
use serde_json::json;

use super::support::tapped;

#[tokio::test]
async fn an_account_that_is_connected_is_refused_and_its_connection_is_not_touched_by_the_rollback()
-> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let first = scene.connect(&api, "eu-west-1").await?;
    let audit = scene.audit_events(&first.id).await?;
    let second = scene.link(&api, "eu-west-1").await?;
    let template = StackTemplate::new(&scene.ready, &text(&second, "external_id")?);

    let outcome = first.customer.launch("Again", &template).await?;
    outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::AccountAlreadyConnected)?;
    assert_eq!(settled(&api.get(&first.id).await?), settled(&first.shown));
    waits_again(&api, &text(&second, "id")?, ReasonCode::AccountAlreadyConnected).await?;

    first.customer.deleted(&outcome.stack_id).await?;
    assert_eq!(settled(&api.get(&first.id).await?), settled(&first.shown));
    assert_eq!(scene.audit_events(&first.id).await?, audit);

    // The account is free again once the first stack is gone, and the refused link still works.
    first.customer.deleted(&first.stack.stack_id).await?;
    api.wait_for(&first.id, "disconnected").await?;
    first.customer.launched("Again", &template).await?;
    assert_eq!(api.get(&text(&second, "id")?).await?["status"], "active");
    Ok(())
}

#[tokio::test]
async fn a_replaced_resource_moves_the_connection_and_its_old_resources_delete_does_not_end_it()
-> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let mut wiretap = Wiretap::on(&scene, "us-east-1").await?;
    let one = scene.connect(&api, "us-east-1").await?;
    let renamed = one.template.clone().logical_id("Connection2");
    one.updated(&renamed).await?;
    // The old resource was deleted, by a Delete that was answered.
    let delete = wiretap.request("Delete", &one.stack.stack_id).await?;
    assert_eq!(delete["LogicalResourceId"], "Connection");
    let answer = one.answer(&scene, &delete).await?;
    assert_eq!(answer["Status"], "SUCCESS");
    let shown = api.get(&one.id).await?;
    assert_eq!(settled(&shown), settled(&one.shown));

    one.leave(&api).await?;
    Ok(())
}

/// Our SUCCESS may reach the bucket when CloudFormation has given up waiting: it then deletes the resource under an
/// id that it made up, and the connection must not be taken for ended, nor for good without another look.
#[tokio::test]
async fn a_delete_with_an_invented_id_is_answered_and_only_a_look_at_the_role_decides() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (_, one, create) = tapped(&scene, &api).await?;
    // The Create's own URL is genuinely signed: with it the message is one that CloudFormation could have sent.
    let mut delete = create.clone();
    delete["RequestType"] = json!("Delete");
    delete["PhysicalResourceId"] = json!("Vendor-Access_Connection_1A2B3C4D5E6F");
    one.customer.tell(&scene, &delete.to_string()).await?;
    let request_id = text(&create, "RequestId")?;
    scene.heard(&[&request_id, "Delete", "left_alone"]).await?;
    let answer = scene
        .answer(&one.stack.stack_id, "Connection", &request_id)
        .await?;
    assert_eq!(answer["Status"], "SUCCESS");
    assert_eq!(
        answer["PhysicalResourceId"],
        "Vendor-Access_Connection_1A2B3C4D5E6F"
    );
    assert_eq!(settled(&api.get(&one.id).await?), settled(&one.shown));

    one.leave(&api).await?;
    Ok(())
}
