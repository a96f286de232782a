//! Class 11: a message through a topic that is not ours, or not the one it names; a message of long ago.
//!
//! Guard: topic, token, stack and URL agree (`Envelope::parse`, `shared/core/src/domain/request/custom_resource.rs`); only the topics
//! of the deployment are read (`functions/custom-resource-listener/src/handler.rs`); a request is worked on once, and
//! an old URL is refused by the bucket.
//! Shown to fail without it: `tests/mutations/i2-topics.patch`.

use latchkey_tests::{
    Error,
    customer::Customer,
    scene::{Scene, settled, text},
    wiretap::Wiretap,
};
use serde_json::{Value, json};

use super::support::{LISTENER, admissible, assert_not_read};

#[tokio::test]
async fn a_genuine_message_that_is_replayed_after_its_time_changes_nothing() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let mut wiretap = Wiretap::on(&scene, "us-east-1").await?;
    let one = scene.connect(&api, "us-east-1").await?;
    let renamed = one.template.clone().role_name("Renamed");
    one.updated(&renamed).await?;
    let create = wiretap.request("Create", &one.stack.stack_id).await?;
    let update = wiretap.request("Update", &one.stack.stack_id).await?;
    let active = settled(&api.get(&one.id).await?);
    let attacker = scene.new_customer("us-east-1").await?;
    let topic = scene.ready.topic("us-east-1")?;
    let replay = async |message: &Value, outcome: &str| {
        attacker.publish(topic, &message.to_string()).await?;
        let request_id = text(message, "RequestId")?;
        scene.heard(&[&request_id, outcome]).await
    };

    // The Create names the former role.
    replay(&create, "answered_again").await?;
    assert_eq!(settled(&api.get(&one.id).await?), active);

    let ended = one.leave(&api).await?;
    let delete = wiretap.request("Delete", &one.stack.stack_id).await?;
    replay(&create, "answered_again").await?;
    replay(&update, "answered_again").await?;
    replay(&delete, "left_alone").await?;
    assert_eq!(api.get(&one.id).await?, ended);
    // Through the topic of another region it is not even read.
    let elsewhere = Customer::sign_in(&scene.ready.endpoint, &attacker.account, "eu-west-1").await?;
    let message_id = elsewhere
        .publish(scene.ready.topic("eu-west-1")?, &create.to_string())
        .await?;
    scene.heard(&[&message_id, "request.dropped"]).await?;
    Ok(())
}

/// Only SNS can call the function, and only for topics of ours (`tests/tests/template/invocation.rs`). Here one more
/// topic was allowed to, and is open to everybody: what comes through it is not read.
#[tokio::test]
async fn a_message_through_a_topic_that_is_no_listener_topic_is_not_read() -> Result<(), Error> {
    let scene = Scene::open()?;
    let attacker = scene.new_customer("us-east-1").await?;
    let request = admissible(&scene, &attacker).await?;
    let sns = aws_sdk_sns::Client::new(&scene.vendor);
    let name = format!("news-{}", attacker.account);
    let topic = sns.create_topic().name(name).send().await?;
    let topic = topic.topic_arn().ok_or("the topic has no ARN")?;
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Principal": { "AWS": "*" }, "Action": "sns:Publish", "Resource": topic }],
    });
    sns.set_topic_attributes()
        .topic_arn(topic)
        .attribute_name("Policy")
        .attribute_value(policy.to_string())
        .send()
        .await?;
    sns.subscribe()
        .topic_arn(topic)
        .protocol("lambda")
        .endpoint(scene.function_arn(LISTENER)?)
        .send()
        .await?;
    // As it is, and with that topic as its token, so that these two agree.
    let own_token = request
        .clone()
        .with("ServiceToken", json!(topic))
        .with_property("ServiceToken", json!(topic));
    for forged in [&request, &own_token] {
        let sent = attacker.publish(topic, &forged.text()).await?;
        assert_not_read(&scene, &sent, forged.stack_id(), "TopicArn").await?;
    }
    Ok(())
}
