//! The vendor's API behind its gateway: who gets in, what a launch link carries, and how a connection ends. What each
//! route refuses is tested in `functions/link-generator/tests/api/`.

mod vendor_door;

use latchkey_core::domain::instructions::launch_link::LaunchLink;
use latchkey_tests::{
    Error,
    api::{Answer, Api},
    scene::{Scene, text},
};
use link_generator::router::{Door, ROUTES};
use reqwest::Method;
use serde_json::{Value, json};

/// In the form of an id, and nobody's.
const UNKNOWN_ID: &str = "conn_tz4a98xxat96iws9zmbrgj3a";

/// Calls every route for one tenant with a body that would be accepted.
async fn call_all(api: &Api, id: &str) -> Result<Vec<(String, Answer)>, Error> {
    let mut answers = Vec::new();
    for route in ROUTES {
        let keys = route.keys();
        let Some((_, key)) = keys.into_iter().find(|(door, _)| *door == Door::Tenant) else {
            continue;
        };
        let body = match key.as_str() {
            "POST /v1/connections" => Some(json!({ "name": "x" })),
            "POST /v1/connections/{id}/role" => {
                Some(json!({ "role_arn": "arn:aws:iam::222222222222:role/x" }))
            }
            _ => None,
        };
        let (method, path) = key.split_once(' ').ok_or("no method")?;
        let path = path.replace("{id}", id);
        let answer = api.call(method.parse()?, &path, body.as_ref()).await?;
        answers.push((key, answer));
    }
    Ok(answers)
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
