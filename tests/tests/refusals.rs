//! Roles that a customer got wrong: the stack fails with a sentence, the link waits again, and nothing else changes.
//! Every stack here runs through CloudFormation with the customer's own session. What is hostile is in `hostile/`.

use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::{
    Error,
    customer::Customer,
    refusal::{IMPATIENT, refused},
    scene::{Scene, text},
    stack_template::{PUBLISHED_ACTIONS, StackTemplate},
};
use serde_json::json;

#[tokio::test]
async fn a_role_that_is_not_there_or_asks_for_another_external_id_is_refused() -> Result<(), Error> {
    let scene = Scene::open()?;
    let code = ReasonCode::RoleNotAssumable;
    let elsewhere = |template: StackTemplate, _: &Customer| {
        let condition = json!({
            "ArnLike": template.vendor_roles(),
            "StringEquals": { "sts:ExternalId": "tz4a98xxat96iws9zmbrgj3atz4a98xx" },
        });
        template.condition(condition).service_timeout(IMPATIENT)
    };
    let upper_case = |template: StackTemplate, _: &Customer| {
        let condition = template.published_condition();
        let id = condition["StringEquals"]["sts:ExternalId"]
            .as_str()
            .unwrap_or_default()
            .to_uppercase();
        let condition = json!({ "StringEquals": { "sts:ExternalId": id } });
        template.condition(condition).service_timeout(IMPATIENT)
    };
    let missing = |template: StackTemplate, customer: &Customer| {
        template
            .claims_role(&customer.role_arn("Nowhere"))
            .service_timeout(IMPATIENT)
    };
    futures::try_join!(
        refused(&scene, "another external ID", code, elsewhere),
        refused(&scene, "the external ID in upper case", code, upper_case),
        refused(&scene, "no such role", code, missing),
    )?;
    Ok(())
}

#[tokio::test]
async fn a_role_that_lacks_what_the_template_asks_for_is_refused_and_each_missing_action_is_named()
-> Result<(), Error> {
    let scene = Scene::open()?;
    let code = ReasonCode::PermissionsMissing;
    let lacking = |actions: &'static [&'static str]| {
        move |template: StackTemplate, _: &Customer| template.allows(actions).service_timeout(IMPATIENT)
    };
    futures::try_join!(
        refused(&scene, "no permissions at all", code, lacking(&[])),
        refused(
            &scene,
            "one is missing",
            code,
            lacking(&[
                "iam:GetRole",
                "iam:SimulatePrincipalPolicy",
                "ec2:DescribeRegions"
            ])
        ),
    )?;

    let api = scene.acme()?;
    let link = scene.link(&api, "us-east-1").await?;
    let template = StackTemplate::new(&scene.ready, &text(&link, "external_id")?)
        .allows(&["iam:SimulatePrincipalPolicy", "iam:GetRole"])
        .service_timeout(IMPATIENT);
    let customer = scene.new_customer("us-east-1").await?;
    let outcome = customer.launch("Lacking", &template).await?;
    outcome.expect_refusal("ROLLBACK_COMPLETE", code)?;
    for action in ["ec2:DescribeRegions", "iam:ListAccountAliases"] {
        assert!(
            outcome.reasons.iter().any(|reason| reason.contains(action)),
            "{outcome:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_role_that_may_do_more_than_it_was_asked_for_connects_and_is_shown_as_that() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let link = scene.link(&api, "us-east-1").await?;
    let mut actions = PUBLISHED_ACTIONS.to_vec();
    actions.extend(["s3:GetObject", "iam:CreateUser"]);
    let template = StackTemplate::new(&scene.ready, &text(&link, "external_id")?).allows(&actions);
    let customer = scene.new_customer("us-east-1").await?;
    customer
        .launch("Generous", &template)
        .await?
        .expect("CREATE_COMPLETE")?;
    let shown = api.get(&text(&link, "id")?).await?;
    assert_eq!(shown["status"], "active");
    assert_eq!(
        shown["permissions"]["excessive"],
        json!(["iam:CreateUser", "s3:GetObject"])
    );
    assert_eq!(shown["permissions"]["missing"], json!([]));
    Ok(())
}
