//! Class 9: a Delete that no stack sent.
//!
//! Guard: it ends a connection only if it names its stack *and* its resource *and* the bucket took our answer
//! (`shared/core/src/use_cases/disconnect.rs`).

use latchkey_tests::{
    Error,
    cloudformation_message::ForgedRequest,
    scene::{Connected, Scene, settled, text},
    wiretap::Wiretap,
};
use serde_json::json;

use super::support::tapped;

#[tokio::test]
async fn a_forged_delete_that_names_the_real_stack_and_resource_leaves_the_connection() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (_, one, create) = tapped(&scene, &api).await?;
    let answer = one.answer(&scene, &create).await?;
    let physical_id = text(&answer, "PhysicalResourceId")?;
    let attacker = scene.new_customer("us-east-1").await?;
    let role = one.customer.role_arn(Connected::ROLE);
    let (stack_id, external_id) = (&one.stack.stack_id, &one.external_id);
    let forge = || ForgedRequest::delete(&scene, stack_id, &physical_id, external_id, &role);
    for _ in 0..3 {
        let forged = forge()?;
        attacker.tell(&scene, &forged.text()).await?;
        let parts = [forged.request_id(), "Delete", "not_from_cloudformation"];
        scene.heard(&parts).await?;
        assert_eq!(settled(&api.get(&one.id).await?), settled(&one.shown));
    }
    // With the URL that CloudFormation signed for another request.
    let stolen = forge()?.with("ResponseURL", create["ResponseURL"].clone());
    let message_id = attacker.tell(&scene, &stolen.text()).await?;
    let parts = [&message_id, "request.dropped", "ResponseURL"];
    scene.heard(&parts).await?;
    assert_eq!(settled(&api.get(&one.id).await?), settled(&one.shown));
    let audit = scene.audit_events(&one.id).await?;
    assert!(!audit.contains(&"disconnected".to_owned()));

    one.leave(&api).await?;
    Ok(())
}

/// The attacker's stack is genuine, its Delete is signed by CloudFormation, and it names the victim's ids.
#[tokio::test]
async fn a_genuine_delete_of_another_stack_that_names_the_victims_ids_leaves_the_connection()
-> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let mut wiretap = Wiretap::on(&scene, "us-east-1").await?;
    let (one, attacker) =
        futures::try_join!(scene.connect(&api, "us-east-1"), scene.connect(&api, "us-east-1"))?;
    let create = wiretap.request("Create", &one.stack.stack_id).await?;
    let answer = one.answer(&scene, &create).await?;
    // A URL that CloudFormation made for the attacker's stack.
    let mut delete = wiretap.request("Create", &attacker.stack.stack_id).await?;
    delete["RequestType"] = json!("Delete");
    delete["PhysicalResourceId"] = answer["PhysicalResourceId"].clone();
    delete["ResourceProperties"]["ExternalId"] = json!(one.external_id);
    attacker.customer.tell(&scene, &delete.to_string()).await?;
    let request_id = text(&delete, "RequestId")?;
    scene.heard(&[&request_id, "Delete", "left_alone"]).await?;
    assert_eq!(settled(&api.get(&one.id).await?), settled(&one.shown));
    assert_eq!(settled(&api.get(&attacker.id).await?), settled(&attacker.shown));
    Ok(())
}
