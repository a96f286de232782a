//! The vendor's API: what it refuses, whom it shows what, and what a launch link carries.

use std::collections::BTreeSet;

use latchkey_core::domain::instructions::launch_link::LaunchLink;
use latchkey_tests::{
    Error,
    api::{Answer, Api},
    scene::{Scene, fresh_account, text},
};
use reqwest::Method;
use serde_json::{Value, json};

/// Every route, with an id where it takes one. A route that is added without a line here is found by
/// `every_route_of_the_template_is_called_here`.
const ROUTES: [(&str, &str); 8] = [
    ("POST", "/v1/connections"),
    ("GET", "/v1/connections"),
    ("GET", "/v1/connections/{id}"),
    ("DELETE", "/v1/connections/{id}"),
    ("POST", "/v1/connections/{id}/role"),
    ("POST", "/v1/connections/{id}/rotate-external-id"),
    ("DELETE", "/v1/connections/{id}/rotate-external-id"),
    ("GET", "/v1/template-versions"),
];
/// In the form of an id, and nobody's.
const UNKNOWN_ID: &str = "conn_tz4a98xxat96iws9zmbrgj3a";

/// Calls every route with a body that would be accepted.
async fn call_all(api: &Api, id: &str) -> Result<Vec<(String, Answer)>, Error> {
    let mut answers = Vec::new();
    for (method, path) in ROUTES {
        let body = match (method, path) {
            ("POST", "/v1/connections") => Some(json!({ "name": "x" })),
            ("POST", "/v1/connections/{id}/role") => {
                Some(json!({ "role_arn": "arn:aws:iam::222222222222:role/x" }))
            }
            _ => None,
        };
        let path = path.replace("{id}", id);
        answers.push((
            format!("{method} {path}"),
            api.call(method.parse()?, &path, body.as_ref()).await?,
        ));
    }
    Ok(answers)
}

fn assert_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.content_type, "application/problem+json");
    assert_eq!(answer.body["status"], status);
    assert_eq!(answer.body["type"], format!("urn:latchkey:problem:{code}"));
    for field in ["title", "detail"] {
        assert!(
            answer.body[field].as_str().is_some_and(|text| !text.is_empty()),
            "{answer:?}"
        );
    }
}

#[test]
fn every_route_of_the_template_is_called_here() -> Result<(), Error> {
    let template = latchkey_tests::sam_template::load("template.yaml")?;
    let resources = template["Resources"].as_object().unwrap();
    let routes: BTreeSet<String> = resources
        .values()
        .filter(|resource| resource["Type"] == "AWS::ApiGatewayV2::Route")
        .map(|route| route["Properties"]["RouteKey"].as_str().unwrap().to_owned())
        .collect();
    let called = ROUTES.map(|(method, path)| format!("{method} {path}"));
    assert_eq!(routes, called.into());
    Ok(())
}

