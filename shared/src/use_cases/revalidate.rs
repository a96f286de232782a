//! A tick of the clock puts the connections that are due on the verification queue.

use std::sync::Arc;

use crate::{
    domain::sweep::{SweepPlan, tick_at},
    ports::{Clock, SweepIndex, SweepKey, Unavailable, VerificationQueue, VerificationTask},
};

/// What a tick did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// The tick that is now done.
    pub tick: i64,
    /// How many slots were read.
    pub slots: usize,
    /// How many connections were queued.
    pub queued: usize,
}

/// Queues checks.
pub struct Revalidate {
    /// Where the due ones are found.
    pub index: Arc<dyn SweepIndex>,
    /// Where verifications wait.
    pub queue: Arc<dyn VerificationQueue>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How the sweep is cut.
    pub plan: SweepPlan,
    /// Length of a tick, in seconds.
    pub tick_seconds: u32,
}

impl Revalidate {
    /// Queues what is due since the last tick that was done. The tick is noted last: a crash repeats it, and a
    /// connection that is checked twice takes no harm.
    pub async fn run(&self) -> Result<Swept, Unavailable> {
        let tick = tick_at(self.clock.now(), self.tick_seconds);
        let slots = self.plan.due_slots(self.index.last_tick().await?, tick);
        let mut queued = 0;
        for slot in &slots {
            queued += self.queue_slot(slot).await?;
        }
        if !slots.is_empty() {
            self.index.set_last_tick(tick).await?;
        }
        Ok(Swept {
            tick,
            slots: slots.len(),
            queued,
        })
    }

    async fn queue_slot(&self, slot: &str) -> Result<usize, Unavailable> {
        let mut queued = 0;
        let mut after: Option<SweepKey> = None;
        loop {
            let page = self.index.slot_page(slot, after).await?;
            let tasks: Vec<VerificationTask> = page
                .keys
                .iter()
                .map(|key| VerificationTask::Recheck {
                    tenant: key.tenant.clone(),
                    connection_id: key.connection_id.clone(),
                })
                .collect();
            self.queue.send(&tasks, 0).await?;
            queued += tasks.len();
            after = page.keys.into_iter().next_back();
            if !page.has_more || after.is_none() {
                return Ok(queued);
            }
        }
    }
}
