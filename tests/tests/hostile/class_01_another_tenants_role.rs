//! Class 1: tenant B offers the role of tenant A's customer as their own (the confused deputy).
//!
//! Guard: the role must be in the stack's own account (`check_accounts`, `shared/core/src/domain/request/admission.rs`), and it is
//! tried with the external ID of *this* connection (`shared/core/src/use_cases/probe_role.rs`).

use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::{
    Error,
    refusal::{IMPATIENT, waits_again},
    scene::{Connected, Scene, settled, text},
    stack_template::StackTemplate,
};

/// The confused deputy: a customer of one tenant offers the role of another tenant's customer as their own.
#[tokio::test]
async fn a_tenant_cannot_connect_the_role_of_another_tenants_customer() -> Result<(), Error> {
    let scene = Scene::open()?;
    let (acme, globex) = (scene.acme()?, scene.globex()?);
    let victim = scene.connect(&acme, "us-east-1").await?;
    let victims_role = victim.customer.role_arn(Connected::ROLE);
    let link = scene.link(&globex, "us-east-1").await?;
    let (id, external_id) = (text(&link, "id")?, text(&link, "external_id")?);
    let attacker = scene.new_customer("us-east-1").await?;

    // From the attacker's own account, under their own external ID, and under the victim's.
    let own = StackTemplate::new(&scene.ready, &external_id).claims_role(&victims_role);
    let outcome = attacker.launch("Deputy", &own).await?;
    outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::RoleInOtherAccount)?;
    let stolen = StackTemplate::new(&scene.ready, &victim.external_id);
    let outcome = attacker.launch("Stolen", &stolen).await?;
    outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::LinkAlreadyUsed)?;
    // From a stack in the victim's account: that role asks for the external ID of the first connection.
    let inside = own.service_timeout(IMPATIENT);
    let outcome = victim.customer.launch("Inside", &inside).await?;
    outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::RoleNotAssumable)?;

    waits_again(&globex, &id, ReasonCode::RoleNotAssumable).await?;
    assert_eq!(settled(&acme.get(&victim.id).await?), settled(&victim.shown));
    Ok(())
}
