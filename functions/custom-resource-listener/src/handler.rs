//! From an SNS notification to a use case.

use aws_lambda_events::sns::{SnsEvent, SnsMessage};
use lambda_runtime::Error;
use latchkey_aws::{config::listener_topics::ListenerTopics, telemetry::causes};
use latchkey_core::{
    domain::{
        aws::TopicArn,
        invalid::Invalid,
        proof::reason::ReasonCode,
        request::custom_resource::{Envelope, RequestType},
    },
    ports::Unavailable,
    use_cases::{disconnect::DisconnectByStack, register_role::RegisterRole},
};

pub struct Handler {
    /// The topics of this deployment: a message from any other is not read.
    pub topics: ListenerTopics,
    pub register: RegisterRole,
    pub disconnect: DisconnectByStack,
}

impl Handler {
    /// Works through the notifications of one invocation (SNS sends one). An error makes Lambda deliver all of them
    /// again, which repeats what was done and does what was not.
    pub async fn handle(&self, event: SnsEvent) -> Result<(), Error> {
        for record in event.records {
            self.receive(&record.sns).await?;
        }
        Ok(())
    }

    async fn receive(&self, message: &SnsMessage) -> Result<(), Error> {
        let envelope = match self.open(message) {
            Ok(envelope) => envelope,
            Err(invalid) => {
                // There is nobody to answer; delivering it again would not change that.
                tracing::warn!(
                    "sns.message_id" = message.message_id,
                    "invalid.field" = invalid.what,
                    "invalid.rule" = invalid.rule,
                    "request.dropped"
                );
                return Ok(());
            }
        };
        self.answer(&envelope, message).await.map_err(|error| {
            tracing::error!(
                "request.id" = envelope.key.request_id,
                "stack.id" = %envelope.stack_id,
                error = causes(&error),
                "request.failed"
            );
            // The cause is in the line above; the runtime would log an error it is given with all that it holds.
            Error::from("the request was not worked on; it is delivered again")
        })
    }

    fn open(&self, message: &SnsMessage) -> Result<Envelope, Invalid> {
        let topic = TopicArn::parse(&message.topic_arn)?;
        if !self.topics.contains(&topic) {
            return Err(Invalid::new(
                "TopicArn",
                "is not a listener topic of this deployment",
            ));
        }
        Envelope::parse(&message.message, &topic)
    }

    async fn answer(&self, envelope: &Envelope, message: &SnsMessage) -> Result<(), Unavailable> {
        let sent_at = jiff::Timestamp::from_millisecond(message.timestamp.timestamp_millis())
            .map_err(|error| Unavailable::new("sns.timestamp", error))?;
        let (outcome, reason) = match envelope.request_type {
            RequestType::Create | RequestType::Update => {
                let received = self.register.run(envelope, sent_at).await?;
                (received.code(), received.reason())
            }
            RequestType::Delete => (self.disconnect.run(envelope, sent_at).await?.code(), None),
        };
        tracing::info!(
            "request.type" = envelope.request_type.as_str(),
            "request.id" = envelope.key.request_id,
            "stack.id" = %envelope.stack_id,
            "request.outcome" = outcome,
            "request.reason" = reason.map(ReasonCode::as_str),
            "request.received"
        );
        Ok(())
    }
}
