//! From an SNS notification to a use case.

use aws_lambda_events::sns::{SnsEvent, SnsMessage};
use lambda_runtime::Error;
use latchkey_aws::{config::listener_topics::ListenerTopics, telemetry::causes};
use latchkey_core::{
    domain::{
        aws::TopicArn,
        invalid::Invalid,
        proof::reason::ReasonCode,
        request::custom_resource::{Envelope, NotRead, RequestType, Unread},
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
        let (key, worked_on) = match self.open(message) {
            Ok(envelope) => (envelope.key.clone(), self.answer(&envelope, message).await),
            Err(NotRead::Answered(unread)) => {
                (unread.key.clone(), self.answer_unread(&unread, message).await)
            }
            Err(NotRead::Dropped(invalid)) => {
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
        worked_on.map_err(|error| {
            tracing::error!(
                "request.id" = key.request_id,
                "stack.id" = key.stack_id.as_ref().map(tracing::field::display),
                error = causes(&error),
                "request.failed"
            );
            // The cause is in the line above; the runtime would log an error it is given with all that it holds.
            Error::from("the request was not worked on; it is delivered again")
        })
    }

    fn open(&self, message: &SnsMessage) -> Result<Envelope, NotRead> {
        let topic = TopicArn::parse(&message.topic_arn).map_err(NotRead::Dropped)?;
        if !self.topics.contains(&topic) {
            return Err(NotRead::Dropped(Invalid::new(
                "TopicArn",
                "is not a listener topic of this deployment",
            )));
        }
        Envelope::parse(&message.message, &topic)
    }

    /// Tells CloudFormation what is wrong with a request that is not worked on.
    async fn answer_unread(&self, unread: &Unread, message: &SnsMessage) -> Result<(), Unavailable> {
        let answered = self.register.answers.answer_unread(unread).await?;
        tracing::warn!(
            "sns.message_id" = message.message_id,
            "request.id" = unread.key.request_id,
            "stack.id" = unread.key.stack_id.as_ref().map(tracing::field::display),
            "invalid.field" = unread.invalid.what,
            "invalid.rule" = unread.invalid.rule,
            "request.outcome" = answered.code(),
            "request.received"
        );
        Ok(())
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
