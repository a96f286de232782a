//! The queue of verifications, in SQS.

use async_trait::async_trait;
use aws_sdk_sqs::{
    Client,
    types::{ChangeMessageVisibilityBatchRequestEntry, SendMessageBatchRequestEntry},
};

use crate::ports::{Unavailable, VerificationQueue, VerificationTask};

/// SQS's limit on the entries of one batch call.
const MAX_BATCH: usize = 10;

/// One SQS queue.
pub struct SqsQueue {
    client: Client,
    queue_url: String,
}

impl SqsQueue {
    /// The queue at `queue_url`.
    pub fn new(config: &aws_types::SdkConfig, queue_url: String) -> Self {
        Self {
            client: Client::new(config),
            queue_url,
        }
    }
}

#[async_trait]
impl VerificationQueue for SqsQueue {
    async fn send(&self, tasks: &[VerificationTask], delay_seconds: u16) -> Result<(), Unavailable> {
        const OPERATION: &str = "sqs.SendMessageBatch";
        for chunk in tasks.chunks(MAX_BATCH) {
            let mut entries = Vec::with_capacity(chunk.len());
            for (index, task) in chunk.iter().enumerate() {
                let body = serde_json::to_string(task).map_err(|error| Unavailable::new(OPERATION, error))?;
                let entry = SendMessageBatchRequestEntry::builder()
                    .id(index.to_string())
                    .message_body(body)
                    .delay_seconds(i32::from(delay_seconds))
                    .build()
                    .map_err(|error| Unavailable::new(OPERATION, error))?;
                entries.push(entry);
            }
            let output = self
                .client
                .send_message_batch()
                .queue_url(&self.queue_url)
                .set_entries(Some(entries))
                .send()
                .await
                .map_err(|error| Unavailable::new(OPERATION, error))?;
            if let Some(failed) = output.failed().first() {
                return Err(Unavailable::new(OPERATION, failed.code().to_owned()));
            }
        }
        Ok(())
    }

    async fn postpone(&self, receipts: &[(String, u32)]) -> Result<(), Unavailable> {
        const OPERATION: &str = "sqs.ChangeMessageVisibilityBatch";
        for chunk in receipts.chunks(MAX_BATCH) {
            let entries = chunk
                .iter()
                .enumerate()
                .map(|(index, (receipt, seconds))| {
                    ChangeMessageVisibilityBatchRequestEntry::builder()
                        .id(index.to_string())
                        .receipt_handle(receipt)
                        .visibility_timeout(i32::try_from(*seconds).unwrap_or(i32::MAX))
                        .build()
                })
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| Unavailable::new(OPERATION, error))?;
            let output = self
                .client
                .change_message_visibility_batch()
                .queue_url(&self.queue_url)
                .set_entries(Some(entries))
                .send()
                .await
                .map_err(|error| Unavailable::new(OPERATION, error))?;
            if let Some(failed) = output.failed().first() {
                return Err(Unavailable::new(OPERATION, failed.code().to_owned()));
            }
        }
        Ok(())
    }
}
