//! What IAM's simulation says that a role may do, and what it can do.

use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::{
    Error,
    customer::Customer,
    refusal::IMPATIENT,
    scene::{Link, Scene, assert_shows, fresh_account, text},
    stack_template::{PUBLISHED_ACTIONS, StackTemplate, allow},
};
use serde_json::{Value, json};

/// What of the published permissions is about the role itself and the account, and no region's.
const GLOBAL: [&str; 3] = [PUBLISHED_ACTIONS[0], PUBLISHED_ACTIONS[1], PUBLISHED_ACTIONS[3]];
const REGIONAL: &str = PUBLISHED_ACTIONS[2];

fn in_region(region: &str) -> Value {
    json!({ "StringEquals": { "aws:RequestedRegion": region } })
}

/// Those permissions, the regional one under a condition.
fn under(condition: &Value) -> Value {
    let mut policy = allow(&GLOBAL);
    let mut regional = allow(&[REGIONAL])["Statement"][0].clone();
    regional["Condition"] = condition.clone();
    if let Some(statements) = policy["Statement"].as_array_mut() {
        statements.push(regional);
    }
    policy
}

fn with_policy(template: StackTemplate, policy: &Value) -> StackTemplate {
    let policies = json!([{ "PolicyName": "own", "PolicyDocument": policy }]);
    template.role_property("Policies", policies)
}

/// What is estimated of the one action that depends on a region.
fn estimate(by: &str) -> Value {
    json!([{ "action": REGIONAL, "denied_by": by }])
}

/// Asserts that the connection is active with these estimates.
fn assert_estimates(shown: &Value, estimates: Value) {
    assert_eq!(shown["status"], "active", "{shown}");
    let permissions = &shown["permissions"];
    assert_shows(permissions, json!({ "missing": [] }));
    let found: Vec<_> = permissions["estimates"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|it| json!({ "action": it["action"], "denied_by": it["denied_by"] }))
        .collect();
    assert_eq!(json!(found), estimates, "{shown}");
}

/// A4; failed at 51a4ca2: IAM was told no region.
#[tokio::test]
async fn a_permission_for_the_stacks_region_alone_is_enough() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (link, customer) = scene.newcomer(&api, "eu-west-1").await?;
    let template = with_policy(link.template, &under(&in_region("eu-west-1")));
    customer.launched("Regional", &template).await?;
    assert_estimates(&api.get(&link.id).await?, json!([]));

    // One for another region is none.
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    let template = with_policy(link.template, &under(&in_region("eu-west-1"))).service_timeout(IMPATIENT);
    let outcome = customer.launch("Elsewhere", &template).await?;
    outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::PermissionsMissing)
}

/// A4 by hand: the region is the one that the link opens; failed at 51a4ca2.
#[tokio::test]
async fn a_role_by_hand_is_held_against_the_links_region() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (link, customer) = scene.newcomer(&api, "eu-west-1").await?;
    let role = customer.make_role_of("Regional", &link.template).await?;
    put_policy(&customer, "Regional", &under(&in_region("eu-west-1"))).await?;
    let path = format!("/v1/connections/{}/role", link.id);
    let body = json!({ "role_arn": role });
    let answer = api.call(reqwest::Method::POST, &path, Some(&body)).await?;
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    assert_estimates(&api.wait_for(&link.id, "active").await?, json!([]));
    Ok(())
}

/// A4; fails where an answer with missing context values is taken for a denial.
#[tokio::test]
async fn a_condition_that_iam_knows_nothing_of_is_an_estimate() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    let condition = json!({ "StringEquals": { "aws:SourceVpc": "vpc-1" } });
    customer
        .launched("Vpc", &with_policy(link.template, &under(&condition)))
        .await?;
    assert_estimates(&api.get(&link.id).await?, estimate("condition"));
    Ok(())
}

async fn put_policy(customer: &Customer, role: &str, policy: &Value) -> Result<(), Error> {
    let put = customer.iam.put_role_policy().role_name(role);
    put.policy_name("connection")
        .policy_document(policy.to_string())
        .send()
        .await?;
    Ok(())
}

