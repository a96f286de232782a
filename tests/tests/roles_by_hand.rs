//! Roles that a customer made by hand, without a stack: the vendor names them, and the same proof applies.

use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::{
    Error,
    api::{Answer, Api},
    refusal::assert_reason,
    scene::{Scene, assert_shows, text},
    stack_template::trust_policy,
};
use reqwest::Method;
use serde_json::json;

async fn named(api: &Api, id: &str, role_arn: &str) -> Result<Answer, Error> {
    let body = json!({ "role_arn": role_arn });
    api.call(Method::POST, &format!("/v1/connections/{id}/role"), Some(&body))
        .await
}

#[tokio::test]
async fn a_role_made_by_hand_is_proven_checked_rotated_and_ended() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    let trust = link.template.published_trust();
    let role_arn = customer.make_role("ByHand", &trust).await?;
    let answer = named(&api, &link.id, &role_arn).await?;
    answer.shows(202, json!({ "status": "verifying" }));
    let active = api.wait_for(&link.id, "active").await?;
    assert_shows(
        &active,
        json!({ "role_arn": role_arn, "stack_id": null, "account_id": customer.account }),
    );
    assert_eq!(active.get("update"), None, "there is no stack to update");

    // It is checked like any other.
    let proven = scene.proven_after(&api, &link.id, &active).await?;
    assert_eq!(proven["status"], "active");
    let open = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": { "AWS": format!("arn:aws:iam::{}:root", scene.ready.vendor_account) },
    }]});
    customer.set_trust("ByHand", &open.to_string()).await?;
    let degraded = scene.degraded(&api, &link.id).await?;
    assert_reason(&degraded, ReasonCode::ExternalIdNotEnforced);
    customer.set_trust("ByHand", &trust.to_string()).await?;

    // Its external ID is rotated without a stack: the customer changes the trust, the vendor names the role again.
    let path = format!("/v1/connections/{}/rotate-external-id", link.id);
    let started = api.call(Method::POST, &path, None).await?;
    let next = text(&started.body["rotation"], "external_id")?;
    assert_eq!(started.body["rotation"].get("update_command"), None);
    let changed = trust.to_string().replace(&link.external_id, &next);
    customer.set_trust("ByHand", &changed).await?;
    assert_eq!(named(&api, &link.id, &role_arn).await?.status, 202);
    let rotated = api
        .wait_until(&link.id, |connection| connection["external_id"] == json!(next))
        .await?;
    assert_eq!(rotated["status"], "active");

    assert_eq!(api.delete(&link.id).await?["status"], "disconnected");
    let over = named(&api, &link.id, &role_arn).await?;
    over.shows(
        409,
        json!({ "type": "urn:latchkey:problem:disconnected_by_vendor" }),
    );
    Ok(())
}

#[tokio::test]
async fn a_role_that_is_open_or_closed_to_all_is_refused_with_its_reason_and_works_once_repaired()
-> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    let open = json!({ "ArnLike": link.template.vendor_roles() });
    let role_arn = customer
        .make_role("ByHand", &trust_policy(&scene.ready.vendor_account, open))
        .await?;
    named(&api, &link.id, &role_arn).await?;
    let refused = api.wait_for_reason(&link.id).await?;
    assert_shows(
        &refused,
        json!({ "status": "pending", "reason": { "code": ReasonCode::ExternalIdNotEnforced.as_str() } }),
    );
    let published = link.template.published_trust();
    customer.set_trust("ByHand", &published.to_string()).await?;
    named(&api, &link.id, &role_arn).await?;
    assert_eq!(
        api.wait_for(&link.id, "active").await?["role_arn"],
        json!(role_arn)
    );

    let own = format!("arn:aws:iam::{}:role/Own", scene.ready.vendor_account);
    let other = scene.link(&api, "us-east-1").await?;
    let answer = named(&api, &text(&other, "id")?, &own).await?;
    answer.shows(409, json!({ "type": "urn:latchkey:problem:vendor_account" }));
    Ok(())
}

#[tokio::test]
async fn a_stacks_connection_keeps_its_role_and_a_taken_role_is_refused() -> Result<(), Error> {
    let (scene, api, one) = Scene::with_connected().await?;
    let role_arn = text(&one.shown, "role_arn")?;
    let answer = named(&api, &one.id, &role_arn).await?;
    assert_eq!(answer.status, 409, "{}", answer.body);
    assert!(
        answer.body["detail"].to_string().contains("stack"),
        "{}",
        answer.body
    );

    // A second tenant names the same role, with a trust that would let both in: one role is one connection's.
    let theirs = scene.globex()?;
    let link = scene.link(&theirs, "us-east-1").await?;
    let both =
        json!({ "StringEquals": { "sts:ExternalId": [one.external_id, text(&link, "external_id")?] } });
    let trust = trust_policy(&scene.ready.vendor_account, both);
    one.customer
        .set_trust(latchkey_tests::scene::Connected::ROLE, &trust.to_string())
        .await?;
    let id = text(&link, "id")?;
    named(&theirs, &id, &role_arn).await?;
    let refused = theirs.wait_for_reason(&id).await?;
    assert_reason(&refused, ReasonCode::RoleAlreadyConnected);
    assert_eq!(api.get(&one.id).await?["status"], "active");
    Ok(())
}
