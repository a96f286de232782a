//! Which connections are due for a check, and when: fixed slots, so that nothing has to be moved.
//!
//! Time is cut into ticks. A healthy connection has one of `slots` slots, by the hash of its id, and tick k reads
//! slot `k mod slots`: with 1,440 slots and ticks of a minute, each is read once a day. Degraded connections have
//! a shorter cycle of their own. What is read is handed on in chunks.

pub mod ledger;
pub mod pace;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::{
    aws::RoleArn,
    connection::{Connection, State},
    external_id::ExternalId,
    ids::{ConnectionId, TenantId},
};

/// Most connections in one chunk: with the longest usual names it stays within [`MAX_CHUNK_BYTES`].
pub const MAX_CHUNK_MEMBERS: usize = 200;
/// Most text that the members of a chunk may have: SQS bills a message by 64 KB.
pub const MAX_CHUNK_BYTES: usize = 60_000;
/// Most calls of STS that a chunk may need: half a minute's at the slowest pace of the verifier ([`crate::domain::sweep::pace`]).
pub const MAX_CHUNK_CALLS: u32 = 300;
/// Calls of STS that the daily look at a healthy connection needs: its answer names the account that was entered.
pub const CALLS_OF_A_LOOK: u32 = 1;
/// Calls of STS that a proof needs: the right external ID, none, a wrong one, one nearly right, and a session to inspect
/// permissions with.
pub const CALLS_OF_A_PROOF: u32 = 5;

/// Ticks by which what is stored may be ahead of now. SQS keeps a message for 20,160 minutes at most, so that none is
/// later; the numbers of two lengths of a tick (30 and 60 minutes are the closest) have been half a million apart since 2026,
/// and more each year.
const MOST_TICKS_AHEAD: i64 = 100_000;

/// How the sweep of a deployment is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepPlan {
    /// Number of slots of active connections: ticks until each was read once.
    pub slots: u32,
    /// Number of slots of degraded connections.
    pub degraded_slots: u32,
}

/// Two sweeps, each with slots and a pace of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// What is not as it should be, and is looked at often.
    Degraded,
    /// What was well when it was last seen.
    Active,
}

/// A connection's place in the sweep index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepKey {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub connection_id: ConnectionId,
}

/// A connection as a check needs it. What the index does not know of it has to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Whose.
    #[serde(rename = "t")]
    pub tenant: TenantId,
    /// Which.
    #[serde(rename = "c")]
    pub connection_id: ConnectionId,
    /// The role and the external ID that it has to be entered with, where a look at that is all that is due.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub look: Option<Look>,
}

/// What a look at a healthy connection needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// The role.
    #[serde(rename = "r")]
    pub role_arn: RoleArn,
    /// The connection's external ID.
    #[serde(rename = "e")]
    pub external_id: ExternalId,
}

/// Connections of one slot that are checked together, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Of which sweep.
    pub group: Group,
    /// The slot.
    pub slot: String,
    /// The tick whose slot it is.
    pub tick: i64,
    /// When the index was asked.
    pub queried_at: Timestamp,
    /// Whom to check.
    pub members: Vec<Member>,
}

/// How far one of the two sweeps came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Every tick up to this one is done.
    pub done: i64,
    /// Of the next tick's slot, everybody up to and with this one is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<SweepKey>,
    /// While more than a whole round was missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catching_up: Option<CatchingUp>,
}

/// One round over all slots, from where the sweep stood, instead of all the rounds that were missed. It may take
/// several ticks, and is not begun anew at each: nobody's slot comes late for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatchingUp {
    /// How many slots are left in the round.
    pub left: u32,
    /// Up to which tick all is done when the round is.
    pub until: i64,
}

/// A slot that is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The latest tick whose slot it is.
    pub tick: i64,
    /// How far the sweep is before.
    pub before: Progress,
    /// How far it is once the slot is done.
    pub after: Progress,
}

