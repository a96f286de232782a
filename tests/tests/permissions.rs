//! What a customer's role may do, asked of the real IAM by the role itself.

use latchkey_tests::{Error, scene::Scene, stack_template::StackTemplate};
use serde_json::json;

#[tokio::test]
async fn the_published_template_grants_what_its_tier_asks_for_and_nothing_of_the_canary_list()
-> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let connection = scene.link(&api, "us-east-1").await?;
    let customer = scene.new_customer("us-east-1").await?;
    let stack = customer
        .open(connection["launch_url"].as_str().ok_or("no link")?, None)
        .await?;
    assert_eq!(customer.wait(&stack).await?.status, "CREATE_COMPLETE");
    let shown = api.get(connection["id"].as_str().ok_or("no id")?).await?;
    assert_eq!(shown["permissions"]["tier"], "account-basics");
    assert_eq!(shown["permissions"]["missing"], json!([]));
    assert_eq!(shown["permissions"]["excessive"], json!([]));
    Ok(())
}

#[tokio::test]
async fn a_role_that_lacks_a_permission_fails_its_stack_and_names_it() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    for (actions, missing) in [
        (
            &[
                "iam:GetRole",
                "iam:SimulatePrincipalPolicy",
                "iam:ListAccountAliases",
            ][..],
            "Missing: ec2:DescribeRegions.",
        ),
        (
            &["ec2:DescribeRegions"][..],
            "Missing: iam:SimulatePrincipalPolicy.",
        ),
    ] {
        let connection = scene.link(&api, "us-east-1").await?;
        let customer = scene.new_customer("us-east-1").await?;
        let external_id = connection["external_id"].as_str().ok_or("no external id")?;
        let template = StackTemplate::new(&scene.ready, external_id).allows(actions);
        customer.create_stack("lacking", &template.text()).await?;
        let outcome = customer.wait("lacking").await?;
        assert_eq!(outcome.status, "ROLLBACK_COMPLETE");
        let reasons = outcome.reasons.join("\n");
        assert!(
            reasons.contains(missing) && reasons.contains("[permissions_missing]"),
            "{reasons}"
        );
        let shown = api.get(connection["id"].as_str().ok_or("no id")?).await?;
        assert_eq!(shown["status"], "pending");
        assert_eq!(shown["reason"]["code"], "permissions_missing");
    }
    Ok(())
}

#[tokio::test]
async fn an_administrator_role_connects_and_what_it_can_do_too_much_is_shown() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let connection = scene.link(&api, "us-east-1").await?;
    let customer = scene.new_customer("us-east-1").await?;
    let external_id = connection["external_id"].as_str().ok_or("no external id")?;
    customer
        .create_stack(
            "mighty",
            &StackTemplate::new(&scene.ready, external_id)
                .allows(&["*"])
                .text(),
        )
        .await?;
    assert_eq!(customer.wait("mighty").await?.status, "CREATE_COMPLETE");
    let shown = api.get(connection["id"].as_str().ok_or("no id")?).await?;
    let excessive = shown["permissions"]["excessive"].as_array().ok_or("no list")?;
    for canary in ["iam:CreateUser", "s3:GetObject", "sts:AssumeRole"] {
        assert!(excessive.contains(&json!(canary)), "{canary} in {excessive:?}");
    }
    Ok(())
}
