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
    refusal::{IMPATIENT, assert_waits_again, refused},
    scene::{Scene, text},
    stack_template::{StackTemplate, trust_policy},
};
use serde_json::{Value, json};

#[tokio::test]
async fn a_role_without_the_external_id_condition_fails_its_stack_and_the_link_works_again()
-> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let link = scene.link(&api, "eu-west-1").await?;
    let (id, customer) = (text(&link, "id")?, scene.new_customer("eu-west-1").await?);
    let good = StackTemplate::new(&scene.ready, &text(&link, "external_id")?);
    let bad = good.clone().condition(json!({ "ArnLike": good.vendor_roles() }));

    let outcome = customer.launch("Open", &bad).await?;
    outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::ExternalIdNotEnforced)?;
    assert_waits_again(
        &api.wait_for_reason(&id).await?,
        ReasonCode::ExternalIdNotEnforced,
    );
    assert_eq!(
        scene.audit_events(&id).await?,
        ["created", "attempt_started", "attempt_refused"]
    );

    customer
        .delete_stack(&outcome.stack_id)
        .await?
        .expect("DELETE_COMPLETE")?;
    assert_waits_again(
        &api.wait_for_reason(&id).await?,
        ReasonCode::ExternalIdNotEnforced,
    );

    customer.launch("Open", &good).await?.expect("CREATE_COMPLETE")?;
    let shown = api.get(&id).await?;
    assert_eq!(
        (&shown["status"], &shown["reason"]),
        (&json!("active"), &Value::Null)
    );
    Ok(())
}

#[tokio::test]
async fn a_role_whose_condition_lets_others_in_is_refused_however_the_condition_is_written()
-> Result<(), Error> {
    let scene = Scene::open()?;
    let vendor = scene.ready.vendor_account.clone();
    type Trust = Box<dyn Fn(&str, Value) -> Value>;
    let condition = |condition: fn(&str) -> Value| -> Trust {
        let vendor = vendor.clone();
        Box::new(move |external_id, roles| {
            let mut written = condition(external_id);
            written["ArnLike"] = roles;
            trust_policy(&vendor, written)
        })
    };
    let two_statements: Trust = {
        let vendor = vendor.clone();
        Box::new(move |external_id, roles| {
            let statement = |condition: Value| trust_policy(&vendor, condition)["Statement"][0].clone();
            let guarded = json!({ "ArnLike": roles, "StringEquals": { "sts:ExternalId": external_id } });
            json!({ "Version": "2012-10-17", "Statement": [statement(guarded), statement(json!({}))] })
        })
    };
    let everybody: Trust = Box::new(|_, _| {
        json!({
            "Version": "2012-10-17",
            "Statement": [{ "Effect": "Allow", "Principal": { "AWS": "*" }, "Action": "sts:AssumeRole" }],
        })
    });
    let cases: [(&str, Trust); 14] = [
        (
            "StringLike *",
            condition(|_| json!({ "StringLike": { "sts:ExternalId": "*" } })),
        ),
        (
            "StringLike ?…",
            condition(|_| json!({ "StringLike": { "sts:ExternalId": "?".repeat(32) } })),
        ),
        (
            "StringLike, ours and a wildcard",
            condition(|id| json!({ "StringLike": { "sts:ExternalId": [id, "*"] } })),
        ),
        (
            "StringLike, a pattern that begins like ours",
            condition(|id| json!({ "StringLike": { "sts:ExternalId": format!("{}*", &id[..4]) } })),
        ),
        (
            "StringLike, a pattern of one letter, as eager as it gets",
            condition(|id| json!({ "StringLike": { "sts:ExternalId": format!("{}*", &id[..1]) } })),
        ),
        (
            "StringLike, a pattern that ends like ours",
            condition(|id| json!({ "StringLike": { "sts:ExternalId": format!("*{}", &id[28..]) } })),
        ),
        (
            "StringLike, a pattern that begins and ends like ours",
            condition(
                |id| json!({ "StringLike": { "sts:ExternalId": format!("{}*{}", &id[..4], &id[28..]) } }),
            ),
        ),
        (
            "ForAnyValue:StringLike, a pattern",
            condition(|id| json!({ "ForAnyValue:StringLike": { "sts:ExternalId": [id, "*"] } })),
        ),
        (
            "StringLikeIfExists",
            condition(|id| json!({ "StringLikeIfExists": { "sts:ExternalId": id } })),
        ),
        (
            "StringEqualsIfExists",
            condition(|id| json!({ "StringEqualsIfExists": { "sts:ExternalId": id } })),
        ),
        (
            "ForAllValues:StringEquals, true where there is none",
            condition(|id| json!({ "ForAllValues:StringEquals": { "sts:ExternalId": id } })),
        ),
        (
            "StringNotEquals",
            condition(|_| json!({ "StringNotEquals": { "sts:ExternalId": "something-else" } })),
        ),
        (
            "a second statement that opens the role to the account",
            two_statements,
        ),
        ("everybody", everybody),
    ];
    let attempts = cases.iter().map(|(case, trust)| {
        refused(
            &scene,
            case,
            ReasonCode::ExternalIdNotEnforced,
            move |template, _| {
                let connection: Value = serde_json::from_str(&template.text()).unwrap_or_default();
                let external_id = connection["Resources"]["Connection"]["Properties"]["ExternalId"].clone();
                let trust = trust(external_id.as_str().unwrap_or_default(), template.vendor_roles());
                template.trust(trust)
            },
        )
    });
    try_join_all(attempts).await?;
    Ok(())
}

