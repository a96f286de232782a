//! Class 3: a role that trusts without the condition, or with wildcards, `IfExists`, set operators, a second statement.
//!
//! Guard: every role is tried without an external ID and with a wrong one (`judge`, `shared/core/src/domain/proof/verdict.rs`); the
//! wrong one is fresh in its middle and begins and ends like the right one, so that a pattern meets it too
//! (`shared/core/src/use_cases/probe_role.rs`).

use futures::future::try_join_all;
use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::{
    Error,
    customer::Customer,
    refusal::{IMPATIENT, refused, waits_again},
    scene::{Link, Scene, assert_shows},
    stack_template::{StackTemplate, trust_policy},
};
use serde_json::{Value, json};

#[tokio::test]
async fn a_role_without_the_external_id_condition_fails_its_stack_and_the_link_works_again()
-> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (link, customer) = scene.newcomer(&api, "eu-west-1").await?;
    let good = link.template;
    let bad = good.clone().condition(json!({ "ArnLike": good.vendor_roles() }));

    let outcome = customer.launch("Open", &bad).await?;
    outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::ExternalIdNotEnforced)?;
    waits_again(&api, &link.id, ReasonCode::ExternalIdNotEnforced).await?;
    assert_eq!(
        scene.audit_events(&link.id).await?,
        ["created", "attempt_started", "attempt_refused"]
    );

    customer.deleted(&outcome.stack_id).await?;
    waits_again(&api, &link.id, ReasonCode::ExternalIdNotEnforced).await?;

    customer.launched("Open", &good).await?;
    let shown = api.get(&link.id).await?;
    assert_shows(&shown, json!({ "status": "active", "reason": null }));
    Ok(())
}

/// A condition on `sts:ExternalId`: its operator, and its values, in which ID is ours, and HEAD and TAIL are parts of it.
type Written = (&'static str, &'static [&'static str]);

fn condition((operator, values): Written, id: &str) -> Value {
    let value = |value: &&str| {
        value
            .replace("ID", id)
            .replace("HEAD", &id[..4])
            .replace("TAIL", &id[28..])
    };
    match &values.iter().map(value).collect::<Vec<_>>()[..] {
        [one] => json!({ operator: { "sts:ExternalId": one } }),
        values => json!({ operator: { "sts:ExternalId": values } }),
    }
}

const OPEN: [Written; 11] = [
    ("StringLike", &["*"]),
    ("StringLike", &["????????????????????????????????"]),
    ("StringLike", &["ID", "*"]),
    ("StringLike", &["HEAD*"]),
    ("StringLike", &["*TAIL"]),
    ("StringLike", &["HEAD*TAIL"]),
    ("ForAnyValue:StringLike", &["ID", "*"]),
    ("StringLikeIfExists", &["ID"]),
    ("StringEqualsIfExists", &["ID"]),
    // True where there is none.
    ("ForAllValues:StringEquals", &["ID"]),
    ("StringNotEquals", &["something-else"]),
];

#[tokio::test]
async fn a_role_whose_condition_lets_others_in_is_refused_however_the_condition_is_written()
-> Result<(), Error> {
    let scene = Scene::open()?;
    let code = ReasonCode::ExternalIdNotEnforced;
    let of_vendor = |template: &StackTemplate, mut condition: Value| {
        condition["ArnLike"] = template.vendor_roles();
        template.clone().condition(condition)
    };
    let attempts = OPEN.map(|written| {
        let scene = &scene;
        async move {
            let change = |template: StackTemplate, _: &Customer| {
                of_vendor(&template, condition(written, &template.external_id))
            };
            refused(scene, &format!("{written:?}"), code, change).await
        }
    });
    // A pattern of one letter is as eager as it gets.
    let one_letter = |template: StackTemplate, _: &Customer| {
        let pattern = format!("{}*", &template.external_id[..1]);
        of_vendor(&template, json!({ "StringLike": { "sts:ExternalId": pattern } }))
    };
    let two_statements = |template: StackTemplate, _: &Customer| {
        let mut trust = template.published_trust();
        let open = trust_policy(&scene.ready.vendor_account, json!({}));
        trust["Statement"] = json!([trust["Statement"][0], open["Statement"][0]]);
        template.trust(trust)
    };
    let everybody = |template: StackTemplate, _: &Customer| {
        template.trust(json!({
            "Version": "2012-10-17",
            "Statement": [{ "Effect": "Allow", "Principal": { "AWS": "*" }, "Action": "sts:AssumeRole" }],
        }))
    };
    futures::try_join!(
        try_join_all(attempts),
        refused(&scene, "a pattern of one letter", code, one_letter),
        refused(&scene, "a second statement", code, two_statements),
        refused(&scene, "everybody", code, everybody),
    )?;
    Ok(())
}

/// What is safe stays safe in another spelling: nobody is refused for writing it differently.
#[tokio::test]
async fn a_trust_policy_that_is_as_strict_in_other_words_connects() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let denied_otherwise = |template: StackTemplate| {
        let mut policy = trust_policy(&scene.ready.vendor_account, json!({}));
        let mut deny = policy["Statement"][0].clone();
        deny["Effect"] = json!("Deny");
        deny["Condition"] = condition(("StringNotEquals", &["ID"]), &template.external_id);
        policy["Statement"] = json!([policy["Statement"][0], deny]);
        template.trust(policy)
    };
    let cases: [Option<Written>; 4] = [
        Some(("ForAnyValue:StringEquals", &["ID"])),
        // Without a wildcard.
        Some(("StringLike", &["ID"])),
        Some(("StringEquals", &["ID", "an-id-of-somebody-else"])),
        None,
    ];
    try_join_all(cases.map(async |written| {
        let (Link { id, template, .. }, customer) = scene.newcomer(&api, "us-east-1").await?;
        let template = match written {
            Some(written) => template
                .clone()
                .condition(condition(written, &template.external_id)),
            None => denied_otherwise(template),
        };
        let outcome = customer.launch("Strict", &template).await?;
        let connected = outcome.expect("CREATE_COMPLETE");
        connected.map_err(|error| format!("{written:?}: {error}"))?;
        assert_eq!(api.get(&id).await?["status"], "active", "{written:?}");
        Ok::<_, Error>(())
    }))
    .await?;
    Ok(())
}

/// A role that takes nobody's external ID but another one: it is not open, and not ours either.
#[tokio::test]
async fn a_role_with_a_pattern_that_ours_does_not_meet_is_not_assumable() -> Result<(), Error> {
    let scene = Scene::open()?;
    let elsewhere = |template: StackTemplate, _: &Customer| {
        template
            .condition(json!({ "StringLike": { "sts:ExternalId": "0*" } }))
            .service_timeout(IMPATIENT)
    };
    refused(
        &scene,
        "a pattern of others",
        ReasonCode::RoleNotAssumable,
        elsewhere,
    )
    .await
}
