//! From a tick of the schedule to the use case.

use lambda_runtime::Error;
use latchkey_shared::{telemetry::causes, use_cases::revalidate::Revalidate};
use serde::Serialize;

pub struct Handler {
    pub revalidate: Revalidate,
}

/// What the invocation shows to whoever started it by hand.
#[derive(Serialize)]
pub struct Summary {
    tick: i64,
    slots: usize,
    queued: usize,
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
            "sweep.done"
        );
        Ok(Summary {
            tick: swept.tick,
            slots: swept.slots,
            queued: swept.queued,
        })
    }
}
