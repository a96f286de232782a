//! A customer's account connects, end to end: API, launch link, CloudFormation, SNS, listener, queue, verifier, STS.

use latchkey_tests::{Error, scene::Scene};

#[tokio::test]
async fn a_customer_in_another_account_and_region_connects_with_the_published_template() -> Result<(), Error>
{
    let scene = Scene::open()?;
    let api = scene.acme()?;
    for region in ["us-east-1", "eu-west-1", "ap-southeast-2"] {
        let connection = scene.link(&api, region).await?;
        assert_eq!(connection["status"], "pending");
        let customer = scene.new_customer(region).await?;
        let stack = customer
            .open(connection["launch_url"].as_str().ok_or("no link")?, None)
            .await?;
        let outcome = customer.wait(&stack).await?;
        assert_eq!(outcome.status, "CREATE_COMPLETE", "{:?}", outcome.reasons);
        assert_eq!(
            outcome.outputs["ConnectionId"],
            connection["id"].as_str().unwrap()
        );
        assert_eq!(outcome.outputs["Status"], "active");

        let shown = api.get(connection["id"].as_str().unwrap()).await?;
        assert_eq!(shown["status"], "active");
        assert_eq!(shown["account_id"], customer.account);
        assert_eq!(shown["role_arn"], outcome.outputs["RoleArn"]);
        assert_eq!(shown["stack_id"], outcome.stack_id);
        assert_eq!(shown["region"], region);
        assert!(shown["last_verified_at"].is_string());
        assert_eq!(shown["reason"], serde_json::Value::Null);
        assert!(
            shown.get("launch_url").is_none(),
            "a link that was used is not shown again"
        );
    }
    Ok(())
}
