//! Whom a customer's role lets in besides the vendor.

use futures::future::try_join_all;
use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::{
    Error,
    refusal::{IMPATIENT, refused},
    scene::{Connected, OwnScene, Scene, assert_shows},
    stack_template::StackTemplate,
};
use serde_json::{Value, json};

/// A name, and the trust policy or the statements of such a role.
type Case = (&'static str, fn(&StackTemplate) -> Value);

/// A trust policy of these statements.
fn policy(statements: Value) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn allow(principal: Value, condition: Value) -> Value {
    json!({ "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": condition })
}

/// The published statement.
fn published(template: &StackTemplate) -> Value {
    template.published_trust()["Statement"][0].clone()
}

fn external_id(template: &StackTemplate) -> Value {
    json!({ "StringEquals": { "sts:ExternalId": template.external_id } })
}

/// A2; failed at 51a4ca2.
#[tokio::test]
async fn a_role_open_to_anybody_with_the_external_id_fails() -> Result<(), Error> {
    let scene = Scene::open()?;
    let cases: [Case; 5] = [
        ("AWS *", |it| allow(json!({ "AWS": "*" }), external_id(it))),
        ("*", |it| allow(json!("*"), external_id(it))),
        ("StringLike", |it| {
            allow(
                json!({ "AWS": "*" }),
                json!({ "StringLike": { "sts:ExternalId": it.external_id } }),
            )
        }),
        ("beside", |it| {
            json!([published(it), allow(json!({ "AWS": "*" }), external_id(it))])
        }),
        ("the vendor's other roles", |it| {
            let path = json!({ "aws:PrincipalArn": it.vendor_roles()["aws:PrincipalArn"] });
            let root = published(it)["Principal"].clone();
            json!([published(it), allow(root, json!({ "ArnNotLike": path }))])
        }),
    ];
    for (case, statements) in cases {
        refused(&scene, case, ReasonCode::TrustTooOpen, |template, _| {
            let trust = policy(statements(&template));
            template.trust(trust)
        })
        .await?;
    }
    Ok(())
}

/// A2: a role that is loosened later is shown by the next full look, and the connection goes on; failed at 51a4ca2.
#[tokio::test]
async fn a_role_opened_to_anybody_later_is_shown() -> Result<(), Error> {
    let (scene, api, connected) = Scene::with_connected().await?;
    let shown = api.get(&connected.id).await?;
    let trust = &shown["trust"];
    assert!(trust["read_at"].is_string(), "{shown}");
    assert_shows(trust, json!({ "findings": [], "guests": [] }));
    let template = &connected.template;
    let mut open = allow(json!({ "AWS": "*" }), external_id(template));
    open["Sid"] = json!("Everybody");
    let trust = policy(json!([published(template), open])).to_string();
    connected.customer.set_trust(Connected::ROLE, &trust).await?;
    let shown = scene
        .revalidate_until(&api, &connected.id, |it| it["trust"]["open_since"].is_string())
        .await?;
    assert_eq!(shown["status"], "active");
    let finding = json!([{ "statement": "statement Everybody", "lets_in": "anybody" }]);
    assert_eq!(shown["trust"]["findings"], finding, "{shown}");
    Ok(())
}

/// A2 where the deployment decided so; fails without `OnOpenTrust`.
#[tokio::test]
async fn a_deployment_may_only_show_open_roles() -> Result<(), Error> {
    let own = OwnScene::with(&[("OnOpenTrust", "show")]).await?;
    let api = own.scene.acme()?;
    let (link, customer) = own.scene.newcomer(&api, "us-east-1").await?;
    let open = policy(allow(json!({ "AWS": "*" }), external_id(&link.template)));
    customer.launched("Open", &link.template.trust(open)).await?;
    let shown = api.get(&link.id).await?;
    assert_eq!(shown["trust"]["findings"][0]["lets_in"], "anybody", "{shown}");
    Ok(())
}

/// A3; fails where what IAM answers to GetRole is not looked at.
#[tokio::test]
async fn a_role_that_hides_its_trust_policy_lacks_a_permission() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    let hidden = [
        "iam:SimulatePrincipalPolicy",
        "ec2:DescribeRegions",
        "iam:ListAccountAliases",
    ];
    let template = link.template.allows(&hidden).service_timeout(IMPATIENT);
    let outcome = customer.launch("Hidden", &template).await?;
    outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::PermissionsMissing)?;
    let named = outcome
        .reasons
        .iter()
        .any(|reason| reason.contains("Missing: iam:GetRole."));
    assert!(named, "{:?}", outcome.reasons);
    Ok(())
}

