//! Reads along what stacks publish to a listener topic: the vendor's own view of genuine messages.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::{
    Error,
    local_aws::aws,
    scene::{Scene, fresh_account},
};

/// Longest time that a message may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A queue that a listener topic delivers to as well.
pub struct Wiretap {
    sqs: aws_sdk_sqs::Client,
    queue_url: String,
    sns: aws_sdk_sns::Client,
    subscription: String,
    /// Everything that came, oldest first.
    heard: Vec<Value>,
}

impl Wiretap {
    pub async fn on(scene: &Scene, region: &str) -> Result<Self, Error> {
        let vendor = aws::root(&scene.ready.endpoint, &scene.ready.vendor_account, region);
        let sqs = aws_sdk_sqs::Client::new(&vendor);
        let name = format!("wiretap-{}", fresh_account());
        let queue = sqs.create_queue().queue_name(&name).send().await?;
        let queue_url = queue.queue_url().ok_or("the queue has no URL")?.to_owned();
        let arn = format!("arn:aws:sqs:{region}:{}:{name}", scene.ready.vendor_account);
        let policy = serde_json::json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "Service": "sns.amazonaws.com" },
                "Action": "sqs:SendMessage",
                "Resource": arn,
            }],
        });
        sqs.set_queue_attributes()
            .queue_url(&queue_url)
            .attributes(aws_sdk_sqs::types::QueueAttributeName::Policy, policy.to_string())
            .send()
            .await?;
        let sns = aws_sdk_sns::Client::new(&vendor);
        let subscribed = sns
            .subscribe()
            .topic_arn(scene.ready.topic(region)?)
            .protocol("sqs")
            .endpoint(arn)
            .attributes("RawMessageDelivery", "true")
            .send()
            .await?;
        Ok(Self {
            sqs,
            queue_url,
            subscription: subscribed.subscription_arn().unwrap_or_default().to_owned(),
            sns,
            heard: Vec::new(),
        })
    }

    /// Waits for the latest request of a kind from a stack, by the stack's name or id.
    pub async fn request(&mut self, request_type: &str, stack: &str) -> Result<Value, Error> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.listen().await?;
            let is_wanted = |request: &&Value| {
                request["RequestType"] == request_type
                    && request["StackId"].as_str().is_some_and(|id| {
                        id == stack || id.split('/').nth(1).is_some_and(|name| name == stack)
                    })
            };
            if let Some(request) = self.heard.iter().rev().find(is_wanted) {
                return Ok(request.clone());
            }
            if Instant::now() > deadline {
                return Err(format!("no {request_type} came from {stack}").into());
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn hang_up(&self) -> Result<(), Error> {
        self.sns
            .unsubscribe()
            .subscription_arn(&self.subscription)
            .send()
            .await?;
        Ok(())
    }

    async fn listen(&mut self) -> Result<(), Error> {
        loop {
            let answer = self
                .sqs
                .receive_message()
                .queue_url(&self.queue_url)
                .max_number_of_messages(10)
                .visibility_timeout(3_600)
                .send()
                .await?;
            if answer.messages().is_empty() {
                return Ok(());
            }
            let bodies = answer.messages().iter().filter_map(|message| message.body());
            self.heard
                .extend(bodies.filter_map(|body| serde_json::from_str(body).ok()));
        }
    }
}
