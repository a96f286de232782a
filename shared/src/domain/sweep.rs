//! Which connections are due for a check, and when: fixed slots, so that nothing has to be moved.
//!
//! Time is cut into ticks. A healthy connection has one of `slots` slots, by the hash of its id, and tick k reads
//! slot `k mod slots`: with 288 slots and ticks of five minutes, each is read once a day. Degraded connections have
//! a shorter cycle of their own.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::domain::{
    connection::{Connection, State},
    ids::ConnectionId,
};

/// How the sweep of a deployment is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepPlan {
    /// Number of slots of active connections: ticks until each was read once.
    pub slots: u32,
    /// Number of slots of degraded connections.
    pub degraded_slots: u32,
}

impl SweepPlan {
    /// The slot that `connection` is found in; none while there is nothing to check.
    pub fn slot(&self, connection: &Connection) -> Option<String> {
        match &connection.state {
            State::Active { .. } => Some(active_slot(hash(&connection.id) % self.slots)),
            State::Degraded { .. } => Some(degraded_slot(hash(&connection.id) % self.degraded_slots)),
            _ => None,
        }
    }

    /// The slots to read to have done all ticks after `last_tick`, up to and with `tick`. After an outage no slot
    /// is read twice, however many ticks were missed.
    pub fn due_slots(&self, last_tick: Option<i64>, tick: i64) -> BTreeSet<String> {
        let first = last_tick.map_or(tick, |last| last.saturating_add(1));
        let cycle = |slots: u32, name: fn(u32) -> String| {
            (first.max(tick.saturating_sub(i64::from(slots) - 1))..=tick)
                .map(move |tick| name(u32::try_from(tick.rem_euclid(i64::from(slots))).unwrap_or_default()))
        };
        cycle(self.slots, active_slot)
            .chain(cycle(self.degraded_slots, degraded_slot))
            .collect()
    }
}

/// The number of the tick that `now` is in.
pub fn tick_at(now: Timestamp, tick_seconds: u32) -> i64 {
    now.as_second().div_euclid(i64::from(tick_seconds))
}

fn active_slot(slot: u32) -> String {
    format!("active#{slot}")
}

fn degraded_slot(slot: u32) -> String {
    format!("degraded#{slot}")
}

/// The same number for an id for ever: what is written into a table must not depend on a hasher's version.
fn hash(id: &ConnectionId) -> u32 {
    let digest = Sha256::digest(id.as_str());
    digest
        .iter()
        .take(4)
        .fold(0, |number, byte| number << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAN: SweepPlan = SweepPlan {
        slots: 288,
        degraded_slots: 6,
    };

    #[test]
    fn one_cycle_of_ticks_reads_every_slot_once() {
        let mut read: Vec<String> = (1_000..1_288)
            .flat_map(|tick| PLAN.due_slots(Some(tick - 1), tick))
            .filter(|slot| slot.starts_with("active#"))
            .collect();
        read.sort();
        read.dedup();
        assert_eq!(read.len(), 288);
    }

    #[test]
    fn after_an_outage_of_any_length_each_slot_is_due_once_and_none_is_left_out() {
        assert_eq!(PLAN.due_slots(Some(1_000), 1_003).len(), 6);
        assert_eq!(PLAN.due_slots(Some(0), 1_000_000).len(), 288 + 6);
        assert_eq!(PLAN.due_slots(Some(1_000), 1_000).len(), 0);
        assert_eq!(
            PLAN.due_slots(Some(1_001), 1_000).len(),
            0,
            "a clock that went back reads nothing again"
        );
        assert_eq!(
            PLAN.due_slots(None, 7).len(),
            2,
            "the first tick of a deployment owes nothing to the past"
        );
    }

    proptest! {
        #[test]
        fn what_is_due_after_a_gap_is_what_would_have_been_due_tick_by_tick(last in 0_i64..10_000, gap in 0_i64..700) {
            let at_once = PLAN.due_slots(Some(last), last + gap);
            let one_by_one: BTreeSet<String> = (last + 1..=last + gap)
                .flat_map(|tick| PLAN.due_slots(Some(tick - 1), tick))
                .collect();
            prop_assert_eq!(at_once, one_by_one);
        }
    }
}
