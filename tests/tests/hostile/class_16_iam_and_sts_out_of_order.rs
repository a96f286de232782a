//! Class 16: IAM takes its time; STS throttles, fails, hangs, is switched off.
//!
//! Guard: only AccessDenied is a refusal (`refused`, `shared/aws/src/sts_assumer.rs`); anything else is
//! `Inconclusive`, which is tried again and is never a verdict (`shared/core/src/domain/proof/verdict.rs`).

use std::time::{Duration, Instant};

use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::{
    Error,
    refusal::{refused, waits_again},
    scene::{OwnScene, Scene, assert_shows, settled},
    stack_template::trust_policy,
    sts_proxy::{Mood, StsProxy},
};
use serde_json::json;
use tokio::time::sleep;

#[tokio::test]
async fn a_role_that_never_becomes_assumable_fails_its_stack_with_a_sentence_at_the_deadline()
-> Result<(), Error> {
    let scene = Scene::open()?;
    let started = Instant::now();
    refused(
        &scene,
        "another vendor's role",
        ReasonCode::RoleNotAssumable,
        |template, _| {
            let trust = trust_policy("123456789012", template.published_condition());
            template.trust(trust)
        },
    )
    .await?;
    let waited = started.elapsed();
    // 30 seconds in the local deployment; the stack itself would wait for 60.
    assert!(
        waited > Duration::from_secs(25),
        "a role gets the time to become assumable, not {waited:?}"
    );
    assert!(
        waited < Duration::from_secs(50),
        "the answer comes before CloudFormation gives up, not {waited:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_role_that_appears_twenty_seconds_late_is_waited_for() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (link, customer) = scene.newcomer(&api, "eu-west-1").await?;
    let late = link.template.clone().claims_role(&customer.role_arn("Late"));
    customer.create_stack("Patient", &late.text()).await?;
    api.wait_for(&link.id, "verifying").await?;
    sleep(Duration::from_secs(20)).await;
    assert_eq!(api.get(&link.id).await?["status"], "verifying");
    customer.make_role_of("Late", &link.template).await?;
    customer.wait("Patient").await?.expect("CREATE_COMPLETE")?;
    let shown = api.get(&link.id).await?;
    assert_shows(
        &shown,
        json!({ "status": "active", "role_arn": customer.role_arn("Late") }),
    );
    Ok(())
}

/// Each kind of trouble, and what the verifier calls it.
const TROUBLES: [(Mood, &str); 5] = [
    (Mood::Throttling, "throttled"),
    (Mood::Failing, "service_error"),
    (Mood::Gone, "unreachable"),
    (Mood::RegionDisabled, "region_disabled"),
    (Mood::Silent, "unreachable"),
];

#[tokio::test]
async fn no_trouble_of_sts_breaks_a_connection_and_who_connects_meanwhile_is_waited_for() -> Result<(), Error>
{
    let (own, api) = OwnScene::with_acme().await?;
    let scene = &own.scene;
    let sts = StsProxy::before(scene).await?;
    let one = scene.connect(&api, "us-east-1").await?;
    let audit = scene.audit_events(&one.id).await?;
    for (mood, outcome) in TROUBLES {
        sts.becomes(mood);
        scene.revalidate().await?;
        scene
            .verified(&[&one.id, "connection.rechecked", outcome])
            .await
            .map_err(|error| format!("{mood:?}: {error}"))?;
        assert_eq!(settled(&api.get(&one.id).await?), settled(&one.shown), "{mood:?}");
    }
    assert_eq!(scene.audit_events(&one.id).await?, audit);

    // Launched while it lasts, connected when it is over.
    sts.becomes(Mood::Throttling);
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    customer.create_stack("Meanwhile", &link.template.text()).await?;
    scene.verified(&["request.verified", "try_again"]).await?;
    sleep(Duration::from_secs(4)).await;
    assert_eq!(api.get(&link.id).await?["status"], "verifying");
    sts.becomes(Mood::Well);
    customer.wait("Meanwhile").await?.expect("CREATE_COMPLETE")?;
    assert_eq!(api.get(&link.id).await?["status"], "active");
    let checked = scene.proven_after(&api, &one.id, &one.shown).await?;
    assert_eq!(settled(&checked), settled(&one.shown));
    Ok(())
}

/// What lasts longer than a stack waits is not put down to the customer, and the link works when it is over.
#[tokio::test]
async fn an_outage_that_outlasts_a_stack_fails_it_with_our_own_reason_and_the_link_works_again()
-> Result<(), Error> {
    let (own, api) = OwnScene::with_acme().await?;
    let scene = &own.scene;
    let sts = StsProxy::before(scene).await?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    sts.becomes(Mood::Failing);
    let impatient = link.template.clone().service_timeout(34);
    let outcome = customer.launch("Unlucky", &impatient).await?;
    outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::VerificationInconclusive)?;
    waits_again(&api, &link.id, ReasonCode::VerificationInconclusive).await?;
    sts.becomes(Mood::Well);
    customer.launched("Lucky", &link.template).await?;
    assert_eq!(api.get(&link.id).await?["status"], "active");
    Ok(())
}
