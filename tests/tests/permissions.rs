//! What a customer's role may do, asked of the real IAM by the role itself.

use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::{
    Error,
    refusal::assert_reason,
    scene::{Scene, assert_contains, assert_shows},
};
use serde_json::json;

#[tokio::test]
async fn the_published_template_grants_what_its_tier_asks_for_and_nothing_of_the_canary_list()
-> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    customer.follow(&link.shown).await?;
    let expected = json!({ "tier": "account-basics", "missing": [], "estimates": [], "excessive": [] });
    assert_shows(&api.get(&link.id).await?["permissions"], expected);
    Ok(())
}

#[tokio::test]
async fn a_role_that_lacks_a_permission_fails_its_stack_and_names_it() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let most = "iam:GetRole iam:SimulatePrincipalPolicy iam:ListAccountAliases";
    for (actions, missing) in [
        (most, "ec2:DescribeRegions"),
        ("ec2:DescribeRegions", "iam:SimulatePrincipalPolicy"),
    ] {
        let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
        let template = link.template.allows(&actions.split(' ').collect::<Vec<_>>());
        let outcome = customer.launch("lacking", &template).await?;
        outcome.expect("ROLLBACK_COMPLETE")?;
        let reasons = outcome.reasons.join("\n");
        assert_contains(&reasons, &format!("Missing: {missing}."));
        assert_contains(&reasons, "[permissions_missing]");
        let shown = api.get(&link.id).await?;
        assert_eq!(shown["status"], "pending");
        assert_reason(&shown, ReasonCode::PermissionsMissing);
    }
    Ok(())
}

#[tokio::test]
async fn an_administrator_role_connects_and_what_it_can_do_too_much_is_shown() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    customer.launched("mighty", &link.template.allows(&["*"])).await?;
    let shown = api.get(&link.id).await?;
    let excessive = shown["permissions"]["excessive"].as_array().ok_or("no list")?;
    for canary in ["iam:CreateUser", "s3:GetObject", "sts:AssumeRole"] {
        assert!(excessive.contains(&json!(canary)), "{canary} in {excessive:?}");
    }
    Ok(())
}
