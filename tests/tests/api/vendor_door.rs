//! The vendor's door: IAM decides by the path, before the function runs; the ready policies of
//! `docs/policies/` say what a caller may do there.

use aws_credential_types::Credentials;
use latchkey_tests::{
    Error,
    api::{Answer, Api},
    local_aws::{LocalAws, Options, aws},
    scene::{Connected, Scene, assert_shows, fresh_account, text},
    stack_template::trust_policy,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{UNKNOWN_ID, call_all};

/// A session of a new role of the vendor with one of the ready policies.
async fn caller(scene: &Scene, policy: &str, tenant: &str) -> Result<Credentials, Error> {
    let ready = &scene.ready;
    let home = (ready.vendor_account.as_str(), ready.hub_region.as_str());
    let role = format!("{policy}-{}", fresh_account());
    aws::session(&ready.endpoint, home, &role, &ready.policy(policy, tenant)?).await
}

/// What API Gateway says itself: the function's refusals are problem details.
fn assert_forbidden(case: &str, answer: &Answer) {
    assert_eq!(answer.status, 403, "{case}: {answer:?}");
    assert_eq!(
        answer.body,
        json!({ "message": "Forbidden" }),
        "{case}: {answer:?}"
    );
}

#[tokio::test]
async fn a_token_or_nothing_is_refused_at_the_vendors_door() -> Result<(), Error> {
    let scene = Scene::open()?;
    let token = scene.ready.tokens["acme"].clone();
    let calls = [
        ("a token", Api::with_token(&scene.ready, &token)?),
        ("an empty token", Api::with_token(&scene.ready, "")?),
        ("nothing", Api::without_token(&scene.ready)?),
    ];
    for (case, api) in calls {
        for (route, answer) in call_all(&api.towards("acme"), UNKNOWN_ID).await? {
            assert_forbidden(&format!("{case}: {route}"), &answer);
        }
        let search = api.call(Method::GET, "/v1/search?status=degraded", None).await?;
        assert_forbidden(&format!("{case}: search"), &search);
    }
    Ok(())
}

#[tokio::test]
async fn a_signature_is_no_token_at_the_tenants_door() -> Result<(), Error> {
    let scene = Scene::open()?;
    let back_end = caller(&scene, "back-end", "").await?;
    let api = Api::signed(&scene.ready, &back_end, "acme")?;
    for (route, answer) in call_all(&api.at_tenants_door(), UNKNOWN_ID).await? {
        assert_eq!(answer.status, 401, "{route}: {answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_role_for_one_tenant_is_refused_for_another_by_iam() -> Result<(), Error> {
    let scene = Scene::open()?;
    let tenant = format!("tenant-{}", fresh_account());
    let one = caller(&scene, "one-tenant", &tenant).await?;
    let api = Api::signed(&scene.ready, &one, &tenant)?;
    let link = scene.link(&api, "us-east-1").await?;
    let id = text(&link, "id")?;
    for (route, answer) in call_all(&api, &id).await? {
        assert_ne!(answer.status, 403, "{route}: {answer:?}");
    }
    let others = [
        "globex".to_owned(),
        format!("{tenant}2"),
        format!("x{tenant}"),
        tenant.to_uppercase(),
        format!("{tenant}%2F..%2Fglobex"),
        format!("globex%2F{tenant}"),
    ];
    for other in others {
        for (route, answer) in call_all(&api.towards(&other), &id).await? {
            let case = format!("{other}: {route}");
            assert!([403, 404].contains(&answer.status), "{case}: {answer:?}");
            assert!(
                answer.body.get("type").is_none(),
                "{case} reached the function: {answer:?}"
            );
        }
    }
    assert_forbidden(
        "globex",
        &api.towards("globex")
            .call(Method::GET, "/v1/connections", None)
            .await?,
    );
    Ok(())
}

#[tokio::test]
async fn the_back_end_acts_for_every_tenant_and_nothing_else() -> Result<(), Error> {
    let scene = Scene::open()?;
    let back_end = caller(&scene, "back-end", "").await?;
    for tenant in ["acme", "auth0%7C42", "a.b_c:d@e+f=g-h"] {
        let api = Api::signed(&scene.ready, &back_end, tenant)?;
        let link = scene.link(&api, "us-east-1").await?;
        let id = text(&link, "id")?;
        assert_eq!(api.get(&id).await?, link, "{tenant}");
        api.delete(&id).await?;
        let elsewhere = api.towards("globex");
        let answer = elsewhere
            .call(Method::GET, &format!("/v1/connections/{id}"), None)
            .await?;
        answer.shows(404, json!({ "type": "urn:latchkey:problem:not_found" }));
        for (method, path) in [
            (Method::PUT, "/v1/connections"),
            (Method::GET, "/v1/connections/x/external-id"),
            (Method::GET, "/v1"),
        ] {
            let answer = api.call(method.clone(), path, None).await?;
            assert!([403, 404].contains(&answer.status), "{method} {path}: {answer:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn support_looks_at_every_tenant_and_changes_nothing() -> Result<(), Error> {
    let (scene, acme) = Scene::with_acme()?;
    let id = text(&scene.link(&acme, "us-east-1").await?, "id")?;
    let support = caller(&scene, "read-only-support", "").await?;
    let api = Api::signed(&scene.ready, &support, "acme")?;
    for (route, answer) in call_all(&api, &id).await? {
        match route.starts_with("GET ") {
            true => assert_eq!(answer.status, 200, "{route}: {answer:?}"),
            false => assert_forbidden(&route, &answer),
        }
    }
    assert_eq!(acme.get(&id).await?["status"], "pending");
    let found = api
        .call(Method::GET, &format!("/v1/search?connection_id={id}"), None)
        .await?;
    assert_eq!(found.body["connections"][0]["id"], id, "{found:?}");
    Ok(())
}

#[tokio::test]
async fn a_connection_is_found_over_all_tenants_while_it_lives() -> Result<(), Error> {
    let (scene, acme, one) = Scene::with_connected().await?;
    let api = Api::signed(&scene.ready, &caller(&scene, "back-end", "").await?, "nobody")?;
    let account = &one.customer.account;
    let role_arn = one.customer.role_arn(Connected::ROLE);
    let (external_id, id) = (&one.external_id, &one.id);
    let by_id = format!("/v1/search?connection_id={id}");
    let by_external_id = format!("/v1/search?external_id={external_id}");
    let by_role = format!("/v1/search?role_arn={role_arn}");
    let by_account = format!("/v1/search?account_id={account}");
    for path in [&by_id, &by_external_id, &by_role, &by_account] {
        let found = api.call(Method::GET, path, None).await?;
        let connections = found.body["connections"].as_array().ok_or("no list")?;
        assert_eq!(connections.len(), 1, "{path}: {found:?}");
        assert_shows(
            &connections[0],
            json!({ "id": id, "tenant": "acme", "status": "active" }),
        );
    }
    acme.delete(id).await?;
    for (path, lives_on) in [
        (&by_id, true),
        (&by_external_id, true),
        (&by_role, false),
        (&by_account, false),
    ] {
        let found = api.call(Method::GET, path, None).await?;
        let found = found.body["connections"].as_array().ok_or("no list")?.len();
        assert_eq!(found, usize::from(lives_on), "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn on_call_sees_who_is_degraded_over_all_tenants() -> Result<(), Error> {
    let (scene, acme, one) = Scene::with_connected().await?;
    let api = Api::signed(
        &scene.ready,
        &caller(&scene, "read-only-support", "").await?,
        "nobody",
    )?;
    let degraded = async || -> Result<Vec<Value>, Error> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/search?status=degraded&limit=2{after}");
            let page = api.call(Method::GET, &path, None).await?;
            assert_eq!(page.status, 200, "{page:?}");
            all.extend(page.body["connections"].as_array().ok_or("no list")?.clone());
            let Some(next) = page.body["next_after"].as_str() else {
                return Ok(all);
            };
            after = format!("&after={next}");
        }
    };
    let is_it = |found: &Value| found["id"] == json!(one.id) && found["tenant"] == "acme";
    assert!(!degraded().await?.iter().any(is_it), "it is well");
    one.customer
        .set_trust(
            Connected::ROLE,
            &trust_policy("999988887777", json!({})).to_string(),
        )
        .await?;
    scene.degraded(&acme, &one.id).await?;
    assert_eq!(degraded().await?.iter().filter(|found| is_it(found)).count(), 1);
    Ok(())
}

#[tokio::test]
async fn a_tenant_that_no_path_can_name_is_told_so() -> Result<(), Error> {
    let scene = Scene::open()?;
    let back_end = caller(&scene, "back-end", "").await?;
    let long = "a".repeat(129);
    for tenant in ["a%23b", "a%20b", "%C3%A9", &long, "a%252Fb"] {
        let api = Api::signed(&scene.ready, &back_end, tenant)?;
        let answer = api.call(Method::GET, "/v1/connections", None).await?;
        answer.shows(400, json!({ "type": "urn:latchkey:problem:invalid_request" }));
    }
    Ok(())
}

#[tokio::test]
async fn half_an_issuer_is_refused_before_anything_is_made() -> Result<(), Error> {
    let given = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    for (issuer, parameters, said) in [
        (true, given("JwtAudience", ""), "give JwtAudience as well"),
        (true, given("TenantClaim", ""), "give TenantClaim as well"),
        (false, given("JwtAudience", "vendor-ui"), "JwtAudience is given"),
        (
            false,
            given("TenantClaim", "custom:tenant"),
            "TenantClaim is given",
        ),
    ] {
        let options = Options {
            issuer,
            parameters,
            ..Options::default()
        };
        let started = LocalAws::start(options, |_| {}).await.map(drop);
        let error = started.err().ok_or(said)?.to_string();
        assert!(error.contains(said), "{said}: {error}");
    }
    Ok(())
}

#[tokio::test]
async fn without_an_issuer_only_signed_requests_have_a_door() -> Result<(), Error> {
    let options = Options {
        issuer: false,
        ..Options::default()
    };
    let aws = LocalAws::start(options, |_| {}).await?;
    assert!(aws.ready.tokens.is_empty());
    let signed = Api::of(&aws.ready, "acme")?;
    let made = signed.create(&json!({ "name": "x" })).await?;
    assert_eq!(signed.get(&text(&made, "id")?).await?, made);
    for (case, api) in [
        ("a token", Api::with_token(&aws.ready, "x")?),
        ("a signature", signed.at_tenants_door()),
    ] {
        for (route, answer) in call_all(&api, UNKNOWN_ID).await? {
            // The local IAM refuses a signature before it looks for the route, AWS finds no route.
            assert!([403, 404].contains(&answer.status), "{case}: {route}: {answer:?}");
            assert!(
                answer.body.get("type").is_none(),
                "{case}: {route} reached the function"
            );
        }
    }
    aws.stop().await
}

#[tokio::test]
async fn the_audit_log_has_the_arn_of_the_callers_session() -> Result<(), Error> {
    let scene = Scene::open()?;
    let back_end = caller(&scene, "back-end", "").await?;
    let api = Api::signed(&scene.ready, &back_end, "acme")?;
    let id = text(&scene.link(&api, "us-east-1").await?, "id")?;
    api.delete(&id).await?;
    let entries = scene.audit_entries(&id).await?;
    assert_eq!(entries.len(), 2, "{entries:?}");
    for entry in entries {
        let arn = entry["caller"].as_s().map_err(|_| "no text")?;
        let session = format!(
            "arn:aws:sts::{}:assumed-role/back-end-",
            scene.ready.vendor_account
        );
        assert!(arn.starts_with(&session) && arn.ends_with("/person"), "{arn}");
    }
    let by_token = text(&scene.link(&scene.acme()?, "us-east-1").await?, "id")?;
    let entries = scene.audit_entries(&by_token).await?;
    assert!(
        entries.iter().all(|entry| !entry.contains_key("caller")),
        "{entries:?}"
    );
    Ok(())
}
