//! Published versions are listed with what each changes, and a connection that is behind tells how it gets there.

use latchkey_tests::{
    Error,
    api::Api,
    scene::{Scene, assert_shows, text},
    stack_template::StackTemplate,
};
use reqwest::Method;
use serde_json::{Value, json};

async fn versions(api: &Api) -> Result<Value, Error> {
    let answer = api.call(Method::GET, "/v1/template-versions", None).await?;
    assert_eq!(answer.status, 200, "{}", answer.body);
    Ok(answer.body)
}

#[tokio::test]
async fn every_tenant_reads_the_published_versions_with_their_digests_and_changes() -> Result<(), Error> {
    let scene = Scene::open()?;
    let body = versions(&scene.acme()?).await?;
    let current = text(&body, "current")?;
    let newest = body["versions"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|version| version["version"] == json!(current))
        .ok_or("the current version is not listed")?;
    assert_eq!(newest["url"], json!(scene.ready.template_url));
    assert_eq!(text(newest, "sha256")?.len(), 64);
    assert!(
        newest["changes"]["changes"]
            .as_array()
            .is_some_and(|changes| !changes.is_empty()),
        "{newest}"
    );
    assert!(text(newest, "changelog")?.len() > 20);
    let names: Vec<_> = newest["files"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|file| &file["name"])
        .collect();
    assert!(names.contains(&&json!("security.html")), "{names:?}");
    assert_eq!(versions(&scene.globex()?).await?["current"], json!(current));
    Ok(())
}

/// A stack of the first template, the newest one as its update: through the very command that the API gives.
#[tokio::test]
async fn a_connection_that_is_behind_is_updated_by_the_command_from_the_api_and_then_is_not_behind_any_more()
-> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    scene.publish_first_version().await?;
    let mut first: Value = serde_json::from_str(&StackTemplate::new(&scene.ready, "EXTERNAL-ID").text())?;
    first["Parameters"] = json!({ "ExternalId": { "Type": "String", "Default": link.external_id.clone() } });
    let first = first
        .to_string()
        .replace("\"EXTERNAL-ID\"", "{\"Ref\":\"ExternalId\"}")
        // As our templates call it: by that the stack is known to be one of theirs.
        .replace("\"Role\"", "\"ConnectionRole\"");
    customer.create_stack("Behind", &first).await?;
    customer.wait("Behind").await?.expect("CREATE_COMPLETE")?;

    let shown = api.wait_for(&link.id, "active").await?;
    let current = text(&versions(&api).await?, "current")?;
    let update = &shown["update"];
    assert_eq!(update["version"], json!(current), "{shown}");
    let changes = update["changes"].as_array().ok_or("no changes")?;
    assert_eq!(changes.last().map(|last| &last["version"]), Some(&json!(current)));
    assert!(text(update, "update_url")?.contains("/stacks/update/template?stackId="));

    customer
        .run_update_command(&text(update, "update_command")?)
        .await?
        .expect("UPDATE_COMPLETE")?;
    let updated = api
        .wait_until(&link.id, |connection| connection.get("update").is_none())
        .await?;
    assert_shows(
        &updated,
        json!({ "status": "active", "external_id": link.shown["external_id"] }),
    );
    // The template's default.
    assert_eq!(updated["permission_tier"], json!("account-basics"));
    Ok(())
}

#[tokio::test]
async fn a_link_for_a_tier_launches_with_it_and_is_not_behind() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let body = json!({ "name": "x", "region": "us-east-1", "permission_tier": "inventory" });
    let link = api.create(&body).await?;
    assert_eq!(link["permission_tier"], json!("inventory"));
    let customer = scene.new_customer("us-east-1").await?;
    customer.follow(&link).await?;
    let shown = api.wait_for(&text(&link, "id")?, "active").await?;
    assert_shows(
        &shown,
        json!({ "permission_tier": "inventory", "permissions": { "tier": "inventory" } }),
    );
    // The role has what the tier asks for.
    assert_eq!(shown["permissions"]["missing"], json!([]));
    assert_eq!(shown.get("update"), None);
    Ok(())
}
