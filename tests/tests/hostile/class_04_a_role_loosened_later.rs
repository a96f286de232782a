//! Class 4: a role that was safe when it connected, and is opened later.
//!
//! Guard: every later check tries all four ways again (`shared/core/src/use_cases/recheck_role.rs`).

use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::{
    Error,
    refusal::assert_reason,
    scene::{Connected, Scene},
    stack_template::trust_policy,
};
use serde_json::json;

#[tokio::test]
async fn a_role_that_is_loosened_later_is_noticed_and_repaired_is_trusted_again() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let one = scene.connect(&api, "eu-west-1").await?;
    let vendor = &scene.ready.vendor_account;
    for loosened in [
        json!({ "ArnLike": one.template.vendor_roles() }),
        json!({ "StringLike": { "sts:ExternalId": "*" } }),
        json!({ "StringEqualsIfExists": { "sts:ExternalId": one.external_id } }),
    ] {
        one.customer
            .set_trust(Connected::ROLE, &trust_policy(vendor, loosened).to_string())
            .await?;
        let degraded = scene.degraded(&api, &one.id).await?;
        assert_reason(&degraded, ReasonCode::ExternalIdNotEnforced);
        one.customer
            .set_trust(Connected::ROLE, &one.template.published_trust().to_string())
            .await?;
        scene.proven_after(&api, &one.id, &degraded).await?;
    }
    Ok(())
}