#[tokio::test]
async fn nobody_gets_in_without_a_token_of_the_vendors_issuer() -> Result<(), Error> {
    let scene = Scene::open()?;
    let good = scene.ready.tokens["acme"].clone();
    let elsewhere = scene.login_elsewhere("acme").await?;
    let parts: Vec<&str> = good.split('.').collect();
    let none = "eyJhbGciOiAibm9uZSIsICJ0eXAiOiAiSldUIn0";
    let other_tenant = scene.ready.tokens["globex"].split('.').nth(1).unwrap().to_owned();
    let mut tokens = vec![
        ("no token", None),
        ("an empty one", Some(String::new())),
        ("garbage", Some("garbage".to_owned())),
        ("no signature", Some(format!("{}.{}.", parts[0], parts[1]))),
        ("alg=none", Some(format!("{none}.{}.", parts[1]))),
        (
            "alg=none with a signature",
            Some(format!("{none}.{}.{}", parts[1], parts[2])),
        ),
        (
            "another tenant's claims under our signature",
            Some(format!("{}.{other_tenant}.{}", parts[0], parts[2])),
        ),
        ("another issuer's", Some(elsewhere.id)),
        ("another issuer's access token", Some(elsewhere.access)),
    ];
    // Not the last character: the bits behind the end of a base64 text mean nothing.
    let mut forged = parts[2].to_owned();
    let first = if forged.starts_with('A') { "B" } else { "A" };
    forged.replace_range(..1, first);
    tokens.push((
        "a forged signature",
        Some(format!("{}.{}.{forged}", parts[0], parts[1])),
    ));

    for (case, token) in tokens {
        let api = match token {
            Some(token) => Api::with_token(&scene.ready, &token)?,
            None => Api::without_token(&scene.ready)?,
        };
        for (route, answer) in call_all(&api, UNKNOWN_ID).await? {
            assert_eq!(answer.status, 401, "{case}: {route} answered {answer:?}");
            assert!(answer.body.get("id").is_none() && answer.body.get("connections").is_none());
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_caller_without_a_usable_tenant_is_refused_on_every_route() -> Result<(), Error> {
    let scene = Scene::open()?;
    let access = scene.login("acme").await?.access;
    let strange = scene.login("a#b<c>").await?.id;
    for token in [access, strange] {
        let api = Api::with_token(&scene.ready, &token)?;
        for (route, answer) in call_all(&api, UNKNOWN_ID).await? {
            assert_eq!(answer.status, 403, "{route}");
            assert_problem(&answer, 403, "no_tenant");
        }
    }
    Ok(())
}

#[tokio::test]
async fn another_tenants_connection_looks_exactly_like_one_that_never_was() -> Result<(), Error> {
    let scene = Scene::open()?;
    let (acme, globex) = (scene.acme()?, scene.globex()?);
    let link = scene.link(&acme, "us-east-1").await?;
    let id = text(&link, "id")?;
    for method in [Method::GET, Method::DELETE] {
        let theirs = globex
            .call(method.clone(), &format!("/v1/connections/{id}"), None)
            .await?;
        assert_problem(&theirs, 404, "not_found");
        for unknown in [
            UNKNOWN_ID,
            "conn_",
            "x",
            "conn_tz4a98xxat96iws9zmbrgj3aa",
            "TENANT%23acme",
            "%00",
        ] {
            let nobodys = globex
                .call(method.clone(), &format!("/v1/connections/{unknown}"), None)
                .await?;
            assert_eq!(nobodys.status, theirs.status, "{unknown}");
            assert_eq!(nobodys.body, theirs.body, "{unknown}");
            assert_eq!(nobodys.content_type, theirs.content_type, "{unknown}");
        }
    }
    assert_eq!(acme.get(&id).await?, link, "and nothing was done to it");
    Ok(())
}

#[tokio::test]
async fn a_body_that_is_not_as_it_should_be_is_refused_and_the_field_is_named() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.new_tenant().await?;
    let with = |field: &str, value: Value| {
        let mut body = json!({ "name": "Production" });
        body[field] = value;
        body.to_string()
    };
    let many: serde_json::Map<String, Value> = (0..21).map(|i| (format!("key{i}"), json!("x"))).collect();
    let cases = [
        (with("nickname", json!("x")), "nickname"),
        (with("tenant", json!("globex")), "tenant"),
        (with("status", json!("active")), "status"),
        (
            with("external_id", json!("tz4a98xxat96iws9zmbrgj3atz4a98xx")),
            "external_id",
        ),
        (with("externalId", json!("x")), "external_id"),
        (with("ExternalId", json!(null)), "external_id"),
        (with("name", json!("x".repeat(129))), "name"),
        (with("name", json!("")), "name"),
        (with("name", json!("   ")), "name"),
        (with("name", json!("a\nb")), "name"),
        (with("name", json!("a\u{202e}b")), "name"),
        (with("name", json!("a\u{1b}[31mb")), "name"),
        (with("name", json!(7)), "name"),
        (with("name", json!(["x"])), "name"),
        (with("name", json!(null)), "name"),
        (json!({ "description": "x" }).to_string(), "name"),
        (with("description", json!("x".repeat(1_025))), "description"),
        (with("description", json!("a\u{2066}b")), "description"),
        (with("description", json!({})), "description"),
        (with("tags", json!({ "a": 1 })), "tags"),
        (with("tags", json!(["a"])), "tags"),
        (with("tags", json!({ "a\u{0}": "b" })), "tags"),
        (with("tags", json!({ "a": "b\r" })), "tags"),
        (with("tags", json!({ "": "b" })), "tags"),
        (with("tags", Value::Object(many)), "tags"),
        (with("account_id", json!("1234")), "account"),
        (with("account_id", json!("12345678901x")), "account"),
        (with("account_id", json!("１２３４５６７８９０１２")), "account"),
        (with("account_id", json!(222_222_222_222_u64)), "account_id"),
        (with("region", json!("eu-north-1")), "region"),
        (with("region", json!("moon-1")), "region"),
        (with("region", json!("us-east-1.evil.example")), "region"),
        (with("region", json!(1)), "region"),
        (r#"{"name":"a","name":"b"}"#.to_owned(), "name"),
        ("{".to_owned(), "body"),
        (String::new(), "body"),
        ("[]".to_owned(), "body"),
        ("\"x\"".to_owned(), "body"),
        ("null".to_owned(), "body"),
        ("[".repeat(5_000), "body"),
        (with("description", json!("x".repeat(70_000))), "body"),
    ];
    let mut unnamed = Vec::new();
    for (body, field) in cases {
        let answer = api
            .call_raw(Method::POST, "/v1/connections", Some(body.clone()))
            .await?;
        let sent: String = body.chars().take(100).collect();
        assert_eq!(answer.status, 400, "{sent}: {answer:?}");
        assert_problem(&answer, 400, "invalid_request");
        if !text(&answer.body, "detail")?.contains(field) {
            unnamed.push(format!("{field}: {sent} → {}", answer.body["detail"]));
        }
    }
    assert!(
        unnamed.is_empty(),
        "the field is not named:\n{}",
        unnamed.join("\n")
    );
    let listed = api.call(Method::GET, "/v1/connections", None).await?;
    assert_eq!(listed.body["connections"], json!([]), "nothing was made");
    Ok(())
}

#[tokio::test]
async fn texts_that_only_look_dangerous_are_kept_as_they_are() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let body = json!({
        "name": "Ärzte & Söhne <script>alert(\"1\")</script> '日本'; DROP TABLE",
        "description": "${jndi:ldap://x} {{7*7}} %s \\n",
        "tags": { "k\"'<>": "v`$(x)" },
        "account_id": "222222222222",
    });
    let link = api.create(&body).await?;
    for field in ["name", "description", "tags", "account_id"] {
        assert_eq!(link[field], body[field]);
    }
    assert_eq!(api.get(&text(&link, "id")?).await?, link);
    Ok(())
}

#[tokio::test]
async fn a_launch_link_carries_the_external_id_and_the_command_says_the_same() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    for region in scene.ready.regions.clone() {
        let link = scene.link(&api, &region).await?;
        let parsed = LaunchLink::parse(&text(&link, "launch_url")?)?;
        assert_eq!(parsed.region.as_str(), region);
        assert_eq!(parsed.external_id.as_str(), link["external_id"]);
        assert_eq!(parsed.template_url, link["template"]["url"]);
        assert_eq!(parsed.template_url, scene.ready.template_url);
        assert_eq!(parsed.url(), link["launch_url"]);
        assert_eq!(parsed.cli_command(), link["launch_command"]);
        let command = text(&link, "launch_command")?;
        let words: Vec<&str> = command
            .split_whitespace()
            .map(|word| word.trim_matches('\''))
            .collect();
        let after = |option: &str| {
            let at = words
                .iter()
                .position(|word| *word == option)
                .unwrap_or(usize::MAX - 1);
            words.get(at + 1).copied().unwrap_or_default().to_owned()
        };
        assert_eq!(words[..3], ["aws", "cloudformation", "create-stack"]);
        assert_eq!(after("--region"), region);
        assert_eq!(after("--stack-name"), parsed.stack_name);
        assert_eq!(after("--template-url"), parsed.template_url);
        let parameter = format!("ParameterKey=ExternalId,ParameterValue={}", parsed.external_id);
        assert_eq!(after("--parameters"), parameter);
        assert_eq!(after("--capabilities"), "CAPABILITY_NAMED_IAM");

        assert_eq!(
            (&link["status"], &link["region"]),
            (&json!("pending"), &json!(region))
        );
        assert!(link["expires_at"].as_str() > link["created_at"].as_str());
        assert_eq!(link["account_id"], Value::Null);
        assert_eq!(
            api.get(&text(&link, "id")?).await?,
            link,
            "the link is shown again while it can be used"
        );
    }
    Ok(())
}

#[tokio::test]
async fn every_connection_has_an_id_and_an_external_id_of_its_own() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let body = json!({ "name": "The same" });
    let (one, other) = futures::try_join!(api.create(&body), api.create(&body))?;
    for field in ["id", "external_id", "launch_url"] {
        assert_ne!(one[field], other[field], "{field}");
    }
    assert_eq!(
        one["region"], scene.ready.hub_region,
        "the default region where none is named"
    );
    Ok(())
}