/// What is safe stays safe in another spelling: nobody is refused for writing it differently.
#[tokio::test]
async fn a_trust_policy_that_is_as_strict_in_other_words_connects() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let vendor = scene.ready.vendor_account.clone();
    type Trust = Box<dyn Fn(&str) -> Value>;
    let condition = |written: fn(&str) -> Value| -> Trust {
        let vendor = vendor.clone();
        Box::new(move |external_id| trust_policy(&vendor, written(external_id)))
    };
    let denied_otherwise: Trust = {
        let vendor = vendor.clone();
        Box::new(move |external_id| {
            let mut policy = trust_policy(&vendor, json!({}));
            let mut deny = policy["Statement"][0].clone();
            deny["Effect"] = json!("Deny");
            deny["Condition"] = json!({ "StringNotEquals": { "sts:ExternalId": external_id } });
            policy["Statement"] = json!([policy["Statement"][0], deny]);
            policy
        })
    };
    let cases: [(&str, Trust); 4] = [
        (
            "ForAnyValue:StringEquals",
            condition(|id| json!({ "ForAnyValue:StringEquals": { "sts:ExternalId": id } })),
        ),
        (
            "StringLike without a wildcard",
            condition(|id| json!({ "StringLike": { "sts:ExternalId": id } })),
        ),
        (
            "several, none of them a pattern",
            condition(|id| json!({ "StringEquals": { "sts:ExternalId": [id, "an-id-of-somebody-else"] } })),
        ),
        ("open, and a denial of every other external ID", denied_otherwise),
    ];
    let attempts = cases.iter().map(|(case, trust)| {
        let (scene, api) = (&scene, &api);
        async move {
            let link = scene.link(api, "us-east-1").await?;
            let external_id = text(&link, "external_id")?;
            let customer = scene.new_customer("us-east-1").await?;
            let template = StackTemplate::new(&scene.ready, &external_id).trust(trust(&external_id));
            let outcome = customer.launch("Strict", &template).await?;
            outcome
                .expect("CREATE_COMPLETE")
                .map_err(|error| format!("{case}: {error}"))?;
            assert_eq!(api.get(&text(&link, "id")?).await?["status"], "active", "{case}");
            Ok::<_, Error>(())
        }
    });
    try_join_all(attempts).await?;
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
