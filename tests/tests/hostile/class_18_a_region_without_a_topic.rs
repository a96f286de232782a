//! Class 18: a stack in a region where we do not listen.
//!
//! Guard: no link is made for it (`shared/core/src/use_cases/start_connection.rs`); who changes the
//! region in the console is refused by the template's rules before anything is made, and a copy
//! without them fails at once, as AWS finds no topic, and takes everything back.

use std::time::Instant;

use latchkey_tests::{
    Error,
    scene::{Scene, assert_contains, assert_shows, text},
    stack_template::StackTemplate,
};
use reqwest::Method;
use serde_json::json;

use super::support::assert_soon;

/// A region of AWS that the local deployment has no topic in.
const ELSEWHERE: &str = "eu-central-1";

#[tokio::test]
async fn no_link_is_made_for_a_region_that_we_do_not_listen_in() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.new_tenant().await?;
    for region in [ELSEWHERE, "us-gov-east-1", "cn-north-1", "xx-nowhere-1"] {
        let body = json!({ "name": "x", "region": region });
        let answer = api.call(Method::POST, "/v1/connections", Some(&body)).await?;
        assert_eq!(answer.status, 400, "{region}: {answer:?}");
        assert_contains(&answer.body["detail"], "region");
    }
    let listed = api.call(Method::GET, "/v1/connections", None).await?;
    assert_eq!(listed.body["connections"], json!([]));
    Ok(())
}

#[tokio::test]
async fn a_stack_in_a_region_without_a_topic_fails_at_once_and_the_link_works_where_it_was_made_for()
-> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let link = scene.link(&api, "us-east-1").await?;
    let (id, external_id) = (text(&link, "id")?, text(&link, "external_id")?);
    let lost = scene.new_customer(ELSEWHERE).await?;
    let started = Instant::now();
    // The true template, opened from a console that stood in another region, makes nothing.
    let refused = lost.open(&text(&link, "launch_url")?, None).await;
    let refused = refused.err().ok_or("the stack was made")?;
    assert_contains(refused, "This vendor is not reached from this region");
    // A copy without its rules asks a topic that is not there.
    let copy = StackTemplate::new(&scene.ready, &external_id);
    let outcome = lost.launch("Lost", &copy).await?;
    outcome.expect("ROLLBACK_COMPLETE")?;
    assert_soon(started, 20);
    let says_so = |reason: &String| reason.contains("Topic does not exist") || reason.contains("NotFound");
    assert!(outcome.reasons.iter().any(says_so), "{:?}", outcome.reasons);
    // A copy that names the topic of a region where there is one: CloudFormation does not go there.
    let topic = scene.ready.topic("us-east-1")?;
    let copy = copy.property("ServiceToken", json!(topic));
    let outcome = lost.launch("Copied", &copy).await?;
    outcome.expect("ROLLBACK_COMPLETE")?;
    lost.deleted(&outcome.stack_id).await?;

    let shown = api.get(&id).await?;
    assert_shows(&shown, json!({ "status": "pending", "reason": null }));
    let customer = scene.new_customer("us-east-1").await?;
    customer.follow(&link).await?;
    Ok(())
}
