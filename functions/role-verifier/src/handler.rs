//! From a batch of queue messages to use cases, all at once: their time is waiting.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures::{FutureExt as _, future::join_all};
use lambda_runtime::Error;
use latchkey_aws::telemetry::causes;
use latchkey_core::{
    domain::proof::verdict::Cause,
    ports::{ReceivedMessages, Unavailable, VerificationTask},
    use_cases::{
        check_chunk::{CheckChunk, ChunkChecked},
        verify_role::{MAX_TRIES_OF_UNKNOWN, Verified, VerifyRole, retry_delay_seconds},
    },
};

/// Longest time for one message: below the function's own time-out of 60 s, with time to give the batch back.
const MESSAGE_TIME: Duration = Duration::from_secs(45);

pub struct Handler {
    pub verify: VerifyRole,
    pub chunks: CheckChunk,
    pub queue: Arc<dyn ReceivedMessages>,
    pub sweep_queue: Arc<dyn ReceivedMessages>,
    /// The sweep's queue, to tell its messages from those that stacks wait for.
    pub sweep_queue_url: String,
}

impl Handler {
    /// Gives back to the queue, one by one, what is not done yet, each with the delay after which it shall come
    /// again. What is not given back is done.
    pub async fn handle(&self, mut event: SqsEvent) -> Result<SqsBatchResponse, Error> {
        // A batch is of one queue.
        let of_sweep = event.records.iter().any(|message| self.is_of_sweep(message));
        let works = event.records.iter_mut().map(|message| {
            // Its text is given up once it is read: a chunk is long, and its check takes a while.
            let body = message.body.take().unwrap_or_default();
            self.work(message, body)
        });
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
        if delays.is_empty() {
            return Ok(response);
        }
        let queue = if of_sweep { &self.sweep_queue } else { &self.queue };
        if let Err(error) = queue.postpone(&delays).await {
            // They come again all the same, only later: when the queue's own visibility time-out is over.
            tracing::error!(error = causes(&error), "verification.delay_failed");
        }
        Ok(response)
    }

    /// An ARN and a URL of a queue both end with its name.
    fn is_of_sweep(&self, message: &SqsMessage) -> bool {
        let name = |text: &str, separator| text.rsplit(separator).next().map(str::to_owned);
        let of = message.event_source_arn.as_deref().and_then(|arn| name(arn, ':'));
        of == name(&self.sweep_queue_url, '/')
    }

    /// Works on one message. `Some` are the seconds until it shall come again.
    async fn work(&self, message: &SqsMessage, body: String) -> Option<u32> {
        let tries = message
            .attributes
            .get("ApproximateReceiveCount")
            .and_then(|count| count.parse().ok())
            .unwrap_or(1);
        let task = serde_json::from_str(&body);
        drop(body);
        let result = match task {
            Ok(task) => self.run_bounded(&task, tries).await,
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

    /// Neither a call that hangs nor a panic of one message may keep its neighbours from being given back in time:
    /// their stacks would have given up before the queue shows them again.
    async fn run_bounded(&self, task: &VerificationTask, tries: u32) -> Result<Option<u32>, Unavailable> {
        let work = AssertUnwindSafe(self.run(task, tries)).catch_unwind();
        match tokio::time::timeout(MESSAGE_TIME, work).await {
            Ok(Ok(result)) => result,
            Ok(Err(_panic)) => Err(Unavailable::new("verification", "it panicked")),
            Err(elapsed) => Err(Unavailable::new("verification", elapsed)),
        }
    }

    async fn run(&self, task: &VerificationTask, tries: u32) -> Result<Option<u32>, Unavailable> {
        match task {
            VerificationTask::Request { key } => {
                let verified = self.verify.run(key, tries).await?;
                tracing::info!(
                    "request.id" = key.request_id,
                    "stack.id" = key.stack_id.as_ref().map(tracing::field::display),
                    "sqs.tries" = tries,
                    "verification.outcome" = verified.code(),
                    "request.verified"
                );
                Ok(match verified {
                    Verified::TryAgainIn(seconds) => Some(seconds),
                    Verified::Unknown if tries <= MAX_TRIES_OF_UNKNOWN => Some(retry_delay_seconds(tries)),
                    Verified::Answered(_) | Verified::Unknown => None,
                })
            }
            VerificationTask::Recheck {
                tenant,
                connection_id,
                attempt,
            } => {
                let rechecked = self.chunks.run_single(tenant, connection_id, *attempt).await?;
                tracing::info!(
                    "tenant.id" = %tenant,
                    "connection.id" = %connection_id,
                    "sweep.attempt" = attempt,
                    "verification.outcome" = rechecked.code(),
                    "sts.cause" = rechecked.cause().map(Cause::code),
                    "connection.rechecked"
                );
                Ok(None)
            }
            // One line for all of them: a line for each healthy connection would cost more than its check.
            VerificationTask::Chunk(chunk) => {
                let checked = self.chunks.run(chunk).await?;
                let counts = checked.counts();
                tracing::info!(
                    "sweep.slot" = chunk.slot,
                    "sweep.tick" = chunk.tick,
                    "sqs.tries" = tries,
                    "verification.outcome" = checked.code(),
                    "chunk.members" = counts.map(|(members, ..)| members),
                    "chunk.news" = counts.map(|(_, news, _)| news),
                    "chunk.given_back" = counts.map(|(.., given_back)| given_back),
                    "chunk.checked"
                );
                Ok(match checked {
                    ChunkChecked::Done { .. } => None,
                    ChunkChecked::StsInTrouble => Some(chunk_delay_seconds(tries)),
                })
            }
        }
    }
}

/// How long a chunk waits while STS is in trouble, in seconds: half a minute, then twice as long each time, up to a
/// quarter of an hour. With the queue's 20 receives that is four hours.
fn chunk_delay_seconds(tries: u32) -> u32 {
    const FIRST: u32 = 30;
    const LONGEST: u32 = 900;
    FIRST
        .saturating_mul(1 << tries.saturating_sub(1).min(5))
        .min(LONGEST)
}
