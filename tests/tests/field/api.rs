//! The edges of the API: what clients send, and what they are told of it.

use latchkey_tests::{
    Error,
    api::Api,
    scene::{Scene, assert_contains, assert_shows, fresh_account, text},
};
use reqwest::Method;
use serde_json::json;

/// A8; failed at 51a4ca2.
#[tokio::test]
async fn an_array_is_taken_for_no_object_of_the_api() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let link = scene.link(&api, "us-east-1").await?;
    let role = format!("/v1/connections/{}/role", text(&link, "id")?);
    let by_position =
        json!(["A name", "why", { "a": "b" }, "222222222222", "eu-west-1", null, "account", null]);
    let bodies = [
        ("/v1/connections", by_position, "the body must be a JSON object"),
        (
            role.as_str(),
            json!(["arn:aws:iam::222222222222:role/x"]),
            "the body must be a JSON object",
        ),
        (
            "/v1/connections",
            json!({ "name": "x", "kind": "organization", "organization": [7, ["222222222222"]] }),
            "organization must be an object with max_accounts, allowed_accounts, or both",
        ),
        (
            "/v1/connections",
            json!({ "name": "x", "kind": { "account": null } }),
            "kind must be `account` or `organization`",
        ),
    ];
    for (path, body, detail) in bodies {
        let answer = api.call(Method::POST, path, Some(&body)).await?;
        answer.shows(400, json!({ "detail": detail }));
    }
    assert_shows(
        &api.get(&text(&link, "id")?).await?,
        json!({ "status": "pending", "role_arn": null }),
    );
    Ok(())
}

/// A9; failed at 51a4ca2.
#[tokio::test]
async fn names_with_joiners_and_flags_connect_as_they_are() -> Result<(), Error> {
    let (_, api) = Scene::with_acme()?;
    for name in [
        "می\u{200c}خواهم",
        "क\u{94d}\u{200d}ष",
        "ශ\u{dca}\u{200d}ර\u{dd3}",
        "Acme 👩\u{200d}💻",
        "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
        "שלום\u{200f}",
    ] {
        let body = json!({ "name": name, "description": name, "tags": { name: name } });
        assert_shows(&api.create(&body).await?, body);
    }
    let padded = json!({ "name": "  padded \n", "description": " d ", "tags": { " k": "v " } });
    let kept = json!({ "name": "padded", "description": "d", "tags": { "k": "v" } });
    assert_shows(&api.create(&padded).await?, kept);
    Ok(())
}

/// A9; at 51a4ca2 the first three were told without the character, and the others were taken.
#[tokio::test]
async fn a_character_that_does_not_show_is_refused_and_named() -> Result<(), Error> {
    let (_, api) = Scene::with_acme()?;
    for (text, character) in [
        ("a\u{202e}b", "character 2 (U+202E)"),
        ("Ac\u{200c}me", "character 3 (U+200C)"),
        ("Acme\u{200f}", "character 5 (U+200F)"),
        ("\u{fdd0}", "character 1 (U+FDD0)"),
        ("a\u{e000}", "character 2 (U+E000)"),
        ("\u{3164}", "character 1 (U+3164)"),
    ] {
        for body in [
            json!({ "name": text }),
            json!({ "name": "x", "description": text }),
            json!({ "name": "x", "tags": { text: "v" } }),
            json!({ "name": "x", "tags": { "k": text } }),
        ] {
            let answer = api.call(Method::POST, "/v1/connections", Some(&body)).await?;
            assert_eq!(answer.status, 400, "{body}");
            assert_contains(&answer.body["detail"], character);
        }
    }
    Ok(())
}

/// A10; failed at 51a4ca2.
#[tokio::test]
async fn tenants_as_auth0_names_them_have_connections_of_their_own() -> Result<(), Error> {
    let scene = Scene::open()?;
    let own = format!("auth0|{}", fresh_account());
    let tenants = [
        own.clone(),
        format!("{own}|x"),
        format!("samlp|corp|{own}@corp.example"),
    ];
    let mut made = Vec::new();
    for tenant in &tenants {
        let api = Api::with_token(&scene.ready, &scene.login(tenant).await?.id)?;
        let link = scene.link(&api, "us-east-1").await?;
        assert_eq!(api.get(&text(&link, "id")?).await?, link);
        let listed = api.call(Method::GET, "/v1/connections", None).await?;
        assert_eq!(
            listed.body["connections"].as_array().map(Vec::len),
            Some(1),
            "{tenant}"
        );
        made.push((api, text(&link, "id")?));
    }
    let (first, _) = &made[0];
    let others = first
        .call(Method::GET, &format!("/v1/connections/{}", made[1].1), None)
        .await?;
    assert_eq!(others.status, 404);
    Ok(())
}

