//! Class 10: an answer URL that leads to a metadata service, to localhost, to a look-alike, through user-info or a
//! redirect, to another bucket or region.
//!
//! Guard: one function decides before anything is opened (`shared/core/src/domain/request/response_url.rs`); nothing is put in clear text
//! (`shared/aws/src/cloudformation_answers.rs`), and the connector follows no redirect and takes no proxy
//! (`shared/aws/src/aws_clients.rs`).
//! Shown to fail without it: `tests/mutations/i4-proxy.patch`, `tests/mutations/i4-redirect.patch`.

use latchkey_tests::{
    Error,
    cloudformation_message::ForgedRequest,
    runtime_api::{Outcome, start_function},
    scene::Scene,
    trap::Trap,
};
use serde_json::{Value, json};

use super::support::{LISTENER, admissible, assert_not_read, notification, other_urls};

#[tokio::test]
async fn an_answer_url_that_is_not_cloudformations_drops_its_message_on_the_real_topic() -> Result<(), Error>
{
    let scene = Scene::open()?;
    let attacker = scene.new_customer("us-east-1").await?;
    let trap = Trap::set().await?;
    let request = admissible(&scene, &attacker).await?;
    for url in other_urls(&request, &trap) {
        let forged = request.clone().with("ResponseURL", json!(url));
        let sent = attacker.tell(&scene, &forged.text()).await?;
        assert_not_read(&scene, &sent, forged.stack_id(), "ResponseURL")
            .await
            .map_err(|error| format!("{url}: {error}"))?;
    }
    assert_eq!(trap.connections(), 0);
    Ok(())
}

fn of_type(request_type: &str, request: ForgedRequest) -> ForgedRequest {
    let request = request.with("RequestType", json!(request_type));
    match request_type {
        "Create" => request,
        _ => request.with("PhysicalResourceId", json!("latchkey-0f1e2d3c4b5a69788796a5b4")),
    }
}

/// As deployed on AWS, where nothing relocates the answers: the binary opens what the guard lets through.
#[tokio::test]
async fn the_listener_as_on_aws_opens_no_connection_to_any_other_url() -> Result<(), Error> {
    let scene = Scene::open()?;
    let attacker = scene.new_customer("us-east-1").await?;
    let trap = Trap::set().await?;
    let mut variables = scene.variables(LISTENER).await?;
    variables.insert("LOCAL_ANSWER_ENDPOINT".to_owned(), String::new());
    let mut listener = start_function(LISTENER, &variables).await?;
    let request = admissible(&scene, &attacker).await?;
    for request_type in ["Create", "Update", "Delete"] {
        for url in other_urls(&request, &trap) {
            let forged = of_type(request_type, request.clone()).with("ResponseURL", json!(url));
            let event = notification(&scene, &forged.text())?;
            assert_eq!(
                listener.invoke(&event).await?,
                Outcome::Answer(Value::Null),
                "{url}"
            );
        }
    }
    assert_eq!(trap.connections(), 0);
    let output = listener.output();
    assert_eq!(
        output.matches("request.dropped").count(),
        3 * other_urls(&request, &trap).len()
    );
    assert!(
        !output.contains("X-Amz") && !output.contains("amazonaws.com/"),
        "no URL is logged"
    );
    assert!(scene.items_about(request.stack_id()).await?.is_empty());

    // The trap does notice who comes.
    drop(tokio::net::TcpStream::connect(trap.address).await?);
    while trap.connections() == 0 {
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// The bucket itself cannot be trusted to answer: what it says is a verdict about the answer and no way to go on.
#[tokio::test]
async fn a_redirect_is_not_followed_and_is_no_acceptance() -> Result<(), Error> {
    let scene = Scene::open()?;
    let attacker = scene.new_customer("us-east-1").await?;
    let trap = Trap::set().await?;
    let delete = of_type("Delete", admissible(&scene, &attacker).await?);
    let event = notification(&scene, &delete.text())?;
    for status in [301, 302, 303, 307, 308] {
        let redirect = Trap::redirecting(&format!("http://{}/elsewhere", trap.address), status).await?;
        let mut variables = scene.variables(LISTENER).await?;
        let endpoint = format!("http://{}", redirect.address);
        variables.insert("LOCAL_ANSWER_ENDPOINT".to_owned(), endpoint);
        let mut listener = start_function(LISTENER, &variables).await?;
        let outcome = listener.invoke(&event).await?;
        // Neither taken nor refused: Lambda delivers it again.
        assert!(matches!(outcome, Outcome::Failure(_)), "{status}: {outcome:?}");
        assert_eq!(redirect.connections(), 1, "{status}: it was asked, once");
        assert_eq!(trap.connections(), 0, "{status}: the redirect was followed");
        assert!(!listener.output().contains("X-Amz"), "no URL is logged");
    }
    Ok(())
}

/// What only connects within the vendor's network must not be reachable by way of an environment either.
#[tokio::test]
async fn a_proxy_of_the_environment_is_not_taken() -> Result<(), Error> {
    let scene = Scene::open()?;
    let attacker = scene.new_customer("us-east-1").await?;
    let trap = Trap::set().await?;
    let delete = of_type("Delete", admissible(&scene, &attacker).await?);
    let event = notification(&scene, &delete.text())?;
    let mut variables = scene.variables(LISTENER).await?;
    let bucket = Trap::redirecting("http://127.0.0.1/", 403).await?;
    variables.insert(
        "LOCAL_ANSWER_ENDPOINT".to_owned(),
        format!("http://{}", bucket.address),
    );
    // The SDKs take none either: they are given a connector of ours.
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        for name in [name.to_owned(), name.to_lowercase()] {
            variables.insert(name, format!("http://{}", trap.address));
        }
    }
    let mut listener = start_function(LISTENER, &variables).await?;
    assert_eq!(listener.invoke(&event).await?, Outcome::Answer(Value::Null));
    assert_eq!((bucket.connections(), trap.connections()), (1, 0));
    Ok(())
}