/// How far both came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Counts the writes: who read another version is not the only one at work.
    #[serde(default)]
    pub version: u64,
    /// None before the first tick.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degraded: Option<Progress>,
    /// None before the first tick.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<Progress>,
}

impl Progress {
    /// A slot of a round that is caught up is done.
    fn one_slot_on(mut self) -> Self {
        match &mut self.catching_up {
            Some(round) if round.left <= 1 => {
                self.done = round.until;
                self.catching_up = None;
            }
            Some(round) => round.left -= 1,
            None => {}
        }
        self
    }
}

impl Cursor {
    /// How far one group came.
    pub fn progress(&self, group: Group) -> Option<&Progress> {
        match group {
            Group::Degraded => self.degraded.as_ref(),
            Group::Active => self.active.as_ref(),
        }
    }

    /// Notes how far one group came.
    pub fn advance(&mut self, group: Group, progress: Progress) {
        match group {
            Group::Degraded => self.degraded = Some(progress),
            Group::Active => self.active = Some(progress),
        }
    }
}

impl SweepPlan {
    /// The slot that `connection` is found in; none while there is nothing to check.
    pub fn slot(&self, connection: &Connection) -> Option<String> {
        let group = match connection.state() {
            State::Active { .. } => Group::Active,
            State::Degraded { .. } => Group::Degraded,
            _ => return None,
        };
        Some(slot_name(group, hash(connection.id()) % self.slots_of(group)))
    }

    /// The slot of degraded connections of that number; none where there are fewer.
    pub fn degraded_slot(&self, number: u32) -> Option<String> {
        (number < self.degraded_slots).then(|| slot_name(Group::Degraded, number))
    }

    /// The slot that tick `tick` reads.
    pub fn slot_at(&self, group: Group, tick: i64) -> String {
        let slot = tick.rem_euclid(i64::from(self.slots_of(group)));
        slot_name(group, u32::try_from(slot).unwrap_or_default())
    }

    /// How often every slot of the active connections had been read when tick `tick` came: the number of the sweep.
    pub fn sweep_number(&self, tick: i64) -> i64 {
        tick.div_euclid(i64::from(self.slots))
    }

    /// Whether a connection is to be proven anew in the sweep of tick `tick`: in every `every`-th, spread over the
    /// sweeps by the part of the hash that does not choose the slot.
    pub fn is_due_for_proof(&self, id: &ConnectionId, tick: i64, every: u32) -> bool {
        let turn = i64::from(hash(id) / self.slots);
        (self.sweep_number(tick) + turn).rem_euclid(i64::from(every.max(1))) == 0
    }

    /// The slots that are to be read at `tick`, in order. However many ticks were missed, no slot is in it twice.
    pub fn due(&self, group: Group, progress: Option<&Progress>, tick: i64) -> Vec<Due> {
        let slots = i64::from(self.slots_of(group));
        // The first tick of a deployment owes nothing to the past, nor does the first one of another length.
        let counts = |progress: &&Progress| progress.done <= latest_stored_tick(tick);
        let mut before = progress.filter(counts).cloned().unwrap_or(Progress {
            done: tick.saturating_sub(1),
            ..Progress::default()
        });
        if before.catching_up.is_none() && tick.saturating_sub(before.done) > slots {
            before.catching_up = Some(CatchingUp {
                left: self.slots_of(group),
                until: tick,
            });
        }
        let number = match &before.catching_up {
            Some(round) => i64::from(round.left),
            None => tick.saturating_sub(before.done).max(0),
        };
        let mut due = Vec::new();
        for _ in 0..number {
            let next = before.done.saturating_add(1);
            let after = Progress {
                done: next,
                within: None,
                catching_up: before.catching_up.clone(),
            };
            let after = after.one_slot_on();
            let rounds = tick.saturating_sub(next).div_euclid(slots).max(0);
            due.push(Due {
                tick: next.saturating_add(rounds.saturating_mul(slots)),
                before,
                after: after.clone(),
            });
            before = after;
        }
        due
    }

