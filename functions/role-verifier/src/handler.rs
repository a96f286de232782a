//! From a batch of queue messages to use cases, all at once: their time is waiting.

use std::sync::Arc;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures::future::join_all;
use lambda_runtime::Error;
use latchkey_shared::{
    ports::{Unavailable, VerificationQueue, VerificationTask},
    telemetry::causes,
    use_cases::{
        recheck_role::RecheckRole,
        verify_role::{Verified, VerifyRole, retry_delay_seconds},
    },
};

pub struct Handler {
    pub verify: VerifyRole,
    pub recheck: RecheckRole,
    pub queue: Arc<dyn VerificationQueue>,
}

impl Handler {
    /// Gives back to the queue, one by one, what is not done yet, each with the delay after which it shall come
    /// again. What is not given back is done.
    pub async fn handle(&self, event: SqsEvent) -> Result<SqsBatchResponse, Error> {
        let works = event.records.iter().map(|message| self.work(message));
        let results = join_all(works).await;
        let mut response = SqsBatchResponse::default();
        let mut delays = Vec::new();
        for (message, again_in) in event.records.into_iter().zip(results) {
            let Some(seconds) = again_in else { continue };
            if let Some(receipt) = message.receipt_handle {
                delays.push((receipt, seconds));
            }
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = message.message_id.unwrap_or_default();
            response.batch_item_failures.push(failure);
        }
        if let Err(error) = self.queue.postpone(&delays).await {
            // They come again all the same, only later: when the queue's own visibility time-out is over.
            tracing::error!(error = causes(&error), "verification.delay_failed");
        }
        Ok(response)
    }

    /// Works on one message. `Some` are the seconds until it shall come again.
    async fn work(&self, message: &SqsMessage) -> Option<u32> {
        let tries = message
            .attributes
            .get("ApproximateReceiveCount")
            .and_then(|count| count.parse().ok())
            .unwrap_or(1);
        let body = message.body.as_deref().unwrap_or_default();
        let result = match serde_json::from_str(body) {
            Ok(task) => self.run(&task, tries).await,
            // Ends in the dead-letter queue, where somebody looks at it.
            Err(error) => Err(Unavailable::new("verification.task", error)),
        };
        result.unwrap_or_else(|error| {
            tracing::error!(
                "sqs.message_id" = message.message_id,
                "sqs.tries" = tries,
                error = causes(&error),
                "verification.failed"
            );
            Some(retry_delay_seconds(tries))
        })
    }

    async fn run(&self, task: &VerificationTask, tries: u32) -> Result<Option<u32>, Unavailable> {
        match task {
            VerificationTask::Request { key } => {
                let verified = self.verify.run(key, tries).await?;
                tracing::info!(
                    "request.id" = key.request_id,
                    "stack.id" = %key.stack_id,
                    "sqs.tries" = tries,
                    "verification.outcome" = ?verified,
                    "request.verified"
                );
                Ok(match verified {
                    Verified::TryAgainIn(seconds) => Some(seconds),
                    Verified::Answered(_) | Verified::Unknown => None,
                })
            }
            VerificationTask::Recheck {
                tenant,
                connection_id,
            } => {
                let rechecked = self.recheck.run(tenant, connection_id).await?;
                tracing::info!(
                    "tenant.id" = %tenant,
                    "connection.id" = %connection_id,
                    "verification.outcome" = ?rechecked,
                    "connection.rechecked"
                );
                Ok(None)
            }
        }
    }
}
