//! Class 21: secrets in links, in logs, in the table for longer than they are needed.
//!
//! Guard: an answer URL shows none of itself (`shared/core/src/domain/request/response_url.rs`) and is forgotten with its delivery
//! (`RequestRecord::delivered`, `shared/core/src/domain/request/request_record.rs`); a link holds an external ID and nothing else.

use latchkey_tests::{
    Error,
    cloudformation_message::ForgedRequest,
    scene::{Scene, text},
    wiretap::Wiretap,
};

use super::support::admissible;

#[tokio::test]
async fn no_answer_url_stands_in_any_log() -> Result<(), Error> {
    let (scene, _, one) = Scene::with_connected().await?;
    let attacker = scene.new_customer("us-east-1").await?;
    let forged = admissible(&scene, &attacker).await?;
    attacker.tell(&scene, &forged.text()).await?;
    scene.heard(&[forged.request_id()]).await?;
    one.customer.deleted(&one.stack.stack_id).await?;
    for function in scene.ready.functions.keys() {
        for line in scene.log_lines(function).await? {
            let secret = ["X-Amz-", "custom-resource-response", "Signature", "eyJ"];
            assert!(
                !secret.iter().any(|part| line.contains(part)),
                "{function}: {line}"
            );
        }
    }
    Ok(())
}

/// While a stack waits we have to keep where to answer; from the answer on nobody can find it with us.
#[tokio::test]
async fn an_answer_url_is_kept_until_its_answer_was_delivered_and_no_longer() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let mut wiretap = Wiretap::on(&scene, "us-east-1").await?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    let name = format!("Kept-{}", customer.account);
    let late = link.template.clone().claims_role(&customer.role_arn("Late"));
    customer.create_stack(&name, &late.text()).await?;
    let create = wiretap.request("Create", &name).await?;
    api.wait_for(&link.id, "verifying").await?;
    let url = text(&create, "ResponseURL")?;
    let signature = url
        .split("X-Amz-Signature=")
        .nth(1)
        .ok_or("the URL is not signed")?;
    let signature = signature.split('&').next().unwrap_or_default();
    assert_eq!(scene.items_about(signature).await?.len(), 1, "it is kept, once");

    customer.make_role_of("Late", &link.template).await?;
    customer.wait(&name).await?.expect("CREATE_COMPLETE")?;
    let mut left = scene.items_about(signature).await?;
    // The stack hears it a moment before we note that it did.
    for _ in 0..50 {
        if left.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        left = scene.items_about(signature).await?;
    }
    assert!(left.is_empty(), "{left:?}");
    let record = scene.items_about(&text(&create, "RequestId")?).await?;
    assert!(
        record.iter().any(|key| key.starts_with("REQUEST#")),
        "the request itself is remembered: {record:?}"
    );
    // Nor does a forged request, or one that was refused, leave one behind.
    let attacker = scene.new_customer("us-east-1").await?;
    let role = attacker.role_arn("x");
    let forged = ForgedRequest::create(&scene, &attacker, &link.external_id, &role)?;
    attacker.tell(&scene, &forged.text()).await?;
    scene.heard(&[forged.request_id(), "request.received"]).await?;
    assert!(scene.items_about(forged.request_id()).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_link_and_its_command_hold_the_external_id_and_nothing_else_that_is_ours() -> Result<(), Error> {
    let scene = Scene::open()?;
    let link = scene.link(&scene.acme()?, "us-east-1").await?;
    let id = text(&link, "id")?;
    for name in ["launch_url", "launch_command"] {
        let shown = text(&link, name)?;
        // The stack's name carries the beginning of the connection's id, which opens nothing.
        let ours = [id.as_str(), &scene.ready.queue_url, &scene.ready.table];
        for secret in "acme eyJ X-Amz TENANT token".split(' ').chain(ours) {
            assert!(!shown.contains(secret), "{name} holds {secret}: {shown}");
        }
        assert!(shown.contains(&text(&link, "external_id")?), "{shown}");
    }
    Ok(())
}
