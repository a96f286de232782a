//! Class 8: a message that no stack sent, published straight to the topic.
//!
//! Guard: a first binding counts once CloudFormation's bucket took our SUCCESS (`AnswerAccepted`,
//! `shared/core/src/domain/connection/transitions.rs`); what is not settled refuses nobody (`shared/core/src/domain/request/admission.rs`).

use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::{
    Error,
    cloudformation_message::ForgedRequest,
    refusal::assert_reason,
    scene::{Scene, assert_shows, settled, text},
    stack_template::{StackTemplate, allow},
};
use serde_json::json;

use super::support::{assert_soon, tapped};

/// The attacker has seen the link, made a role of their own that the vendor can assume with its external ID, and
/// publishes a Create by hand: everything holds but the signature.
#[tokio::test]
async fn a_forged_create_leaves_no_connection_active_and_keeps_nobody_out() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let link = scene.link(&api, "us-east-1").await?;
    let (id, external_id) = (text(&link, "id")?, text(&link, "external_id")?);
    let template = StackTemplate::new(&scene.ready, &external_id);
    let attacker = scene.new_customer("us-east-1").await?;
    let role = attacker.make_role_of("Bait", &template).await?;
    let topic = scene.ready.topic("us-east-1")?;
    let forge = || ForgedRequest::create(&scene, &attacker, &external_id, &role);

    let forged = forge()?;
    attacker.publish(topic, &forged.text()).await?;
    scene.verified(&[forged.request_id(), "answer_refused"]).await?;
    let shown = api.get(&id).await?;
    assert_shows(&shown, json!({ "status": "pending", "account_id": null }));
    assert_reason(&shown, ReasonCode::AnswerRefused);
    assert!(!scene.stored("acme", &id).await?.contains_key("sweep_slot"));
    // What the attacker's role may do says nothing here.
    assert_eq!(shown.get("permissions"), None);

    // A handful more, while the true customer launches.
    for _ in 0..5 {
        attacker.publish(topic, &forge()?.text()).await?;
    }
    let customer = scene.new_customer("us-east-1").await?;
    let stack = customer.open(&text(&link, "launch_url")?, None).await?;
    for _ in 0..5 {
        attacker.publish(topic, &forge()?.text()).await?;
    }
    customer.wait(&stack).await?.expect("CREATE_COMPLETE")?;
    let last = forge()?;
    attacker.publish(topic, &last.text()).await?;
    scene.heard(&[last.request_id(), "request.received"]).await?;
    let shown = api.get(&id).await?;
    assert_shows(
        &shown,
        json!({ "status": "active", "account_id": customer.account }),
    );
    // The attacker's account and role were never taken for connected: their own link still works.
    let own = scene.link(&api, "us-east-1").await?;
    attacker.follow(&own).await?;
    Ok(())
}

/// Forged in the name of the true customer's account, with a role that is not there: it is waited for in vain.
#[tokio::test]
async fn a_forged_create_that_is_waited_for_does_not_hold_up_the_true_one() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let customer = scene.new_customer("us-east-1").await?;
    let body = json!({ "name": "Bound", "region": "us-east-1", "account_id": customer.account });
    let link = api.create(&body).await?;
    let (id, external_id) = (text(&link, "id")?, text(&link, "external_id")?);
    let attacker = scene.new_customer("us-east-1").await?;
    let role = customer.role_arn("Nowhere");
    let forged = ForgedRequest::create(&scene, &customer, &external_id, &role)?;
    attacker.tell(&scene, &forged.text()).await?;
    api.wait_for(&id, "verifying").await?;
    let started = std::time::Instant::now();
    customer.follow(&link).await?;
    assert_soon(started, 20);
    let shown = settled(&api.get(&id).await?);
    assert_eq!(shown["status"], "active");
    // When the forged one is given up, nothing happens to the true one.
    scene.verified(&[forged.request_id(), "\"answer"]).await?;
    assert_eq!(settled(&api.get(&id).await?), shown);
    Ok(())
}

#[tokio::test]
async fn a_forged_update_of_a_live_connection_changes_nothing() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (_, one, create) = tapped(&scene, &api).await?;
    let answer = one.answer(&scene, &create).await?;
    let attacker = scene.new_customer("us-east-1").await?;
    // A second role in the customer's account that the vendor could assume as well, and that may do anything.
    let role = one.customer.make_role_of("Second", &one.template).await?;
    one.customer
        .iam
        .put_role_policy()
        .role_name("Second")
        .policy_name("everything")
        .policy_document(allow(&["*"]).to_string())
        .send()
        .await?;
    let physical_id = text(&answer, "PhysicalResourceId")?;
    let update = ForgedRequest::update(&scene, &one, &physical_id, &role)?;
    attacker.tell(&scene, &update.text()).await?;
    scene.verified(&[update.request_id(), "answer_refused"]).await?;
    assert_eq!(settled(&api.get(&one.id).await?), settled(&one.shown));
    Ok(())
}
