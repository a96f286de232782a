//! Roles that were made by hand: nobody of them has a stack.

use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::{
    Error,
    api::{Answer, Api},
    refusal::assert_reason,
    scene::{Scene, assert_contains, text},
};
use reqwest::Method;
use serde_json::{Value, json};

async fn named(api: &Api, id: &str, role_arn: &str) -> Result<Answer, Error> {
    let body = json!({ "role_arn": role_arn });
    api.call(Method::POST, &format!("/v1/connections/{id}/role"), Some(&body))
        .await
}

/// The sentence says this, and nothing of a stack.
#[track_caller]
fn assert_says(sentence: &Value, part: &str) {
    assert_contains(sentence, part);
    assert!(!sentence.to_string().contains("stack"), "{sentence}");
}

/// A13 and A15; at 51a4ca2 each of these sentences told of a stack, and a pasted blank was refused.
#[tokio::test]
async fn a_role_by_hand_reads_of_no_stack_from_its_first_failure_to_its_end() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    let role_arn = customer.role_arn("ByHand");
    assert_eq!(named(&api, &link.id, &role_arn).await?.status, 202);
    let refused = api.wait_for_reason(&link.id).await?;
    assert_reason(&refused, ReasonCode::RoleNotAssumable);
    assert_says(&refused["reason"]["message"], "name the role again");

    customer.make_role_of("ByHand", &link.template).await?;
    assert_eq!(
        named(&api, &link.id, &format!(" {role_arn}\n")).await?.status,
        202
    );
    api.wait_for(&link.id, "active").await?;
    customer.delete_role("ByHand").await?;
    let degraded = scene.degraded(&api, &link.id).await?;
    assert_reason(&degraded, ReasonCode::RoleGone);
    assert_says(&degraded["reason"]["message"], "end the connection");

    let ended = api.delete(&link.id).await?;
    assert_says(&ended["reason"]["message"], "delete the role");
    let over = named(&api, &link.id, &role_arn).await?;
    over.shows(
        409,
        json!({ "type": "urn:latchkey:problem:disconnected_by_vendor" }),
    );
    assert_says(&over.body["detail"], "delete the role");
    Ok(())
}

/// A13; failed at 51a4ca2.
#[tokio::test]
async fn a_role_of_another_account_than_the_links_reads_of_no_link() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let customer = scene.new_customer("us-east-1").await?;
    let body = json!({ "name": "x", "account_id": latchkey_tests::scene::fresh_account() });
    let id = text(&api.create(&body).await?, "id")?;
    let answer = named(&api, &id, &customer.role_arn("ByHand")).await?;
    answer.shows(409, json!({ "type": "urn:latchkey:problem:account_mismatch" }));
    assert_says(&answer.body["detail"], "name a role of that account");
    assert!(
        !answer.body["detail"].to_string().contains("link"),
        "{}",
        answer.body
    );
    Ok(())
}
