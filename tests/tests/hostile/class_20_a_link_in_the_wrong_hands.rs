//! Class 20: link phishing: the true template turned against its user, or the true link used by somebody else.
//!
//! Guard: whom the role trusts is written into the published text, and is no parameter (`customer/src/deployment_template.rs`); a
//! link can be bound to an account (`admit`, `shared/core/src/domain/request/admission.rs`), and a deployment can demand that
//! (`RequireAccountId`).

use latchkey_core::domain::{
    instructions::launch_link::{EXTERNAL_ID_PARAMETER, LaunchLink},
    proof::reason::ReasonCode,
};
use latchkey_tests::{
    Error,
    customer::{Customer, StackOutcome},
    refusal::assert_waits_again,
    scene::{OwnScene, Scene, assert_contains, text},
    stack_template::StackTemplate,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::support::percent_decoded;

/// Somebody whom no role shall let in.
const EVIL_ACCOUNT: &str = "123456789012";

#[tokio::test]
async fn a_link_made_for_one_account_is_refused_in_another_and_works_in_its_own() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let owner = scene.new_customer("us-east-1").await?;
    let body = json!({ "name": "For one account", "region": "us-east-1", "account_id": owner.account });
    let link = api.create(&body).await?;
    assert_eq!(link["account_id"], owner.account);
    let thief = scene.new_customer("us-east-1").await?;

    let url = text(&link, "launch_url")?;
    thief.is_refused(&link, ReasonCode::AccountMismatch).await?;
    let shown = api.get(&text(&link, "id")?).await?;
    assert_waits_again(&shown, ReasonCode::AccountMismatch);
    // The thief's account is not shown as the connection's.
    assert_eq!(shown["account_id"], owner.account);

    let stack = owner.open(&url, None).await?;
    owner.wait(&stack).await?.expect("CREATE_COMPLETE")?;
    assert_eq!(api.get(&text(&link, "id")?).await?["status"], "active");
    Ok(())
}

/// Whatever a link or a person writes into the page: the role lets in this vendor and nobody else, or there is none.
#[tokio::test]
async fn no_parameter_of_the_true_template_changes_who_is_trusted_or_told() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let evil_topic = format!("arn:aws:sns:us-east-1:{EVIL_ACCOUNT}:latchkey-listener");
    for (name, value) in [
        ("VendorAccountId", EVIL_ACCOUNT),
        ("VendorAccount", EVIL_ACCOUNT),
        ("PrincipalArn", "*"),
        ("RolePath", "/"),
        ("ServiceToken", evil_topic.as_str()),
        ("TopicArn", evil_topic.as_str()),
        ("ListenerTopicName", "evil"),
        ("RoleArn", "arn:aws:iam::123456789012:role/evil"),
    ] {
        let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
        let parameters = [(EXTERNAL_ID_PARAMETER, link.external_id.as_str()), (name, value)];
        // AWS refuses a parameter that the template does not have; the local one takes it for nothing.
        if customer
            .open_with(&LaunchLink::parse(&link.url)?, "Phished", &parameters)
            .await
            .is_ok()
        {
            let outcome = customer.wait("Phished").await?;
            outcome.expect("CREATE_COMPLETE")?;
            assert_trusts_the_vendor_alone(&scene, &customer, &outcome, &link.external_id)
                .await
                .map_err(|error| format!("{name}: {error}"))?;
            assert_eq!(api.get(&link.id).await?["account_id"], customer.account);
        }
    }
    Ok(())
}

/// Values of the one parameter that there is, which would end the condition or widen it.
#[tokio::test]
async fn no_value_of_the_one_parameter_widens_the_trust_policy() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let link = scene.link(&api, "us-east-1").await?;
    let url = text(&link, "launch_url")?;
    let external_id = text(&link, "external_id")?;
    for value in [
        "*",
        "",
        "tz4a*",
        "\"}}",
        &external_id.to_uppercase(),
        "${AWS::AccountId}",
    ] {
        let customer = scene.new_customer("us-east-1").await?;
        let opened = customer
            .open_with(
                &LaunchLink::parse(&url)?,
                "Phished",
                &[(EXTERNAL_ID_PARAMETER, value)],
            )
            .await;
        if opened.is_ok() {
            let outcome = customer.wait("Phished").await?;
            assert_ne!(outcome.status, "CREATE_COMPLETE", "{value:?}");
        }
    }
    assert_eq!(api.get(&text(&link, "id")?).await?["status"], "pending");
    let customer = scene.new_customer("us-east-1").await?;
    let stack = customer.open(&url, None).await?;
    let outcome = customer.wait(&stack).await?;
    outcome.expect("CREATE_COMPLETE")?;
    assert_trusts_the_vendor_alone(&scene, &customer, &outcome, &external_id).await
}

async fn assert_trusts_the_vendor_alone(
    scene: &Scene,
    customer: &Customer,
    stack: &StackOutcome,
    external_id: &str,
) -> Result<(), Error> {
    let name = stack.outputs["RoleArn"].rsplit('/').next().unwrap_or_default();
    let role = customer.iam.get_role().role_name(name).send().await?;
    let trust = role.role().and_then(|role| role.assume_role_policy_document());
    let trust: Value = serde_json::from_str(&percent_decoded(trust.ok_or("no trust policy")?))?;
    let template = StackTemplate::new(&scene.ready, external_id);
    let mut wanted = template.published_trust();
    // The second statement lets the same principals say what they come for, and lets nobody in.
    let mut says = wanted["Statement"][0].clone();
    says["Sid"] = json!("VendorSaysWhatItComesFor");
    says["Action"] = json!(["sts:SetSourceIdentity", "sts:TagSession"]);
    says["Condition"] = json!({
        "ArnLike": template.vendor_roles(),
        "ForAllValues:StringLike": { "aws:TagKeys": "latchkey:*" },
    });
    wanted["Statement"][0]["Sid"] = json!("VendorWithExternalIdOnly");
    wanted["Statement"]
        .as_array_mut()
        .ok_or("no statements")?
        .push(says);
    assert_eq!(trust, wanted);
    Ok(())
}

#[tokio::test]
async fn a_deployment_that_requires_the_account_makes_no_link_without_one() -> Result<(), Error> {
    let own = OwnScene::with(&[("RequireAccountId", "true")]).await?;
    let scene = &own.scene;
    let api = scene.acme()?;
    for body in [
        json!({ "name": "Anybody's", "region": "us-east-1" }),
        json!({ "name": "Anybody's", "account_id": null }),
    ] {
        let answer = api.call(Method::POST, "/v1/connections", Some(&body)).await?;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert_contains(&answer.body["detail"], "account_id");
    }
    let listed = api.call(Method::GET, "/v1/connections", None).await?;
    assert_eq!(listed.body["connections"], json!([]));

    let owner = scene.new_customer("us-east-1").await?;
    let link = api
        .create(&json!({ "name": "One account's", "region": "us-east-1", "account_id": owner.account }))
        .await?;
    let thief = scene.new_customer("us-east-1").await?;
    let stack = thief.open(&text(&link, "launch_url")?, None).await?;
    thief
        .wait(&stack)
        .await?
        .expect_refusal("ROLLBACK_COMPLETE", ReasonCode::AccountMismatch)?;
    owner.follow(&link).await?;
    Ok(())
}
