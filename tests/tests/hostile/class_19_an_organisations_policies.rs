//! Class 19: policies of the customer's organisation, and permissions boundaries, that stand in the way.
//!
//! Guard: whose policy denies is told apart as IAM tells it (`decision`, `shared/aws/src/role_inspector.rs`), and only
//! what the role lacks itself is judged (`Decision::is_judged`, `shared/core/src/domain/proof/permissions.rs`). The
//! organisation's answer is put into IAM's by a proxy, in the shape that AWS documents.

use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::{
    Error,
    refusal::{IMPATIENT, refused, waits_again},
    scene::{OwnScene, Scene},
    stack_template::{StackTemplate, allow, trust_policy},
    sts_proxy::{Mood, StsProxy},
};
use serde_json::{Value, json};

#[tokio::test]
async fn what_an_organisation_denies_is_an_estimate_and_not_the_roles_fault() -> Result<(), Error> {
    let (own, api) = OwnScene::with_acme().await?;
    let scene = &own.scene;
    let iam = StsProxy::before(scene).await?;
    let before = scene.connect(&api, "us-east-1").await?;
    iam.becomes(Mood::OrganisationDenies);
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    customer.launched("Governed", &link.template).await?;
    let proven = scene.proven_after(&api, &before.id, &before.shown).await?;
    for shown in [api.get(&link.id).await?, proven] {
        let permissions = &shown["permissions"];
        assert_eq!(permissions["missing"], json!([]), "{shown}");
        let estimates = permissions["estimates"].as_array().ok_or("no list")?;
        let told = |it: &Value| it["action"] == "ec2:DescribeRegions" && it["denied_by"] == "organization";
        assert!(estimates.iter().any(told), "{shown}");
    }
    Ok(())
}

/// A boundary that keeps the role from looking at itself: that is no estimate, it was tried.
#[tokio::test]
async fn a_permissions_boundary_that_leaves_the_role_nothing_is_told_as_missing_permissions()
-> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    let boundary = customer
        .iam
        .create_policy()
        .policy_name("Boundary")
        .policy_document(allow(&["s3:ListAllMyBuckets"]).to_string())
        .send()
        .await?;
    let boundary = boundary
        .policy()
        .and_then(|policy| policy.arn())
        .ok_or("no ARN")?;
    let role = customer.make_role_of("Bounded", &link.template).await?;
    customer
        .iam
        .put_role_permissions_boundary()
        .role_name("Bounded")
        .permissions_boundary(boundary)
        .send()
        .await?;
    let bounded = link
        .template
        .clone()
        .claims_role(&role)
        .service_timeout(IMPATIENT);
    let outcome = customer.launch("Bounded", &bounded).await?;
    assert_eq!(outcome.status, "ROLLBACK_COMPLETE");
    let told = |reason: &String| {
        reason.contains("[permissions_missing]") && reason.contains("iam:SimulatePrincipalPolicy")
    };
    assert!(outcome.reasons.iter().any(told), "{:?}", outcome.reasons);
    waits_again(&api, &link.id, ReasonCode::PermissionsMissing).await?;
    customer.launched("Unbounded", &link.template).await?;
    Ok(())
}

/// A policy that forbids `sts:AssumeRole` looks like a role that cannot be assumed: AWS says no more.
#[tokio::test]
async fn a_denial_of_assume_role_is_told_as_a_role_that_cannot_be_assumed() -> Result<(), Error> {
    let scene = Scene::open()?;
    let denied = |template: StackTemplate, _: &latchkey_tests::customer::Customer| {
        let mut trust = template.published_trust();
        let mut deny = trust_policy("*", json!({}))["Statement"][0].clone();
        deny["Effect"] = json!("Deny");
        deny["Principal"] = json!({ "AWS": "*" });
        if let Some(statements) = trust["Statement"].as_array_mut() {
            statements.push(deny);
        }
        template.trust(trust).service_timeout(IMPATIENT)
    };
    refused(&scene, "an explicit denial", ReasonCode::RoleNotAssumable, denied).await
}
