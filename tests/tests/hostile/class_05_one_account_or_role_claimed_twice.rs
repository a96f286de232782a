//! Class 5: one account or role that two tenants claim.
//!
//! Guard: a claim on each role, whoever its tenant, and one on each account for each tenant; both are conditions of
//! the write that connects (`shared/aws/src/dynamodb/commit.rs`).
//! Shown to fail without it: `tests/mutations/i8-role-claim.patch`, `tests/mutations/i8-tenant-claim.patch`.

use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::{
    Error,
    refusal::waits_again,
    scene::{Scene, assert_shows, settled, text},
    stack_template::StackTemplate,
};
use serde_json::json;

/// What the probes can see is that a *fresh* external ID is refused, which is what keeps others out (I3). A list of
/// further values is the customer's own choice and closes nobody's door; a role still belongs to one connection.
#[tokio::test]
async fn a_role_that_names_further_external_ids_connects_once_and_belongs_to_one_connection()
-> Result<(), Error> {
    let scene = Scene::open()?;
    let (acme, globex) = (scene.acme()?, scene.globex()?);
    let (first, second) = (
        scene.link(&acme, "us-east-1").await?,
        scene.link(&globex, "us-east-1").await?,
    );
    let customer = scene.new_customer("us-east-1").await?;
    let template = StackTemplate::new(&scene.ready, &text(&first, "external_id")?).role_name("Shared");
    let both = json!([first["external_id"], second["external_id"]]);
    let trust = template.clone().condition(json!({
        "ArnLike": template.vendor_roles(),
        "StringEquals": { "sts:ExternalId": both },
    }));
    customer.launched("First", &trust).await?;
    let before = settled(&acme.get(&text(&first, "id")?).await?);
    assert_eq!(before["status"], "active");

    let greedy = StackTemplate::new(&scene.ready, &text(&second, "external_id")?)
        .claims_role(&customer.role_arn("Shared"));
    let outcome = customer.launch("Second", &greedy).await?;
    outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::RoleAlreadyConnected)?;
    waits_again(&globex, &text(&second, "id")?, ReasonCode::RoleAlreadyConnected).await?;
    assert_eq!(settled(&acme.get(&text(&first, "id")?).await?), before);
    Ok(())
}

#[tokio::test]
async fn two_tenants_connect_one_account_each_with_a_role_of_its_own_and_do_not_see_each_other()
-> Result<(), Error> {
    let scene = Scene::open()?;
    let (acme, globex) = (scene.acme()?, scene.globex()?);
    let first = scene.connect(&acme, "us-east-1").await?;
    let link = scene.link(&globex, "us-east-1").await?;
    let stack = first
        .customer
        .open(&text(&link, "launch_url")?, Some("Other-Tenant"))
        .await?;
    first.customer.wait(&stack).await?.expect("CREATE_COMPLETE")?;
    let second = globex.get(&text(&link, "id")?).await?;
    assert_shows(
        &second,
        json!({ "status": "active", "account_id": first.customer.account }),
    );
    assert_ne!(second["role_arn"], first.shown["role_arn"]);
    assert_eq!(settled(&acme.get(&first.id).await?), settled(&first.shown));
    Ok(())
}