#[tokio::test]
async fn pages_show_each_of_a_tenants_connections_once_and_nobody_elses() -> Result<(), Error> {
    const CONNECTIONS: usize = 120;
    let scene = Scene::open()?;
    let (api, other) = (scene.new_tenant().await?, scene.new_tenant().await?);
    let name = format!("Paged {}", fresh_account());
    let mut made = BTreeSet::new();
    for _ in 0..CONNECTIONS / 10 {
        let bodies: Vec<Value> = (0..10).map(|_| json!({ "name": name })).collect();
        let ten = futures::future::try_join_all(bodies.iter().map(|body| api.create(body))).await?;
        made.extend(ten.iter().map(|link| text(link, "id").unwrap()));
    }
    let foreign = other.create(&json!({ "name": name })).await?;

    for (limit, pages) in [(None, 3), (Some(100), 2), (Some(7), 18), (Some(1), 120)] {
        let mut seen = Vec::new();
        let mut after = None::<String>;
        let mut count = 0;
        loop {
            let mut query = Vec::new();
            query.extend(limit.map(|limit| format!("limit={limit}")));
            query.extend(after.map(|after| format!("after={after}")));
            let answer = api
                .call(Method::GET, &format!("/v1/connections?{}", query.join("&")), None)
                .await?;
            assert_eq!(answer.status, 200, "{answer:?}");
            let page = answer.body["connections"].as_array().unwrap();
            let is_last = answer.body["next_after"].is_null();
            // DynamoDB finds out that nothing follows by looking: a last page may be empty.
            assert!((!page.is_empty() || is_last) && page.len() <= limit.unwrap_or(50));
            for connection in page {
                assert_eq!(connection["name"], name);
                assert!(
                    connection.get("launch_url").is_none(),
                    "links are for the one that asks for it"
                );
                seen.push(text(connection, "id")?);
            }
            count += 1;
            after = answer.body["next_after"].as_str().map(str::to_owned);
            if after.is_none() {
                break;
            }
        }
        let distinct: BTreeSet<String> = seen.iter().cloned().collect();
        assert_eq!(distinct.len(), seen.len(), "none comes twice");
        assert_eq!(distinct, made);
        assert!((pages..=pages + 1).contains(&count), "{count} pages of {limit:?}");
    }
    let theirs = other.call(Method::GET, "/v1/connections", None).await?;
    assert_eq!(theirs.body["connections"].as_array().unwrap().len(), 1);
    assert_eq!(theirs.body["connections"][0]["id"], foreign["id"]);
    // A page key of another tenant is a place in one's own list, no more.
    let last = made.iter().next_back().unwrap();
    let from = other
        .call(Method::GET, &format!("/v1/connections?after={last}"), None)
        .await?;
    assert_eq!(from.status, 200);
    let ids: Vec<String> = from.body["connections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| text(it, "id").unwrap())
        .collect();
    assert!(ids.iter().all(|id| !made.contains(id)));
    Ok(())
}

#[tokio::test]
async fn a_page_that_cannot_be_asked_for_is_refused() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("after=x", "after"),
        ("after=", "after"),
        ("after=TENANT%23globex", "after"),
        ("after=conn_tz4a98xxat96iws9zmbrgj3a%00", "after"),
    ] {
        let answer = api
            .call(Method::GET, &format!("/v1/connections?{query}"), None)
            .await?;
        assert_problem(&answer, 400, "invalid_request");
        assert!(
            text(&answer.body, "detail")?.contains(field),
            "{query}: {answer:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn ending_a_connection_twice_is_one_end() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let link = scene.link(&api, "us-east-1").await?;
    let id = text(&link, "id")?;
    let ended = api.delete(&id).await?;
    assert_eq!(ended["status"], "disconnected");
    assert_eq!(ended["reason"]["code"], "disconnected_by_vendor");
    assert!(ended.get("launch_url").is_none());
    assert_eq!(api.delete(&id).await?, ended);
    assert_eq!(api.get(&id).await?, ended);
    assert_eq!(scene.audit_events(&id).await?, ["created", "disconnected"]);

    // The link of an ended connection is spent.
    let customer = scene.new_customer("us-east-1").await?;
    let stack = customer.open(&text(&link, "launch_url")?, None).await?;
    let outcome = customer.wait(&stack).await?;
    outcome.expect("ROLLBACK_COMPLETE")?;
    assert!(
        outcome
            .reasons
            .iter()
            .any(|reason| reason.contains("[disconnected_by_vendor]")),
        "{outcome:?}"
    );
    assert_eq!(api.get(&id).await?, ended);
    Ok(())
}

#[tokio::test]
async fn what_the_api_does_not_have_is_not_found_there() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    for (method, path) in [
        (Method::PUT, "/v1/connections"),
        (Method::PATCH, "/v1/connections/conn_tz4a98xxat96iws9zmbrgj3a"),
        (
            Method::GET,
            "/v1/connections/conn_tz4a98xxat96iws9zmbrgj3a/external-id",
        ),
        (Method::GET, "/v1/tenants"),
        (Method::GET, "/"),
    ] {
        let answer = api.call(method.clone(), path, None).await?;
        assert_eq!(answer.status, 404, "{method} {path}: {answer:?}");
    }
    Ok(())
}
