//! From a tick of the schedule to the use case.

use jiff::Timestamp;
use lambda_runtime::Error;
use latchkey_aws::telemetry::causes;
use latchkey_core::{
    domain::sweep::{begins_period, tick_at},
    use_cases::{
        keep_doors::{self, KeepDoors},
        revalidate::Revalidate,
        watch_template::{self, Found, WatchTemplate},
    },
};
use serde::Serialize;
use serde_json::Value;

/// What an event of the schedule says of where it comes from.
const SCHEDULER: &str = "aws.scheduler";

pub struct Handler {
    pub revalidate: Revalidate,
    pub watch_template: WatchTemplate,
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
    /// What was found where new links lead, where that was looked at.
    template: Option<&'static str>,
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
        if let Some(keep_doors) =
            keep_doors.filter(|_| is_due(&event, tick_seconds, keep_doors::LOOK_SECONDS))
        {
            let kept = keep_doors.run().await.inspect_err(|error| {
                tracing::error!(error = causes(error), "doors.failed");
            })?;
            tracing::info!(
                "doors.needed" = kept.needed,
                "doors.restored" = kept.restored,
                "doors.withdrawn" = kept.withdrawn,
                "doors.without_room" = kept.without_room,
                "doors.without_account" = kept.without_account,
                "doors.kept"
            );
        }
        let mut template = None;
        if is_due(&event, tick_seconds, watch_template::LOOK_SECONDS) {
            template = Some(self.look_at_template().await);
        }
        Ok(Summary {
            tick: swept.tick,
            slots: swept.slots,
            queued: swept.queued,
            messages: swept.messages,
            left: swept.left,
            template,
        })
    }

    /// Never fails the tick: what was queued is queued, and the next look is due in an hour.
    async fn look_at_template(&self) -> &'static str {
        match self.watch_template.run().await {
            Ok(found) => {
                let outcome = found.code();
                match found {
                    Found::Unreadable { url, status } => tracing::error!(
                        "template.outcome" = outcome,
                        "template.url" = url,
                        "template.status" = status,
                        "template.watched"
                    ),
                    _ => tracing::info!("template.outcome" = outcome, "template.watched"),
                }
                outcome
            }
            Err(error) => {
                tracing::error!(error = causes(&error), "template.failed");
                "not_looked_at"
            }
        }
    }
}

/// Now and then when the schedule asks, always when somebody does by hand. The schedule's event says when it was to tick: a
/// second try of a look that failed is of the same tick, however late it is. Without a time that can be read, it is due.
fn is_due(event: &Value, tick_seconds: u32, period_seconds: u32) -> bool {
    let time: Option<Timestamp> = event["time"].as_str().and_then(|time| time.parse().ok());
    match time {
        Some(time) if event["source"] == SCHEDULER => {
            begins_period(tick_at(time, tick_seconds), tick_seconds, period_seconds)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_schedule_has_things_looked_at_now_and_then_and_a_person_at_once() {
        let mut tick: Value =
            serde_json::from_str(include_str!("../../../events/revalidator/tick.json")).unwrap_or_default();
        assert!(is_due(&tick, 60, 300), "12:00, whenever it is tried");
        tick["time"] = json!("2026-11-21T12:01:00Z");
        assert!(!is_due(&tick, 60, 300));
        assert!(is_due(&tick, 300, 300));
        assert!(is_due(&tick, 300, 3_600), "12:00 is the tick's time");
        assert!(!is_due(&tick, 60, 3_600));
        tick["time"] = json!("noon");
        assert!(is_due(&tick, 60, 300));
        assert!(is_due(&json!({ "time": "2026-11-21T12:01:00Z" }), 60, 300));
    }
}
