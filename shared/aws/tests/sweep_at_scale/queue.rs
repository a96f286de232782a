//! SQS, and the verifiers of the sweep, which take one message after the other from it.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use latchkey_core::{
    ports::{Unavailable, VerificationQueue, VerificationTask},
    use_cases::check_chunk::{CheckChunk, ChunkChecked},
};

use crate::{day::LATENCY, world::SimClock};

const BATCH_MESSAGES: usize = 10;
const BATCH_BYTES: usize = 250_000;
/// Batches that the queue's adapter sends side by side.
const BATCHES_AT_ONCE: u32 = 8;
/// What SQS bills as one request.
const UNIT: usize = 65_536;

#[derive(Debug, Default, Clone)]
pub struct Work {
    pub sqs_requests: u64,
    pub chunks: u64,
    pub invocations: u64,
    /// Virtual seconds that verifiers were at work.
    pub verifier_seconds: f64,
    pub checks: u64,
}

/// Messages, by the millisecond at which they can be seen, in the order in which they came, with how often they were
/// received; and how many came.
type Waiting = (BinaryHeap<Reverse<(u64, u64, u32, String)>>, u64);

pub struct SimQueue {
    pub clock: Arc<SimClock>,
    pub waiting: Mutex<Waiting>,
    pub work: Mutex<Work>,
}

impl SimQueue {
    fn now(&self) -> u64 {
        (self.clock.elapsed() * 1_000.0) as u64
    }

    fn put(&self, text: String, delay: f64, receives: u32) {
        let at = ((self.clock.elapsed() + delay) * 1_000.0) as u64;
        let (waiting, came) = &mut *self.waiting.lock().unwrap();
        *came += 1;
        waiting.push(Reverse((at, *came, receives, text)));
    }

    /// The next message that can be seen, with how often it came; or in how many milliseconds there may be one.
    fn take(&self) -> Result<(String, u32), u64> {
        let (waiting, _) = &mut *self.waiting.lock().unwrap();
        let now = self.now();
        let Reverse((at, ..)) = waiting.peek().ok_or(1_000_u64)?;
        if *at > now {
            return Err((at - now).min(1_000));
        }
        let Reverse((_, _, receives, text)) = waiting.pop().unwrap();
        // Received, and deleted or hidden again.
        self.work.lock().unwrap().sqs_requests += text.len().div_ceil(UNIT) as u64 + 1;
        Ok((text, receives + 1))
    }
}

#[async_trait]
impl VerificationQueue for SimQueue {
    async fn send_spread(&self, tasks: &[(VerificationTask, u16)]) -> Result<(), Unavailable> {
        let (mut batch, mut bytes, mut batches, mut requests) = (0, 0, u32::from(!tasks.is_empty()), 0);
        for (task, delay) in tasks {
            let text = serde_json::to_string(task).unwrap();
            assert!(text.len() <= 64_000, "{} bytes", text.len());
            if batch == BATCH_MESSAGES || bytes + text.len() > BATCH_BYTES {
                requests += bytes.div_ceil(UNIT);
                (batch, bytes) = (0, 0);
                batches += 1;
            }
            batch += 1;
            bytes += text.len();
            self.put(text, f64::from(*delay), 0);
        }
        {
            let mut work = self.work.lock().unwrap();
            work.sqs_requests += (requests + bytes.div_ceil(UNIT)) as u64;
            work.chunks += tasks.len() as u64;
        }
        tokio::time::sleep(LATENCY * batches.div_ceil(BATCHES_AT_ONCE)).await;
        Ok(())
    }
}

/// Works as Lambda lets a verifier, one message at a time, until `end`.
pub async fn verify(queue: Arc<SimQueue>, chunks: CheckChunk, end: f64) {
    let clock = queue.clock.clone();
    while clock.elapsed() < end {
        let (text, receives) = match queue.take() {
            Ok(taken) => taken,
            Err(wait) => {
                tokio::time::sleep(Duration::from_millis(wait)).await;
                continue;
            }
        };
        let began = clock.elapsed();
        let mut checks = 0;
        match serde_json::from_str(&text).unwrap() {
            VerificationTask::Chunk(chunk) => match chunks.run(&chunk).await.unwrap() {
                ChunkChecked::Done { members, .. } => checks = members as u64,
                ChunkChecked::StsInTrouble => {
                    let delay = (30.0 * f64::from(1 << (receives - 1).min(5))).min(900.0);
                    queue.put(text, delay, receives);
                }
            },
            VerificationTask::Recheck {
                tenant,
                connection_id,
                attempt,
            } => {
                chunks.run_single(&tenant, &connection_id, attempt).await.unwrap();
                checks = 1;
            }
            VerificationTask::Request { .. } => unreachable!("no stack waits here"),
        }
        let took = clock.elapsed() - began;
        assert!(took < 45.0, "{took} s for one message");
        let mut work = queue.work.lock().unwrap();
        work.invocations += 1;
        work.verifier_seconds += took;
        work.checks += checks;
    }
}
