//! Ids in order, of the shape that true ones have.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

use latchkey_core::{
    domain::{external_id::ExternalId, ids::ConnectionId},
    ports::IdSource,
};

/// `conn_c…1`, `conn_c…2` and so on; the same number never comes twice, whichever kind is asked for.
#[derive(Debug, Default)]
pub struct SequentialIds(AtomicU64);

impl SequentialIds {
    /// Ids after a random number: two processes that share a table do not meet.
    pub fn after_a_random_number() -> Self {
        Self(AtomicU64::new(RandomState::new().build_hasher().finish() / 2))
    }

    pub fn number(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl IdSource for SequentialIds {
    fn connection_id(&self) -> ConnectionId {
        ConnectionId::parse(&format!("conn_c{:023}", self.number())).unwrap()
    }

    fn external_id(&self) -> ExternalId {
        ExternalId::parse(&format!("e{:031}", self.number())).unwrap()
    }
}
