//! The table, in memory, with the semantics of `adapters::dynamodb`; `store_contract` holds both to the same rules.

mod commit;
mod connections;
mod grants;
mod known_topics;
mod sweep;
mod tables;

use std::sync::{Arc, Mutex, MutexGuard};

use super::faults::{Faults, Operation};
use latchkey_core::{
    domain::{
        audit::AuditEntry,
        connection::{Connection, TemplateRef},
        ids::ConnectionId,
        request::{custom_resource::RequestKey, request_record::RequestRecord},
        sweep::SweepPlan,
    },
    ports::Unavailable,
};
use tables::Tables;

/// A store that forgets everything when it is dropped.
pub struct InMemoryStore {
    tables: Mutex<Tables>,
    faults: Arc<Faults>,
    plan: SweepPlan,
    slot_page_size: usize,
}

impl InMemoryStore {
    /// An empty store, with a published template, whose calls fail as `faults` say.
    pub fn new(faults: Arc<Faults>, plan: SweepPlan) -> Self {
        let mut tables = Tables::default();
        tables.template = Some(super::builders::template());
        Self {
            tables: Mutex::new(tables),
            faults,
            plan,
            slot_page_size: 2,
        }
    }

    pub fn publish(&self, template: Option<TemplateRef>) {
        self.tables().template = template;
    }

    pub fn forged_deletes(&self, id: &ConnectionId) -> u32 {
        self.tables().forged_deletes.get(id).copied().unwrap_or_default()
    }

    /// The audit log of a connection, oldest first.
    pub fn audit_log(&self, id: &ConnectionId) -> Vec<AuditEntry> {
        let tables = self.tables();
        tables
            .audit
            .get(id)
            .map(|entries| entries.values().cloned().collect())
            .unwrap_or_default()
    }

    pub fn all_connections(&self) -> Vec<Connection> {
        self.tables().connections()
    }

    pub fn all_requests(&self) -> Vec<RequestRecord> {
        self.tables().requests()
    }

    /// How many items there are, of whatever kind: what a flood must not let grow.
    pub fn item_count(&self) -> usize {
        self.tables().item_count()
    }

    /// Lets DynamoDB's time to live take a request's record.
    pub fn forget_request(&self, key: &RequestKey) {
        self.tables().forget_request(key);
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap()
    }

    fn run<T>(
        &self,
        operation: Operation,
        effect: impl FnOnce(&mut Tables) -> Result<T, Unavailable>,
    ) -> Result<T, Unavailable> {
        // The lock is taken inside: a step that comes in between may use the store itself.
        self.faults.run(operation, || effect(&mut self.tables()))?
    }
}
