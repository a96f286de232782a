//! When a connection that nobody had to write to was last verified: the sweep's ledger knows, chunk by chunk.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::domain::{
    connection::{Connection, State},
    ids::ConnectionId,
};

/// How long the index may lag behind the table and clocks may differ, in seconds: what was stored later than this before
/// the index was asked may not have been what was looked at. DynamoDB's usual lag is well below a second.
pub const INDEX_LAG_SECONDS: i64 = 15;

/// That the members of a chunk were verified, but for some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkRecord {
    /// The first member, in the order of ids.
    #[serde(rename = "f")]
    pub first: ConnectionId,
    /// The last member.
    #[serde(rename = "l")]
    pub last: ConnectionId,
    /// When the index was asked who is in the slot.
    #[serde(rename = "q")]
    pub queried_at: Timestamp,
    /// When the check of the chunk began: each member was found well at this time or some seconds after.
    #[serde(rename = "d")]
    pub verified_at: Timestamp,
    /// Members for whom this does not speak: what was found of them stands in the connection itself.
    #[serde(rename = "x", default, skip_serializing_if = "Vec::is_empty")]
    pub but: Vec<ConnectionId>,
}

impl ChunkRecord {
    /// When `connection` was verified, by this record; `None` where it does not speak for it.
    ///
    /// An untroubled connection that was last written to before the index was asked was in its slot then. If its
    /// id lies between first and last it was a member, and if it is not excepted it was verified.
    fn vouches_for(&self, connection: &Connection, stored: Timestamp) -> Option<Timestamp> {
        let was_known = stored
            .checked_add(SignedDuration::from_secs(INDEX_LAG_SECONDS))
            .is_ok_and(|known_at| known_at <= self.queried_at);
        let is_member = (&self.first..=&self.last).contains(&connection.id());
        (was_known && is_member && !self.but.contains(connection.id())).then_some(self.verified_at)
    }
}

/// When `connection` was last verified, as far as it and `records` of its slot know. Only a connection that is active and
/// settled is spoken for by records.
pub fn last_verified_at(connection: &Connection, records: &[ChunkRecord]) -> Option<Timestamp> {
    let stored = connection.last_verified_at()?;
    match connection.state() {
        State::Active { binding, .. } if binding.unsettled.is_none() => records
            .iter()
            .filter_map(|record| record.vouches_for(connection, stored))
            .chain([stored])
            .max(),
        _ => Some(stored),
    }
}
