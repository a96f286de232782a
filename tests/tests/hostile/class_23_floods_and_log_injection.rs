//! Class 23: floods of published messages, and names that forge log lines. The flood itself is run in `flood.rs`.
//!
//! Guard: one connection is verified so many times an hour (`shared/core/src/domain/request/request_budget.rs`), and what is refused
//! leaves nothing behind unless CloudFormation took the answer (`shared/core/src/use_cases/register_role.rs`); names have
//! alphabets (`Envelope::parse`), and a log line is one JSON object (`shared/aws/src/telemetry.rs`).

use latchkey_core::domain::request::request_budget::MAX_REQUESTS_PER_WINDOW;
use latchkey_tests::{
    Error,
    cloudformation_message::ForgedRequest,
    scene::{Scene, text},
};
use reqwest::Method;
use serde_json::{Value, json};

use super::support::{LISTENER, admissible};

/// One more than a connection's budget, and then some.
const FORGED: u32 = MAX_REQUESTS_PER_WINDOW + 10;

#[tokio::test]
async fn a_connection_whose_external_id_is_known_is_verified_so_many_times_an_hour() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let attacker = scene.new_customer("us-east-1").await?;
    let link = scene.link(&api, "us-east-1").await?;
    let (id, external_id) = (text(&link, "id")?, text(&link, "external_id")?);
    let topic = scene.ready.topic("us-east-1")?;
    let mut last = None;
    for _ in 0..FORGED {
        let role = attacker.role_arn("x");
        let forged = ForgedRequest::create(&scene, &attacker, &external_id, &role)?;
        attacker.publish(topic, &forged.text()).await?;
        scene.heard(&[forged.request_id(), "request.received"]).await?;
        last = Some(forged);
    }
    let last = last.ok_or("nothing was forged")?;
    scene.heard(&[last.request_id(), "too_many_requests"]).await?;
    // What is beyond it leaves nothing behind.
    assert!(scene.items_about(last.request_id()).await?.is_empty());
    let kept = scene.items_about(&id).await?;
    let kept = kept.iter().filter(|key| key.starts_with("REQUEST#")).count();
    // An hour may have turned meanwhile, and its budget with it.
    assert!(
        (1..=2 * MAX_REQUESTS_PER_WINDOW as usize).contains(&kept),
        "{kept} requests are kept"
    );
    assert!(
        kept < FORGED as usize || kept > MAX_REQUESTS_PER_WINDOW as usize,
        "{kept}"
    );
    // What the vendor does about it: a new link, which the forger does not know.
    api.delete(&id).await?;
    let customer = scene.new_customer("us-east-1").await?;
    let fresh = scene.link(&api, "us-east-1").await?;
    customer.follow(&fresh).await?;
    Ok(())
}

/// Texts that would end a line, a quotation or a page, or turn one around.
const EVIL: [&str; 7] = [
    "x\n{\"level\":\"ERROR\",\"message\":\"forged.line\"}",
    "x\r\nforged.line",
    "x\u{202e}enil.degrof",
    "\",\"forged.line\":\"",
    "<script>forged.line</script>",
    "\u{1b}[2Jforged.line",
    "x\u{2028}forged.line\u{0}",
];

#[tokio::test]
async fn no_name_in_a_message_or_a_call_forges_a_log_line() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let attacker = scene.new_customer("us-east-1").await?;
    let request = admissible(&scene, &attacker).await?;
    let topic = scene.ready.topic("us-east-1")?;
    let mut dropped = Vec::new();
    for evil in EVIL {
        let stack_id = request
            .stack_id()
            .replace("stack/Forged", &format!("stack/{evil}"));
        let delete = |id: &str| {
            request
                .clone()
                .with("RequestType", json!("Delete"))
                .with("PhysicalResourceId", json!(id))
        };
        for forged in [
            request.clone().with("LogicalResourceId", json!(evil)).sign(),
            request.clone().with("StackId", json!(stack_id)).sign(),
            request.clone().with("RequestId", json!(evil)).sign(),
            request.clone().with("RequestType", json!(evil)),
            request.clone().with("ResourceType", json!(evil)),
            request.clone().with("ServiceToken", json!(evil)),
            request.clone().with("ResponseURL", json!(evil)),
        ] {
            dropped.push((evil, attacker.publish(topic, &forged.text()).await?));
        }
        // These are read and refused, or answered in vain.
        for forged in [
            request.clone().with_property("ExternalId", json!(evil)),
            request.clone().with_property("RoleArn", json!(evil)),
            request.clone().with_property("TemplateVersion", json!(evil)),
            request.clone().with_property(evil, json!(evil)),
            request.clone().with("ServiceTimeout", json!(evil)),
            delete(evil).sign(),
        ] {
            attacker.publish(topic, &forged.text()).await?;
        }
        attacker.publish(topic, evil).await?;
        for body in [
            json!({ "name": evil }),
            json!({ "name": "x", "tags": { "k": evil } }),
        ] {
            api.call(Method::POST, "/v1/connections", Some(&body)).await?;
        }
    }
    let last = attacker.publish(topic, "the last one").await?;
    scene.heard(&[&last, "request.dropped"]).await?;
    for (field, message_id) in dropped {
        scene
            .heard(&[&message_id, "invalid.field"])
            .await
            .map_err(|error| format!("{field}: {error}"))?;
    }
    for function in [LISTENER, "link-generator", "role-verifier"] {
        for line in scene.log_lines(function).await? {
            assert!(
                !line.contains("forged.line") && !line.contains("enil.degrof"),
                "{function}: {line}"
            );
            let of_lambda = ["START ", "END ", "REPORT "]
                .iter()
                .any(|word| line.starts_with(word));
            let is_json = serde_json::from_str::<Value>(&line).is_ok_and(|line| line.is_object());
            assert!(of_lambda || is_json, "{function}: {line:?}");
            assert!(
                !line.contains(['\u{202e}', '\u{2028}', '\u{1b}', '\u{0}']),
                "{function}: {line:?}"
            );
        }
    }
    Ok(())
}
