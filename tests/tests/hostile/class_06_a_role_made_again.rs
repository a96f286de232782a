//! Class 6: a role that is deleted and made again: the customer's, and the vendor's own.
//!
//! Guard: the customer's role is `degraded` until it is proven again (`shared/core/src/use_cases/recheck_role.rs`). The
//! customers' trust policies name the vendor's account and a role *path*, no single role whose unique id would be kept
//! (`customer/connection-template.yaml`).
//! Shown to fail without it: `tests/mutations/class6-trust-one-role.patch`.

use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::{
    Error,
    local_aws::aws,
    refusal::assert_reason,
    scene::{Connected, OwnScene, Scene, assert_contains, text},
};
use serde_json::Value;

use super::support::percent_decoded;

#[tokio::test]
async fn a_role_that_was_deleted_degrades_its_connection_and_made_again_repairs_it() -> Result<(), Error> {
    let (scene, api, one) = Scene::with_connected().await?;
    one.customer.delete_role(Connected::ROLE).await?;
    let degraded = scene.degraded(&api, &one.id).await?;
    assert_reason(&degraded, ReasonCode::RoleGone);
    assert_eq!(degraded["reason"]["message"], ReasonCode::RoleGone.sentence());
    assert_eq!(degraded["role_arn"], one.shown["role_arn"]);
    assert!(degraded["last_verified_at"].as_str() >= one.shown["last_verified_at"].as_str());
    assert!(degraded["degraded"]["since"].as_str() > degraded["last_verified_at"].as_str());

    // It counts on while it lasts, without a line in the audit log for each check.
    let counted = scene
        .revalidate_until(&api, &one.id, |it| {
            it["degraded"]["failed_checks"].as_u64() > Some(1)
        })
        .await?;
    assert_eq!(counted["degraded"]["since"], degraded["degraded"]["since"]);
    assert_eq!(counted["last_verified_at"], degraded["last_verified_at"]);

    one.customer.make_role_of(Connected::ROLE, &one.template).await?;
    let repaired = scene.proven_after(&api, &one.id, &degraded).await?;
    assert_eq!(
        (&repaired["reason"], repaired.get("degraded")),
        (&Value::Null, None)
    );
    let audit = scene.audit_events(&one.id).await?;
    let expected = "created attempt_started attempt_proven check_failed check_passed";
    assert_eq!(audit.join(" "), expected);
    Ok(())
}

/// The vendor's role under another name and with another unique id, as a re-deployment makes it: no customer has
/// to touch anything.
#[tokio::test]
async fn the_vendors_role_can_be_replaced_under_its_path_and_every_connection_goes_on() -> Result<(), Error> {
    let (own, api) = OwnScene::with_acme().await?;
    let scene = &own.scene;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    customer.follow(&link.shown).await?;
    let connected = api.get(&link.id).await?;

    let made_again = replace_verifiers_role(scene).await?;
    assert_contains(&made_again, &format!(":role{}", scene.ready.role_path));
    scene.proven_after(&api, &link.id, &connected).await?;
    // And a new customer connects with the template that was published before.
    let (link, other) = scene.newcomer(&api, "us-east-1").await?;
    other.follow(&link.shown).await?;

    // Any other role of the vendor's account is let in nowhere, however much it may and knows.
    let outside = aws::administrator(&scene.ready.endpoint, &scene.ready.vendor_account, "us-east-1").await?;
    let refused = aws_sdk_sts::Client::new(&outside)
        .assume_role()
        .role_arn(text(&connected, "role_arn")?)
        .role_session_name("outside")
        .external_id(text(&connected, "external_id")?)
        .send()
        .await;
    let error = refused.err().ok_or("a role outside of the path was let in")?;
    assert_eq!(
        aws_sdk_sts::error::ProvideErrorMetadata::code(&error),
        Some("AccessDenied")
    );
    Ok(())
}

/// Makes the verifier's role anew under another name, gives it to the function, and deletes the old one.
async fn replace_verifiers_role(scene: &Scene) -> Result<String, Error> {
    const NEW_NAME: &str = "verifier-made-again";
    let (lambda, iam) = (
        aws_sdk_lambda::Client::new(&scene.vendor),
        aws_sdk_iam::Client::new(&scene.vendor),
    );
    let function = &scene.ready.functions["role-verifier"];
    let configuration = lambda
        .get_function_configuration()
        .function_name(function)
        .send()
        .await?;
    let old_arn = configuration.role().ok_or("the verifier has no role")?;
    let old_name = old_arn.rsplit('/').next().unwrap_or_default();
    let old = iam.get_role().role_name(old_name).send().await?;
    let old = old.role().ok_or("there is no such role")?;
    let trust = percent_decoded(old.assume_role_policy_document().unwrap_or_default());
    let made = iam
        .create_role()
        .role_name(NEW_NAME)
        .path(old.path())
        .assume_role_policy_document(trust)
        .send()
        .await?;
    let new = made.role().ok_or("no role was made")?;
    assert_ne!(new.role_id(), old.role_id());
    let policies = iam.list_role_policies().role_name(old_name).send().await?;
    for name in policies.policy_names() {
        let policy = iam
            .get_role_policy()
            .role_name(old_name)
            .policy_name(name)
            .send()
            .await?;
        iam.put_role_policy()
            .role_name(NEW_NAME)
            .policy_name(name)
            .policy_document(percent_decoded(policy.policy_document()))
            .send()
            .await?;
        iam.delete_role_policy()
            .role_name(old_name)
            .policy_name(name)
            .send()
            .await?;
    }
    lambda
        .update_function_configuration()
        .function_name(function)
        .role(new.arn())
        .send()
        .await?;
    scene.restart("role-verifier").await?;
    iam.delete_role().role_name(old_name).send().await?;
    Ok(new.arn().to_owned())
}
