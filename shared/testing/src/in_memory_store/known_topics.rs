//! [`KnownTopicsStore`] in memory.

use async_trait::async_trait;
use latchkey_core::{
    domain::listener_access::KnownTopics,
    ports::{KnownTopicsStore, Unavailable},
};

use super::{super::faults::Operation, InMemoryStore};

#[async_trait]
impl KnownTopicsStore for InMemoryStore {
    async fn known_topics(&self) -> Result<Option<KnownTopics>, Unavailable> {
        self.run(Operation::KnownTopics, |tables| Ok(tables.known_topics.clone()))
    }

    async fn keep_known_topics(&self, known: &KnownTopics) -> Result<(), Unavailable> {
        self.run(Operation::KeepKnownTopics, |tables| {
            tables.known_topics = Some(known.clone());
            Ok(())
        })
    }
}
