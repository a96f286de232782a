//! Class 18: a stack in a region where we do not listen.
//!
//! Guard: no link is made for it (`shared/core/src/use_cases/start_connection.rs`); who changes the region in the console
//! gets a stack that fails at once, as AWS finds no topic, and takes everything back.

use std::time::{Duration, Instant};

use latchkey_tests::{
    Error,
    scene::{Scene, text},
    stack_template::StackTemplate,
};
use reqwest::Method;
use serde_json::{Value, json};

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
        assert!(
            answer.body["detail"]
                .as_str()
                .is_some_and(|detail| detail.contains("region")),
            "{answer:?}"
        );
    }
    let listed = api.call(Method::GET, "/v1/connections", None).await?;
    assert_eq!(listed.body["connections"], json!([]));
    Ok(())
}

#[tokio::test]
async fn a_stack_in_a_region_without_a_topic_fails_at_once_and_the_link_works_where_it_was_made_for()
-> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let link = scene.link(&api, "us-east-1").await?;
    let (id, external_id) = (text(&link, "id")?, text(&link, "external_id")?);
    let lost = scene.new_customer(ELSEWHERE).await?;
    let started = Instant::now();
    // The true template, opened from a console that stood in another region.
    let stack = lost.open(&text(&link, "launch_url")?, None).await?;
    let outcome = lost.wait(&stack).await?;
    outcome.expect("ROLLBACK_COMPLETE")?;
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    let says_so = |reason: &String| reason.contains("Topic does not exist") || reason.contains("NotFound");
    assert!(outcome.reasons.iter().any(says_so), "{:?}", outcome.reasons);
    // A copy that names the topic of a region where there is one: CloudFormation does not go there.
    let topic = scene.ready.topic("us-east-1")?;
    let copy = StackTemplate::new(&scene.ready, &external_id).property("ServiceToken", json!(topic));
    let outcome = lost.launch("Copied", &copy).await?;
    outcome.expect("ROLLBACK_COMPLETE")?;
    lost.delete_stack(&outcome.stack_id)
        .await?
        .expect("DELETE_COMPLETE")?;

    let shown = api.get(&id).await?;
    assert_eq!(
        (&shown["status"], &shown["reason"]),
        (&json!("pending"), &Value::Null)
    );
    let customer = scene.new_customer("us-east-1").await?;
    let stack = customer.open(&text(&link, "launch_url")?, None).await?;
    customer.wait(&stack).await?.expect("CREATE_COMPLETE")?;
    Ok(())
}
