//! The queue of verifications, in SQS.

use async_trait::async_trait;
use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, SendMessageBatchRequestEntry};
use futures::future::try_join_all;
use latchkey_core::ports::{ReceivedMessages, Unavailable, VerificationQueue, VerificationTask};

use crate::sdk_errors::failed;

/// SQS's limit on the entries of one batch call.
const MAX_BATCH: usize = 10;
/// SQS's limit on the texts of one batch call, with some room.
const MAX_BATCH_BYTES: usize = 250_000;
/// Batches that are sent side by side: a tick of ten million connections has about six, and should take no longer than one
/// of a thousand.
const MAX_BATCHES_AT_ONCE: usize = 8;

pub struct SqsQueue {
    sqs: aws_sdk_sqs::Client,
    queue_url: String,
}

impl SqsQueue {
    /// The queue at `queue_url`.
    pub fn new(config: &aws_types::SdkConfig, queue_url: String) -> Self {
        Self {
            sqs: aws_sdk_sqs::Client::new(config),
            queue_url,
        }
    }

    /// Another queue, over the same connections.
    #[must_use]
    pub fn other(&self, queue_url: String) -> Self {
        Self {
            sqs: self.sqs.clone(),
            queue_url,
        }
    }
}

impl SqsQueue {
    async fn send_batch(&self, batch: &[(String, u16)]) -> Result<(), Unavailable> {
        const OPERATION: &str = "sqs.SendMessageBatch";
        let mut entries = Vec::with_capacity(batch.len());
        for (index, (body, delay_seconds)) in batch.iter().enumerate() {
            let entry = SendMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .message_body(body)
                .delay_seconds(i32::from(*delay_seconds))
                .build()
                .map_err(failed(OPERATION))?;
            entries.push(entry);
        }
        let output = self
            .sqs
            .send_message_batch()
            .queue_url(&self.queue_url)
            .set_entries(Some(entries))
            .send()
            .await
            .map_err(failed(OPERATION))?;
        match output.failed().first() {
            Some(failed) => Err(Unavailable::new(OPERATION, failed.code().to_owned())),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl VerificationQueue for SqsQueue {
    async fn send_spread(&self, tasks: &[(VerificationTask, u16)]) -> Result<(), Unavailable> {
        let mut messages = Vec::with_capacity(tasks.len());
        for (task, delay_seconds) in tasks {
            let body = serde_json::to_string(task).map_err(failed("sqs.SendMessageBatch"))?;
            messages.push((body, *delay_seconds));
        }
        for batches in batches(messages).chunks(MAX_BATCHES_AT_ONCE) {
            try_join_all(batches.iter().map(|batch| self.send_batch(batch))).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl ReceivedMessages for SqsQueue {
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
                .map_err(failed(OPERATION))?;
            let output = self
                .sqs
                .change_message_visibility_batch()
                .queue_url(&self.queue_url)
                .set_entries(Some(entries))
                .send()
                .await
                .map_err(failed(OPERATION))?;
            if let Some(failed) = output.failed().first() {
                return Err(Unavailable::new(OPERATION, failed.code().to_owned()));
            }
        }
        Ok(())
    }
}

/// Cuts messages into batches that SQS takes.
fn batches(messages: Vec<(String, u16)>) -> Vec<Vec<(String, u16)>> {
    let mut batches: Vec<Vec<(String, u16)>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        let length = message.0.len();
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_BATCH && bytes + length <= MAX_BATCH_BYTES => {
                batch.push(message);
                bytes += length;
            }
            _ => {
                batches.push(vec![message]);
                bytes = length;
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_the_order_and_what_sqs_takes() {
        for (length, most) in [(100, 10), (60_000, 4), (250_000, 1)] {
            let messages: Vec<_> = (0..25_u16).map(|at| ("x".repeat(length), at)).collect();
            let batches = batches(messages.clone());
            assert!(batches.iter().all(|batch| batch.len() <= most), "{length}");
            assert_eq!(batches[0].len(), most);
            assert_eq!(batches.concat(), messages);
        }
    }
}