/// C1, C2 and C14; each fails where the trust policy's evaluator takes it for an open one.
#[tokio::test]
async fn trust_policies_that_customers_write_connect() -> Result<(), Error> {
    let scene = Scene::open()?;
    let cases: [Case; 14] = [
        ("StringEqualsIgnoreCase", |it| {
            let same = json!({ "sts:ExternalId": it.external_id });
            let condition = json!({ "ArnLike": it.vendor_roles(), "StringEqualsIgnoreCase": same });
            policy(json!([allow(published(it)["Principal"].clone(), condition)]))
        }),
        ("Null", |it| {
            let mut statement = published(it);
            statement["Condition"]["Null"] = json!({ "sts:ExternalId": "false" });
            policy(json!([statement]))
        }),
        ("a list of external IDs", |it| {
            let mut statement = published(it);
            statement["Condition"]["StringEquals"] =
                json!({ "sts:ExternalId": ["snowflake_SFCRole=2_a1b2c3", it.external_id, "dbt-4711"] });
            policy(json!([statement]))
        }),
        ("a key in lower case", |it| {
            let mut statement = published(it);
            statement["Condition"]["StringEquals"] = json!({ "sts:externalid": it.external_id });
            policy(json!([statement]))
        }),
        (
            "an old version, one statement",
            |it| json!({ "Version": "2008-10-17", "Statement": published(it) }),
        ),
        ("a plain account", |it| {
            let mut statement = published(it);
            statement["Principal"] = json!({ "AWS": "111111111111" });
            policy(json!([statement]))
        }),
        ("several vendors", |it| {
            let theirs = json!({ "StringEquals": { "sts:ExternalId": "theirs" } });
            let other = allow(json!({ "AWS": "arn:aws:iam::333333333333:root" }), theirs);
            policy(json!([published(it), other]))
        }),
        ("own admins, a service, a provider", |it| {
            let provider = json!({ "Federated": "arn:aws:iam::222222222222:oidc-provider/token.example" });
            let mut federated = allow(
                provider,
                json!({ "StringEquals": { "token.example:sub": "repo" } }),
            );
            federated["Action"] = json!("sts:AssumeRoleWithWebIdentity");
            policy(json!([
                published(it),
                allow(json!({ "AWS": "arn:aws:iam::222222222222:root" }), json!({})),
                allow(json!({ "Service": "lambda.amazonaws.com" }), json!({})),
                federated,
            ]))
        }),
        ("sts:*", |it| {
            let mut statement = published(it);
            statement["Action"] = json!("sts:*");
            policy(json!([statement]))
        }),
        ("tags and source identities", |it| {
            let mut statement = published(it);
            statement["Action"] = json!(["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]);
            policy(json!([statement]))
        }),
        ("StringLike on the ARN", |it| {
            let condition = json!({ "StringLike": it.vendor_roles(), "StringEquals": { "sts:ExternalId": it.external_id } });
            policy(json!([allow(published(it)["Principal"].clone(), condition)]))
        }),
        ("a region", |it| {
            let mut statement = published(it);
            statement["Condition"]["StringLike"] = json!({ "aws:RequestedRegion": "us-*" });
            policy(json!([statement]))
        }),
        ("a date in the future", |it| {
            let mut statement = published(it);
            statement["Condition"]["DateLessThan"] = json!({ "aws:CurrentTime": "2099-01-01T00:00:00Z" });
            policy(json!([statement]))
        }),
        ("the customer's own organization", |it| {
            let own = json!({ "StringEquals": { "aws:PrincipalOrgID": "o-customers0" } });
            policy(json!([published(it), allow(json!({ "AWS": "*" }), own)]))
        }),
    ];
    let connects = async |name: &str, trust: fn(&StackTemplate) -> Value| {
        let api = scene.acme()?;
        let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
        let trust = trust(&link.template);
        let launched = customer
            .launched("Own", &link.template.clone().trust(trust))
            .await;
        launched.map_err(|error| format!("{name}: {error}"))?;
        let shown = api.get(&link.id).await?;
        assert_eq!(shown["status"], "active", "{name}");
        assert_eq!(shown["trust"]["findings"], json!([]), "{name}: {shown}");
        Ok::<_, Error>(())
    };
    try_join_all(cases.into_iter().map(|(name, trust)| connects(name, trust))).await?;

    // C14: a stack that holds the message alone.
    let api = scene.acme()?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    let role = customer.make_role_of("Elsewhere", &link.template).await?;
    customer
        .launched("Message", &link.template.claims_role(&role))
        .await?;
    assert_eq!(api.get(&link.id).await?["trust"]["findings"], json!([]));
    Ok(())
}

/// C5 to C8: what else such roles have does not matter to whom they let in; fails where it does.
#[tokio::test]
async fn roles_of_odd_names_and_wide_permissions_connect() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let tags: Vec<_> = (0..50)
        .map(|i| json!({ "Key": format!("t{i}"), "Value": "x" }))
        .collect();
    type Change = fn(StackTemplate) -> StackTemplate;
    let cases: [(Change, Option<Value>); 4] = [
        (|it| it.allows(&["*"]), None),
        (|it| it.role_name("Vendor+Role=prod,eu.west@acme-1_x"), None),
        (
            |it| {
                it.role_property("Path", json!("/a/b/c/d/e/f/g/h/"))
                    .role_property("MaxSessionDuration", json!(43_200))
            },
            None,
        ),
        (|it| it.role_name(&"R".repeat(64)), Some(json!(tags))),
    ];
    for (change, tags) in cases {
        let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
        let mut template = change(link.template);
        if let Some(tags) = tags {
            template = template.role_property("Tags", tags);
        }
        customer.launched("Odd", &template).await?;
        let shown = api.get(&link.id).await?;
        assert_eq!(shown["trust"]["findings"], json!([]), "{shown}");
    }
    Ok(())
}
