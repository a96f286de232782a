//! Class 17: our own side is down while customers make and delete stacks.
//!
//! Guard: what comes meanwhile waits or is tried again (`template.yaml`: retries, event ages, queues); whatever is left
//! of a broken-off request is repaired by its next delivery (`shared/core/src/use_cases/`); a Delete is always answered.

use std::time::Duration;

use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::{
    Error,
    refusal::assert_reason,
    scene::{Connected, OwnScene, settled, text},
    stack_template::StackTemplate,
};
use tokio::time::sleep;

use super::support::LISTENER;

/// As many as `template.yaml` lets work at once.
const LISTENERS: i32 = 50;
/// A stack that waits no longer than this for our answer, in seconds.
const IMPATIENT: u32 = 5;

#[tokio::test]
async fn a_stack_that_is_made_while_we_are_down_connects_when_we_are_back() -> Result<(), Error> {
    let (own, api) = OwnScene::with_acme().await?;
    let scene = &own.scene;
    let one = scene.connect(&api, "us-east-1").await?;
    for function in [LISTENER, "role-verifier"] {
        let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
        scene.limit(function, 0).await?;
        customer.create_stack("Early", &link.template.text()).await?;
        sleep(Duration::from_secs(5)).await;
        let shown = api.get(&link.id).await?;
        let (waits, status) = (
            if function == LISTENER {
                "pending"
            } else {
                "verifying"
            },
            &shown["status"],
        );
        assert_eq!(status, waits, "{function}");
        scene.limit(function, LISTENERS).await?;
        customer.wait("Early").await?.expect("CREATE_COMPLETE")?;
        assert_eq!(api.get(&link.id).await?["status"], "active", "{function}");
    }
    assert_eq!(settled(&api.get(&one.id).await?), settled(&one.shown));
    Ok(())
}

/// CloudFormation gives up on us twice, the Create and its rollback, and both messages arrive in the end.
#[tokio::test]
async fn a_stack_that_gave_up_on_us_can_be_deleted_and_leaves_nothing_connected() -> Result<(), Error> {
    let (own, api) = OwnScene::with_acme().await?;
    let scene = &own.scene;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    scene.limit(LISTENER, 0).await?;
    let outcome = customer
        .launch("Given-Up", &link.template.clone().service_timeout(IMPATIENT))
        .await?;
    outcome.expect("ROLLBACK_FAILED")?;
    assert_eq!(api.get(&link.id).await?["status"], "pending");
    scene.limit(LISTENER, LISTENERS).await?;
    customer.deleted(&outcome.stack_id).await?;
    // Whatever of the two was worked on first: the role is gone, and nothing counts as connected.
    scene
        .revalidate_until(&api, &link.id, |connection| {
            connection["status"] != "verifying" && connection["status"] != "active"
        })
        .await?;
    // The account can be connected: by the same link where it waits again, else by a new one.
    let shown = api.get(&link.id).await?;
    let link = if shown["status"] == "pending" {
        shown
    } else {
        api.delete(&link.id).await?;
        scene.link(&api, "us-east-1").await?
    };
    customer.follow(&link).await?;
    Ok(())
}

/// The Delete is lost on its way: the deletion fails, can be tried again, and then goes and disconnects.
#[tokio::test]
async fn a_stack_whose_delete_was_lost_is_deleted_at_the_second_try_and_disconnects() -> Result<(), Error> {
    let (own, api) = OwnScene::with_acme().await?;
    let scene = &own.scene;
    let one = connect_impatiently(&own).await?;
    scene.deafen("us-east-1").await?;
    let stuck = one.customer.delete_stack(&one.stack.stack_id).await?;
    stuck.expect("DELETE_FAILED")?;
    // We know nothing of it.
    assert_eq!(settled(&api.get(&one.id).await?), settled(&one.shown));
    scene.hear("us-east-1").await?;
    one.leave(&api).await?;
    Ok(())
}

/// The Delete only waited: it comes when we are back, is answered, and the stack's next deletion goes.
#[tokio::test]
async fn a_delete_that_waited_while_we_were_down_disconnects_when_we_are_back() -> Result<(), Error> {
    let (own, api) = OwnScene::with_acme().await?;
    let scene = &own.scene;
    let one = connect_impatiently(&own).await?;
    scene.limit(LISTENER, 0).await?;
    one.customer
        .delete_stack(&one.stack.stack_id)
        .await?
        .expect("DELETE_FAILED")?;
    assert_eq!(settled(&api.get(&one.id).await?), settled(&one.shown));
    scene.limit(LISTENER, LISTENERS).await?;
    let shown = api.wait_for(&one.id, "disconnected").await?;
    assert_reason(&shown, ReasonCode::StackDeleted);
    one.customer.deleted(&one.stack.stack_id).await?;
    assert_eq!(api.get(&one.id).await?, shown);
    Ok(())
}

/// The customer does not wait for us. We find out by the role, and the vendor ends what is left.
#[tokio::test]
async fn a_stack_whose_deletion_was_forced_while_we_were_down_is_found_by_its_missing_role()
-> Result<(), Error> {
    let (own, api) = OwnScene::with_acme().await?;
    let scene = &own.scene;
    let one = connect_impatiently(&own).await?;
    scene.deafen("us-east-1").await?;
    one.customer
        .delete_stack(&one.stack.stack_id)
        .await?
        .expect("DELETE_FAILED")?;
    one.customer.force_deletion(&one.stack.stack_id).await?;
    one.customer
        .wait(&one.stack.stack_id)
        .await?
        .expect("DELETE_COMPLETE")?;
    let gone = one
        .customer
        .iam
        .get_role()
        .role_name(Connected::ROLE)
        .send()
        .await;
    assert!(gone.is_err(), "the forced deletion took the role with it");
    scene.hear("us-east-1").await?;
    let degraded = scene.degraded(&api, &one.id).await?;
    assert_reason(&degraded, ReasonCode::RoleGone);

    // A new stack in the account takes its place.
    let link = scene.link(&api, "us-east-1").await?;
    let again = StackTemplate::new(&scene.ready, &text(&link, "external_id")?);
    one.customer.launched("Again", &again).await?;
    assert_reason(&api.get(&one.id).await?, ReasonCode::Superseded);
    assert_eq!(api.get(&text(&link, "id")?).await?["status"], "active");
    Ok(())
}

/// A connected customer whose stack does not wait long for our answers.
async fn connect_impatiently(own: &OwnScene) -> Result<Connected, Error> {
    let mut one = own.scene.connect(&own.scene.acme()?, "us-east-1").await?;
    let template = one.template.clone().service_timeout(IMPATIENT);
    one.updated(&template).await?;
    one.shown = own.scene.acme()?.get(&one.id).await?;
    Ok(one)
}