    fn slots_of(&self, group: Group) -> u32 {
        match group {
            Group::Degraded => self.degraded_slots,
            Group::Active => self.slots,
        }
    }
}

impl Member {
    /// Its place in the index.
    pub fn key(&self) -> SweepKey {
        SweepKey {
            tenant: self.tenant.clone(),
            connection_id: self.connection_id.clone(),
        }
    }

    /// A connection as the index knows it. What waits for its stack's bucket, or may have been deleted, is not merely
    /// looked at.
    pub fn of(connection: &Connection) -> Self {
        let look = match connection.state() {
            State::Active { binding, .. }
                if binding.unsettled.is_none()
                    && binding.deletion_seen_at.is_none()
                    && binding.external_id == *connection.external_id() =>
            {
                Some(Look {
                    role_arn: binding.role_arn.clone(),
                    external_id: connection.external_id().clone(),
                })
            }
            _ => None,
        };
        Self {
            tenant: connection.tenant().clone(),
            connection_id: connection.id().clone(),
            look,
        }
    }

    /// Calls of STS that its check needs, if nothing is found.
    pub fn calls(&self) -> u32 {
        match self.look {
            Some(_) => CALLS_OF_A_LOOK,
            None => CALLS_OF_A_PROOF,
        }
    }

    /// About how long it is in a message: its texts and what is around them.
    fn bytes(&self) -> usize {
        const AROUND: usize = 50;
        let look = self.look.as_ref();
        let look = look.map_or(0, |look| {
            look.role_arn.as_str().len() + look.external_id.as_str().len()
        });
        self.tenant.as_str().len() + self.connection_id.as_str().len() + look + AROUND
    }
}

/// Cuts the members of a slot into chunks, each bounded in number, text and calls.
pub fn chunks(members: Vec<Member>) -> Vec<Vec<Member>> {
    let mut chunks: Vec<Vec<Member>> = Vec::new();
    let (mut bytes, mut calls) = (0, 0);
    for member in members {
        let (more_bytes, more_calls) = (member.bytes(), member.calls());
        let fits = |chunk: &&mut Vec<Member>| {
            chunk.len() < MAX_CHUNK_MEMBERS
                && bytes + more_bytes <= MAX_CHUNK_BYTES
                && calls + more_calls <= MAX_CHUNK_CALLS
        };
        match chunks.last_mut().filter(fits) {
            Some(chunk) => {
                chunk.push(member);
                bytes += more_bytes;
                calls += more_calls;
            }
            None => {
                chunks.push(vec![member]);
                (bytes, calls) = (more_bytes, more_calls);
            }
        }
    }
    chunks
}

/// The number of the tick that `now` is in.
pub fn tick_at(now: Timestamp, tick_seconds: u32) -> i64 {
    now.as_second().div_euclid(i64::from(tick_seconds))
}

/// Whether tick `tick` is the first within `period_seconds`: what is done less often than at each tick is done then.
pub fn begins_period(tick: i64, tick_seconds: u32, period_seconds: u32) -> bool {
    let began = tick.saturating_mul(tick_seconds.into());
    began.rem_euclid(period_seconds.into()) < tick_seconds.into()
}

/// The latest tick that may be stored while it is tick `tick`. What is later was counted when ticks were shorter, and stands in
/// nobody's way.
pub fn latest_stored_tick(tick: i64) -> i64 {
    tick.saturating_add(MOST_TICKS_AHEAD)
}

fn slot_name(group: Group, slot: u32) -> String {
    match group {
        Group::Degraded => format!("degraded#{slot}"),
        Group::Active => format!("active#{slot}"),
    }
}

/// When a connection that was just proven is looked at once more, in seconds from then: when a new role is everywhere,
/// and no later than a queue can hold a message back. Spread, as many may connect together.
pub fn look_delay_seconds(id: &ConnectionId) -> u16 {
    const SOONEST: u16 = 300;
    const SPREAD: u32 = 601;
    u16::try_from(hash(id) % SPREAD).map_or(SOONEST, |late| SOONEST + late)
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
mod tests;
