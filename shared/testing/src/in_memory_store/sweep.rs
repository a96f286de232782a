//! [`SweepIndex`], [`SweepLedger`] and [`TemplateCatalog`] in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use async_trait::async_trait;
use latchkey_core::{
    domain::{
        connection::TemplateRef,
        sweep::{Cursor, Member, SweepKey, latest_stored_tick, ledger::ChunkRecord},
        template_version::PublishedVersion,
    },
    ports::{SweepIndex, SweepLedger, SweepPage, TemplateCatalog, Unavailable},
};

use super::{
    super::faults::Operation,
    InMemoryStore,
    tables::{read, write},
};

#[async_trait]
impl SweepIndex for InMemoryStore {
    async fn slot_page(&self, slot: &str, after: Option<SweepKey>) -> Result<SweepPage, Unavailable> {
        self.run(Operation::SlotPage, |tables| {
            let start = match &after {
                Some(after) => Bound::Excluded(&after.connection_id),
                None => Bound::Unbounded,
            };
            let in_slot = tables.slots.get(slot);
            let mut members: Vec<Member> = in_slot
                .into_iter()
                .flat_map(|members| members.range((start, Bound::Unbounded)))
                .map(|(_, member)| member.clone())
                .take(self.slot_page_size + 1)
                .collect();
            let has_more = members.len() > self.slot_page_size;
            members.truncate(self.slot_page_size);
            Ok(SweepPage { members, has_more })
        })
    }

    async fn cursor(&self) -> Result<Cursor, Unavailable> {
        self.run(Operation::Cursor, |tables| Ok(tables.cursor.clone()))
    }

    async fn move_cursor(&self, cursor: &Cursor) -> Result<bool, Unavailable> {
        self.run(Operation::MoveCursor, |tables| {
            let is_ours = tables.cursor.version == cursor.version;
            if is_ours {
                tables.cursor = cursor.clone();
                tables.cursor.version += 1;
            }
            Ok(is_ours)
        })
    }
}

#[async_trait]
impl SweepLedger for InMemoryStore {
    async fn record(&self, slot: &str, tick: i64, record: &ChunkRecord) -> Result<(), Unavailable> {
        self.run(Operation::RecordChunk, |tables| {
            let generation = self.plan.sweep_number(tick).rem_euclid(2);
            let item = tables
                .ledger
                .entry((slot.to_owned(), generation))
                .or_insert((tick, BTreeMap::new()));
            if item.0 < tick || item.0 > latest_stored_tick(tick) {
                *item = (tick, BTreeMap::new());
            }
            if item.0 == tick {
                item.1.insert(record.first.clone(), write(record));
            }
            Ok(())
        })
    }

    async fn records(
        &self,
        slots: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Vec<ChunkRecord>>, Unavailable> {
        self.run(Operation::ReadLedger, |tables| {
            let mut records: BTreeMap<String, Vec<ChunkRecord>> = BTreeMap::new();
            for ((slot, _), (_, chunks)) in &tables.ledger {
                if slots.contains(slot) {
                    let known = records.entry(slot.clone()).or_default();
                    known.extend(chunks.values().map(|text| read::<ChunkRecord>(text)));
                }
            }
            Ok(records)
        })
    }
}

#[async_trait]
impl TemplateCatalog for InMemoryStore {
    async fn current(&self) -> Result<Option<TemplateRef>, Unavailable> {
        self.run(Operation::CurrentTemplate, |tables| Ok(tables.template.clone()))
    }

    async fn versions(&self) -> Result<Vec<PublishedVersion>, Unavailable> {
        self.run(Operation::TemplateVersions, |tables| Ok(tables.versions.clone()))
    }
}
