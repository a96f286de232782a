//! [`SweepIndex`] and [`TemplateCatalog`] in memory.

use async_trait::async_trait;

use super::{super::faults::Operation, InMemoryStore};
use crate::{
    domain::{connection::TemplateRef, template_version::PublishedVersion},
    ports::{SweepIndex, SweepKey, SweepPage, TemplateCatalog, Unavailable},
};

#[async_trait]
impl SweepIndex for InMemoryStore {
    async fn slot_page(&self, slot: &str, after: Option<SweepKey>) -> Result<SweepPage, Unavailable> {
        self.run(Operation::SlotPage, |tables| {
            let order = |key: &SweepKey| (key.tenant.clone(), key.connection_id.clone());
            let mut keys = tables.in_slot(slot);
            keys.retain(|key| after.as_ref().is_none_or(|after| order(key) > order(after)));
            let has_more = keys.len() > self.slot_page_size;
            keys.truncate(self.slot_page_size);
            Ok(SweepPage { keys, has_more })
        })
    }

    async fn last_tick(&self) -> Result<Option<i64>, Unavailable> {
        self.run(Operation::LastTick, |tables| Ok(tables.last_tick))
    }

    async fn set_last_tick(&self, tick: i64) -> Result<(), Unavailable> {
        self.run(Operation::SetLastTick, |tables| {
            tables.last_tick = tables.last_tick.max(Some(tick));
            Ok(())
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