/// A10; at 51a4ca2 nothing said which rule the tenant breaks.
#[tokio::test]
async fn a_tenant_that_is_not_taken_is_told_the_rule() -> Result<(), Error> {
    let scene = Scene::open()?;
    for tenant in ["Acme GmbH", "Ärzte", "a#b", &"a".repeat(129)] {
        let api = Api::with_token(&scene.ready, &scene.login(tenant).await?.id)?;
        let answer = api.call(Method::GET, "/v1/connections", None).await?;
        assert_eq!(answer.status, 403, "{tenant}");
        for part in [
            "custom:tenant",
            "must be 1 to 128 characters of A-Z a-z 0-9 . _ : @ / + = | -",
        ] {
            assert_contains(answer.body["detail"].as_str().unwrap_or_default(), part);
        }
    }
    let api = Api::with_token(&scene.ready, &scene.login("acme").await?.access)?;
    let answer = api.call(Method::GET, "/v1/connections", None).await?;
    assert_eq!(answer.status, 403, "an access token has no such claim");
    assert_contains(&answer.body["detail"], "is missing");
    Ok(())
}

/// Failed at 51a4ca2: most HTTP clients send `{}` with a POST that has nothing to say.
#[tokio::test]
async fn a_rotation_takes_an_empty_object_and_says_where_it_is() -> Result<(), Error> {
    let (_, api, one) = Scene::with_connected().await?;
    let path = format!("/v1/connections/{}/rotate-external-id", one.id);
    let answer = api.call(Method::POST, &path, Some(&json!({}))).await?;
    answer.shows(201, json!({ "id": one.id, "status": "active" }));
    let location = answer.location.ok_or("no location")?;
    assert!(
        location.ends_with(&format!("/v1/connections/{}", one.id)),
        "{location}"
    );
    let refused = api.call(Method::POST, &path, Some(&json!({ "days": 3 }))).await?;
    refused.shows(400, json!({ "type": "urn:latchkey:problem:invalid_request" }));
    Ok(())
}

/// Failed at 51a4ca2: nobody could look a problem up in the logs.
#[tokio::test]
async fn a_problem_has_the_id_that_the_log_has() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let made = api
        .call(Method::POST, "/v1/connections", Some(&json!({ "name": "x" })))
        .await?;
    let location = made.location.ok_or("no location")?;
    assert!(
        location.ends_with(&format!("/v1/connections/{}", text(&made.body, "id")?)),
        "{location}"
    );
    for (method, path) in [
        (Method::POST, "/v1/connections"),
        (Method::GET, "/v1/connections/conn_tz4a98xxat96iws9zmbrgj3a"),
    ] {
        let answer = api.call(method, path, Some(&json!({}))).await?;
        let id = text(&answer.body, "request_id")?;
        scene
            .wait_for_log("link-generator", &[&id, "request.answered"])
            .await?;
    }
    Ok(())
}

/// A11; failed at 51a4ca2: the customer's stack was the first to hear of it.
#[tokio::test]
async fn an_account_that_is_connected_gets_no_link_and_the_name_of_its_connection() -> Result<(), Error> {
    let (scene, api, one) = Scene::with_connected().await?;
    let account = &one.customer.account;
    let dashed = format!("{}-{}-{}", &account[..4], &account[4..8], &account[8..]);
    for written in [account, &dashed] {
        let body = json!({ "name": "x", "account_id": written });
        let answer = api.call(Method::POST, "/v1/connections", Some(&body)).await?;
        let kind = "urn:latchkey:problem:account_already_connected";
        answer.shows(409, json!({ "type": kind, "connection_id": one.id }));
        assert_contains(&answer.body["detail"], &one.id);
    }
    let body = json!({ "name": "x", "account_id": account });
    // Another tenant learns nothing of it.
    scene.globex()?.create(&body).await?;
    api.delete(&one.id).await?;
    api.create(&body).await?;
    Ok(())
}

/// A21; failed at 51a4ca2: everybody got in.
#[tokio::test]
async fn an_organization_that_allows_no_account_is_not_made() -> Result<(), Error> {
    let (_, api) = Scene::with_acme()?;
    let two = ["222222222222", "333333333333"];
    for (rules, said) in [
        (json!({ "allowed_accounts": [] }), "names no account"),
        (
            json!({ "max_accounts": 1, "allowed_accounts": two }),
            "more accounts than max_accounts",
        ),
    ] {
        let body = json!({ "name": "x", "kind": "organization", "organization": rules });
        let answer = api.call(Method::POST, "/v1/connections", Some(&body)).await?;
        assert_eq!(answer.status, 400, "{body}");
        assert_contains(&answer.body["detail"], said);
    }
    Ok(())
}
