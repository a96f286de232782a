//! From a tick of the schedule to the use case.

use jiff::Timestamp;
use lambda_runtime::Error;
use latchkey_aws::telemetry::causes;
use latchkey_core::{
    domain::sweep::tick_at,
    use_cases::{
        keep_doors::{self, KeepDoors},
        revalidate::Revalidate,
    },
};
use serde::Serialize;
use serde_json::Value;

/// What an event of the schedule says of where it comes from.
const SCHEDULER: &str = "aws.scheduler";

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
    /// Queues what is due, by the clock, and keeps the doors where that is due.
    pub async fn handle(&self, event: Value) -> Result<Summary, Error> {
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
        let tick_seconds = self.revalidate.budget.tick_seconds;
        let keep_doors = self.keep_doors.as_ref();
        if let Some(keep_doors) = keep_doors.filter(|_| are_doors_due(&event, tick_seconds)) {
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

/// Now and then when the schedule asks, always when somebody does by hand. The schedule's event says when it was to tick: a
/// second try of a look that failed is of the same tick, however late it is. Without a time that can be read, they are.
fn are_doors_due(event: &Value, tick_seconds: u32) -> bool {
    let time: Option<Timestamp> = event["time"].as_str().and_then(|time| time.parse().ok());
    match time {
        Some(time) if event["source"] == SCHEDULER => {
            keep_doors::is_due(tick_at(time, tick_seconds), tick_seconds)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_schedule_has_the_doors_looked_at_now_and_then_and_a_person_at_once() {
        let mut tick: Value =
            serde_json::from_str(include_str!("../../../events/revalidator/tick.json")).unwrap_or_default();
        assert!(are_doors_due(&tick, 60), "12:00, whenever it is tried");
        tick["time"] = json!("2026-11-21T12:01:00Z");
        assert!(!are_doors_due(&tick, 60));
        assert!(are_doors_due(&tick, 300));
        tick["time"] = json!("noon");
        assert!(are_doors_due(&tick, 60));
        assert!(are_doors_due(&json!({ "time": "2026-11-21T12:01:00Z" }), 60));
    }
}
