//! Class 7: accounts of stack, role and caller that disagree; another partition; role paths; users, sessions, the
//! vendor's own role.
//!
//! Guard: `check_accounts` (`shared/core/src/domain/request/admission.rs`), the parser of role ARNs
//! (`shared/core/src/domain/aws/role_arn.rs`), and the caller's account in `judge` (`shared/core/src/domain/proof/verdict.rs`).

use std::time::Instant;

use futures::future::try_join_all;
use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::{
    Error,
    cloudformation_message::ForgedRequest,
    refusal::assert_reason,
    scene::{Connected, OwnScene, Scene, assert_shows, text},
    stack_template::StackTemplate,
    sts_proxy::{Mood, StsProxy},
};
use serde_json::{Value, json};

use super::support::{admissible, assert_not_read, assert_soon};

#[tokio::test]
async fn a_role_in_another_account_than_the_stack_is_refused_even_if_it_would_be_assumable()
-> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let link = scene.link(&api, "us-east-1").await?;
    let template = StackTemplate::new(&scene.ready, &text(&link, "external_id")?);
    let other = scene.new_customer("us-east-1").await?;
    let role = other.make_role_of("Elsewhere", &template).await?;
    let customer = scene.new_customer("us-east-1").await?;
    let outcome = customer.launch("Borrowed", &template.claims_role(&role)).await?;
    outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::RoleInOtherAccount)?;
    let shown = api.get(&text(&link, "id")?).await?;
    assert_shows(&shown, json!({ "status": "pending", "role_arn": null }));
    Ok(())
}

#[tokio::test]
async fn what_is_not_the_role_of_a_customer_is_refused_at_once() -> Result<(), Error> {
    let scene = Scene::open()?;
    let vendor = scene.ready.vendor_account.clone();
    let customers_role =
        |arn: &str, account: &str| arn.replace("ACCOUNT", account).replace("VENDOR", &vendor);
    let (invalid, elsewhere) = (ReasonCode::InvalidRequest, ReasonCode::RoleInOtherAccount);
    let cases = [
        ("arn:aws:iam::ACCOUNT:user/somebody", invalid),
        ("arn:aws:iam::ACCOUNT:root", invalid),
        ("arn:aws:sts::ACCOUNT:assumed-role/Reader/session", invalid),
        ("arn:aws-iso:iam::ACCOUNT:role/Reader", invalid),
        ("arn:aws-cn:iam::ACCOUNT:role/Reader", elsewhere),
        (
            "arn:aws:iam::VENDOR:role/latchkey/verifier",
            ReasonCode::VendorAccount,
        ),
        ("arn:aws:iam::ACCOUNT:role/*", invalid),
        ("", invalid),
    ];
    let api = scene.acme()?;
    let attempts = cases.map(|(arn, code)| {
        let (scene, api, customers_role) = (&scene, &api, &customers_role);
        async move {
            let (link, customer) = scene.newcomer(api, "us-east-1").await?;
            let template = link.template.claims_role(&customers_role(arn, &customer.account));
            let started = Instant::now();
            let outcome = customer.launch("Odd", &template).await?;
            let told = outcome.expect_refusal("ROLLBACK_COMPLETE", code);
            told.map_err(|error| format!("{arn}: {error}"))?;
            assert_soon(started, 10);
            let shown = api.get(&link.id).await?;
            assert_eq!(
                (&shown["status"], &shown["role_arn"]),
                (&json!("pending"), &Value::Null),
                "{arn}"
            );
            Ok::<_, Error>(())
        }
    });
    try_join_all(attempts).await?;
    Ok(())
}

#[tokio::test]
async fn a_role_with_a_path_connects_is_checked_and_disconnects_like_any_other() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    let template = link
        .template
        .role_name("VendorAccess")
        .role_property("Path", json!("/teams/platform/"));
    let stack = customer.launch("Pathed", &template).await?;
    stack.expect("CREATE_COMPLETE")?;
    let shown = api.get(&link.id).await?;
    let arn = format!(
        "arn:aws:iam::{}:role/teams/platform/VendorAccess",
        customer.account
    );
    assert_shows(&shown, json!({ "status": "active", "role_arn": arn }));
    // It was asked about under its whole name.
    assert_eq!(shown["permissions"]["missing"], json!([]));
    scene.proven_after(&api, &link.id, &shown).await?;

    // The same name without the path is another role, and none that is there.
    let other = scene.link(&scene.globex()?, "us-east-1").await?;
    let short = StackTemplate::new(&scene.ready, &text(&other, "external_id")?)
        .claims_role(&customer.role_arn("VendorAccess"))
        .service_timeout(latchkey_tests::refusal::IMPATIENT);
    let outcome = customer.launch("Short", &short).await?;
    outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::RoleNotAssumable)?;
    customer.deleted(&stack.stack_id).await?;
    api.wait_for(&link.id, "disconnected").await?;
    Ok(())
}

#[tokio::test]
async fn a_stack_of_another_partition_is_not_listened_to() -> Result<(), Error> {
    let scene = Scene::open()?;
    let attacker = scene.new_customer("us-east-1").await?;
    let request = admissible(&scene, &attacker).await?;
    let in_place = |partition: &str, region: &str| {
        let stack_id = request
            .stack_id()
            .replace("arn:aws:", &format!("arn:{partition}:"));
        stack_id.replace("us-east-1", region)
    };
    for stack_id in [
        // In a partition and a region of it: not the topic's.
        in_place("aws-cn", "cn-north-1"),
        in_place("aws-us-gov", "us-gov-east-1"),
        // A partition and a region that do not belong together.
        in_place("aws-cn", "us-east-1"),
        in_place("aws-iso", "us-east-1"),
        in_place("aws", "us-gov-east-1"),
    ] {
        let forged = request.clone().with("StackId", json!(stack_id)).sign();
        let forged = in_its_partition(forged, &stack_id);
        let sent = attacker.tell(&scene, &forged.text()).await?;
        assert_not_read(&scene, &sent, &stack_id, "StackId")
            .await
            .map_err(|error| format!("{stack_id}: {error}"))?;
    }
    Ok(())
}

/// With the answer URL that CloudFormation of that partition would make.
fn in_its_partition(request: ForgedRequest, stack_id: &str) -> ForgedRequest {
    if stack_id.contains("cn-north-1") {
        let url = request.fields["ResponseURL"].as_str().unwrap_or_default();
        let url = url.replace(".amazonaws.com/", ".amazonaws.com.cn/");
        request.with("ResponseURL", json!(url))
    } else {
        request
    }
}

/// STS gives a session for the role that was asked for; whose it is, only the session itself can tell.
#[tokio::test]
async fn a_session_of_another_account_proves_nothing_and_degrades_what_was_proven() -> Result<(), Error> {
    let (own, api) = OwnScene::with_acme().await?;
    let scene = &own.scene;
    let sts = StsProxy::before(scene).await?;
    let before = scene.connect(&api, "us-east-1").await?;

    sts.becomes(Mood::OfAnotherAccount);
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    let outcome = customer.launch("Elsewhere", &link.template).await?;
    outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::RoleInOtherAccount)?;
    let shown = api.get(&link.id).await?;
    assert_shows(&shown, json!({ "status": "pending", "role_arn": null }));
    let degraded = scene.degraded(&api, &before.id).await?;
    assert_reason(&degraded, ReasonCode::RoleInOtherAccount);
    assert_eq!(degraded["role_arn"], before.customer.role_arn(Connected::ROLE));

    sts.becomes(Mood::Well);
    customer.launched("Here", &link.template).await?;
    Ok(())
}