/// A role that may do everything that its boundary lets it do in eu-west-1 alone, but for what has no region.
async fn bounded(scene: &Scene, region: &str) -> Result<(Link, Customer, StackTemplate), Error> {
    let api = scene.acme()?;
    let (link, customer) = scene.newcomer(&api, region).await?;
    let mut boundary = under(&in_region("eu-west-1"));
    boundary["Statement"][1]["Action"] = json!("*");
    let made = customer
        .iam
        .create_policy()
        .policy_name("Regions")
        .policy_document(boundary.to_string())
        .send()
        .await?;
    let boundary = made.policy().and_then(|policy| policy.arn()).ok_or("no ARN")?;
    let role = customer.make_role_of("Bounded", &link.template).await?;
    customer
        .iam
        .put_role_permissions_boundary()
        .role_name("Bounded")
        .permissions_boundary(boundary)
        .send()
        .await?;
    let template = link.template.clone().claims_role(&role);
    Ok((link, customer, template))
}

/// A4 with a boundary, which AWS evaluates with its conditions; fails where what it denies is judged.
#[tokio::test]
async fn a_boundary_of_some_regions_neither_fails_nor_degrades() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (link, customer, template) = bounded(&scene, "eu-west-1").await?;
    customer.launched("Inside", &template).await?;
    assert_estimates(&api.get(&link.id).await?, json!([]));

    let (link, customer, template) = bounded(&scene, "us-east-1").await?;
    customer.launched("Outside", &template).await?;
    let shown = api.get(&link.id).await?;
    assert_estimates(&shown, estimate("permissions_boundary"));
    let proven = scene.proven_after(&api, &link.id, &shown).await?;
    assert_estimates(&proven, estimate("permissions_boundary"));
    Ok(())
}

/// Calls AWS Organizations as the root of an account.
pub async fn organizations(
    scene: &Scene,
    account: &str,
    operation: &str,
    body: &Value,
) -> Result<Value, Error> {
    let scope = format!("{account}/20261201/us-east-1/organizations/aws4_request");
    let answer = reqwest::Client::new()
        .post(&scene.ready.endpoint)
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", format!("AWSOrganizationsV20161128.{operation}"))
        // The local AWS takes a root's word for it.
        .header(
            "authorization",
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"),
        )
        .body(body.to_string())
        .send()
        .await?
        .error_for_status()?;
    Ok(serde_json::from_slice(&answer.bytes().await?)?)
}

/// An account of an organization that lets its accounts act in eu-west-1 alone.
async fn member_under_a_region_lock(scene: &Scene) -> Result<String, Error> {
    let management = fresh_account();
    let call = async |operation: &str, body: Value| organizations(scene, &management, operation, &body).await;
    let made = call(
        "CreateAccount",
        json!({ "Email": "m@example.com", "AccountName": "m" }),
    )
    .await?;
    let member = text(&made["CreateAccountStatus"], "AccountId")?;
    let lock = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Deny",
            "NotAction": ["iam:*", "sts:*", "cloudformation:*", "sns:*"],
            "Resource": "*",
            "Condition": { "StringNotEquals": { "aws:RequestedRegion": "eu-west-1" } },
        }],
    });
    let policy = json!({
        "Name": "lock", "Description": "d", "Type": "SERVICE_CONTROL_POLICY", "Content": lock.to_string(),
    });
    let policy = call("CreatePolicy", policy).await?;
    let id = text(&policy["Policy"]["PolicySummary"], "Id")?;
    call("AttachPolicy", json!({ "PolicyId": id, "TargetId": member })).await?;
    Ok(member)
}

/// A region lock (aws-review 1); failed at 51a4ca2 with `blocked_by_organization_policy`.
#[tokio::test]
async fn a_region_lock_neither_fails_nor_degrades() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    for (region, estimates) in [("eu-west-1", json!([])), ("us-east-1", estimate("organization"))] {
        let (link, _) = scene.newcomer(&api, region).await?;
        let member = member_under_a_region_lock(&scene).await?;
        let customer = Customer::sign_in(&scene.ready.endpoint, &member, region).await?;
        customer.launched("Locked", &link.template).await?;
        let shown = api.get(&link.id).await?;
        assert_estimates(&shown, estimates.clone());
        let proven = scene.proven_after(&api, &link.id, &shown).await?;
        assert_estimates(&proven, estimates);
    }
    Ok(())
}
