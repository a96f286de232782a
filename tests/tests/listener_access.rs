//! A deployment whose listener topics let in single accounts: a local AWS of its own, as nobody else shall be shut out.

use latchkey_core::domain::listener_access::ListenerAccess;
use latchkey_tests::{
    Error,
    api::Api,
    customer::Customer,
    local_aws::{LocalAws, Options, aws},
    scene::{Scene, assert_contains, fresh_account, text},
};
use reqwest::Method;
use serde_json::{Value, json};

const REGION: &str = "eu-west-1";

/// The accounts that may publish to the region's topic, besides its owner.
async fn let_in(scene: &Scene) -> Result<Vec<String>, Error> {
    let vendor = aws::root(&scene.ready.endpoint, &scene.ready.vendor_account, REGION);
    let attributes = aws_sdk_sns::Client::new(&vendor)
        .get_topic_attributes()
        .topic_arn(scene.ready.topic(REGION)?)
        .send()
        .await?;
    let policy = attributes
        .attributes()
        .and_then(|all| all.get("Policy"))
        .ok_or("no policy")?;
    let policy: Value = serde_json::from_str(policy)?;
    let statements = policy["Statement"].as_array().ok_or("no statements")?;
    Ok(statements
        .iter()
        .filter_map(|statement| statement["Sid"].as_str()?.strip_prefix("latchkey-"))
        .map(str::to_owned)
        .collect())
}

async fn link(api: &Api, account: &str) -> Result<Value, Error> {
    api.create(&json!({ "name": "x", "region": REGION, "account_id": account }))
        .await
}

/// A customer whose account a link was made for, and their stack.
async fn connected(scene: &Scene, api: &Api) -> Result<(Customer, String, String), Error> {
    let customer = scene.new_customer(REGION).await?;
    let link = link(api, &customer.account).await?;
    customer.follow(&link).await?;
    let shown = api.wait_for(&text(&link, "id")?, "active").await?;
    Ok((customer, text(&shown, "id")?, text(&shown, "stack_id")?))
}

/// One test, because the local AWS is made for it alone.
#[tokio::test]
async fn an_account_is_let_in_with_its_link_and_shut_out_when_its_connection_and_its_stack_are_gone()
-> Result<(), Error> {
    let options = Options {
        listener_access: ListenerAccess::PerAccount,
        ..Options::default()
    };
    let local_aws = LocalAws::start(options, |_| {}).await?;
    let scene = Scene::of(local_aws.ready.clone());
    let api = scene.acme()?;

    // Without an account there is no link; whoever has none cannot even knock.
    let nameless = json!({ "name": "x", "region": REGION });
    let answer = api.call(Method::POST, "/v1/connections", Some(&nameless)).await?;
    answer.shows(400, json!({ "type": "urn:latchkey:problem:invalid_request" }));
    let stranger = scene.new_customer(REGION).await?;
    let refused = stranger.publish(scene.ready.topic(REGION)?, "{}").await;
    let refused = refused.err().ok_or("a stranger publishes")?.to_string();
    assert!(refused.contains("not authorized"), "{refused}");

    // Mistyped, so that AWS knows no such account: said, and nothing is left of it.
    let mistyped = json!({ "name": "x", "region": REGION, "account_id": "000012345678" });
    let answer = api.call(Method::POST, "/v1/connections", Some(&mistyped)).await?;
    answer.shows(400, json!({ "type": "urn:latchkey:problem:invalid_request" }));
    assert_contains(text(&answer.body, "detail")?, "no account that AWS knows");

    // Ended by its stack.
    let (customer, id, stack) = connected(&scene, &api).await?;
    assert_eq!(let_in(&scene).await?, std::slice::from_ref(&customer.account));
    link(&scene.globex()?, &customer.account).await?;
    assert_eq!(
        let_in(&scene).await?,
        std::slice::from_ref(&customer.account),
        "the same account again is no further statement"
    );
    customer.deleted(&stack).await?;
    api.wait_for(&id, "disconnected").await?;
    scene.revalidate().await?;
    assert_eq!(
        let_in(&scene).await?,
        std::slice::from_ref(&customer.account),
        "the other tenant's link still waits"
    );

    // Ended by the vendor: the stack has to be able to say that it goes.
    let (second, id, stack) = connected(&scene, &api).await?;
    api.delete(&id).await?;
    scene.revalidate().await?;
    assert!(let_in(&scene).await?.contains(&second.account));
    second.deleted(&stack).await?;
    scene.revalidate().await?;
    assert_eq!(let_in(&scene).await?, std::slice::from_ref(&customer.account));
    let shut_out = second.publish(scene.ready.topic(REGION)?, "{}").await;
    // The account whose stack is gone publishes no more.
    assert!(shut_out.is_err());

    // Full: said clearly, and what is in stays in.
    let mut full = None;
    for _ in 0..100 {
        let body = json!({ "name": "x", "region": REGION, "account_id": fresh_account() });
        let answer = api.call(Method::POST, "/v1/connections", Some(&body)).await?;
        if answer.status != 201 {
            full = Some(answer);
            break;
        }
    }
    let full = full.ok_or("the topic takes more than 100 statements")?;
    full.shows(503, json!({ "type": "urn:latchkey:problem:listener_full" }));
    assert_contains(text(&full.body, "detail")?, "100 statements");
    let before = let_in(&scene).await?;
    assert!(
        before.len() > 90 && before.contains(&customer.account),
        "{}",
        before.len()
    );
    link(&api, &customer.account).await?;
    scene.revalidate().await?;
    assert_eq!(let_in(&scene).await?, before);
    local_aws.stop().await
}
