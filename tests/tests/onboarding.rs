//! A customer's account connects, end to end: API, launch link, CloudFormation, SNS, listener, queue, verifier, STS.

use latchkey_tests::{
    Error,
    scene::{Scene, assert_shows},
};
use serde_json::json;

#[tokio::test]
async fn a_customer_in_another_account_and_region_connects_with_the_published_template() -> Result<(), Error>
{
    let (scene, api) = Scene::with_acme()?;
    for region in ["us-east-1", "eu-west-1", "ap-southeast-2"] {
        let (link, customer) = scene.newcomer(&api, region).await?;
        assert_eq!(link.shown["status"], "pending");
        let outcome = customer.follow(&link.shown).await?;
        assert_eq!(outcome.outputs["ConnectionId"], link.id);
        assert_eq!(outcome.outputs["Status"], "active");
        let shown = api.get(&link.id).await?;
        let (role, account) = (&outcome.outputs["RoleArn"], &customer.account);
        assert_shows(
            &shown,
            json!({
                "status": "active", "account_id": account, "role_arn": role, "stack_id": outcome.stack_id,
                "region": region, "reason": null,
            }),
        );
        assert!(shown["last_verified_at"].is_string());
        // A link that was used is not shown again.
        assert!(shown.get("launch_url").is_none());
    }
    Ok(())
}
