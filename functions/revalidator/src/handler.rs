//! From a tick of the schedule to the use case.

use lambda_runtime::Error;
use latchkey_shared::{
    telemetry::causes,
    use_cases::{keep_doors::KeepDoors, revalidate::Revalidate},
};
use serde::Serialize;

pub struct Handler {
    pub revalidate: Revalidate,
    /// Where single accounts are let in at the listener topics.
    pub keep_doors: Option<KeepDoors>,
}

/// What the invocation shows to whoever started it by hand.
#[derive(Serialize)]
pub struct Summary {
    tick: i64,
    slots: usize,
    queued: usize,
    messages: usize,
    left: usize,
}

impl Handler {
    /// Queues what is due. The event says nothing that matters: the clock decides.
    pub async fn handle(&self, _event: serde_json::Value) -> Result<Summary, Error> {
        let swept = self.revalidate.run().await.inspect_err(|error| {
            tracing::error!(error = causes(error), "sweep.failed");
        })?;
        tracing::info!(
            "sweep.tick" = swept.tick,
            "sweep.slots" = swept.slots,
            "sweep.queued" = swept.queued,
            "sweep.messages" = swept.messages,
            "sweep.slots_left" = swept.left,
            "sweep.done"
        );
        if let Some(keep_doors) = &self.keep_doors {
            let kept = keep_doors.run().await.inspect_err(|error| {
                tracing::error!(error = causes(error), "doors.failed");
            })?;
            tracing::info!(
                "doors.needed" = kept.needed,
                "doors.restored" = kept.restored,
                "doors.withdrawn" = kept.withdrawn,
                "doors.without_room" = kept.without_room,
                "doors.kept"
            );
        }
        Ok(Summary {
            tick: swept.tick,
            slots: swept.slots,
            queued: swept.queued,
            messages: swept.messages,
            left: swept.left,
        })
    }
}
