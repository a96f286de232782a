//! The edges of the API: what clients send, and what they are told of it.

use latchkey_tests::{
    Error,
    scene::{Scene, assert_shows, text},
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
