//! A queue that shows what was put on it.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use latchkey_core::ports::{Unavailable, VerificationQueue, VerificationTask};

use super::faults::{Faults, Operation};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    pub task: VerificationTask,
    /// How long it is not shown at first.
    pub delay_seconds: u16,
}

/// A queue that nobody works on but the test.
pub struct RecordingQueue {
    waiting: Mutex<Vec<Queued>>,
    faults: Arc<Faults>,
}

impl RecordingQueue {
    pub fn new(faults: Arc<Faults>) -> Self {
        Self {
            waiting: Mutex::default(),
            faults,
        }
    }

    /// What is on the queue, oldest first.
    pub fn waiting(&self) -> Vec<Queued> {
        self.waiting.lock().unwrap().clone()
    }

    pub fn take_all(&self) -> Vec<Queued> {
        std::mem::take(&mut *self.waiting.lock().unwrap())
    }

    pub fn take(&self, index: usize) -> Option<Queued> {
        let mut waiting = self.waiting.lock().unwrap();
        (index < waiting.len()).then(|| waiting.remove(index))
    }

    /// Puts one back, as SQS does when its receiver did not finish.
    pub fn put_back(&self, queued: Queued) {
        self.waiting.lock().unwrap().push(queued);
    }
}

#[async_trait]
impl VerificationQueue for RecordingQueue {
    async fn send_spread(&self, tasks: &[(VerificationTask, u16)]) -> Result<(), Unavailable> {
        self.faults.run(Operation::QueueSend, || {
            // Through its text, as a queue carries it.
            let carried = tasks.iter().map(|(task, delay_seconds)| Queued {
                task: serde_json::from_str(&serde_json::to_string(task).unwrap()).unwrap(),
                delay_seconds: *delay_seconds,
            });
            self.waiting.lock().unwrap().extend(carried);
        })
    }
}
