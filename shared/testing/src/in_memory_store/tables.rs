//! What is kept. Connections and requests are kept as text, as a table keeps them: what does not survive being
//! written and read does not survive here.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use latchkey_core::domain::{
    audit::{Actor, AuditEntry, FORGED_DELETE_EVENT},
    aws::StackId,
    connection::{Connection, TemplateRef, claims::Claim, organization::Counter},
    external_id::ExternalId,
    ids::{ConnectionId, TenantId},
    listener_access::{Grant, KnownTopics},
    request::{custom_resource::RequestKey, request_record::RequestRecord},
    sweep::{Cursor, Member},
    template_version::PublishedVersion,
};
use serde::{Serialize, de::DeserializeOwned};

pub(super) type ConnectionKey = (TenantId, ConnectionId);

type AuditOrder = (i64, u64, String, String);

#[derive(Default)]
pub(super) struct Tables {
    connections: BTreeMap<ConnectionKey, String>,
    pub external_ids: HashMap<ExternalId, ConnectionKey>,
    requests: HashMap<RequestKey, String>,
    /// When the Delete of a resource was sent, in milliseconds since the epoch.
    pub deleted: HashMap<(StackId, String), i64>,
    /// Who holds which account, role and seat.
    pub claims: BTreeMap<Claim, ConnectionKey>,
    pub counted: BTreeMap<(ConnectionId, Counter), u32>,
    /// By time, version, event and request, as the sort key of the table is.
    pub audit: BTreeMap<ConnectionId, BTreeMap<AuditOrder, AuditEntry>>,
    pub forged_deletes: BTreeMap<ConnectionId, u32>,
    /// The sweep index: what it knows of a connection, by slot and id.
    pub slots: BTreeMap<String, BTreeMap<ConnectionId, Member>>,
    pub cursor: Cursor,
    /// By slot and generation: the tick, and the chunks by their first connection.
    pub ledger: BTreeMap<(String, i64), (i64, BTreeMap<ConnectionId, String>)>,
    pub template: Option<TemplateRef>,
    pub versions: Vec<PublishedVersion>,
    pub grants: Vec<Grant>,
    pub known_topics: Option<KnownTopics>,
}

impl Tables {
    pub fn connection(&self, key: &ConnectionKey) -> Option<Connection> {
        self.connections.get(key).map(|text| read(text))
    }

    pub fn connections(&self) -> Vec<Connection> {
        self.connections.values().map(|text| read(text)).collect()
    }

    pub fn connections_after(
        &self,
        tenant: &TenantId,
        members_of: Option<&ConnectionId>,
        after: Option<&ConnectionId>,
    ) -> Vec<Connection> {
        let is_wanted = |id: &ConnectionId| {
            after.is_none_or(|after| id > after)
                && members_of.is_none_or(|organization| id.organization().as_ref() == Some(organization))
        };
        self.connections
            .iter()
            .filter(|((owner, id), _)| owner == tenant && is_wanted(id))
            .map(|(_, text)| read(text))
            .collect()
    }

    pub fn put_connection(&mut self, connection: &Connection, slot: Option<String>) {
        let key = key(connection);
        self.connections.insert(key, write(connection));
        for members in self.slots.values_mut() {
            members.remove(connection.id());
        }
        if let Some(slot) = slot {
            let members = self.slots.entry(slot).or_default();
            members.insert(connection.id().clone(), Member::of(connection));
        }
    }

    pub fn request(&self, key: &RequestKey) -> Option<RequestRecord> {
        self.requests.get(key).map(|text| read(text))
    }

    pub fn requests(&self) -> Vec<RequestRecord> {
        self.requests.values().map(|text| read(text)).collect()
    }

    pub fn put_request(&mut self, record: &RequestRecord) {
        self.requests.insert(record.key.clone(), write(record));
    }

    pub fn forget_request(&mut self, key: &RequestKey) {
        self.requests.remove(key);
    }

    pub fn put_audit(&mut self, connection: &Connection, entry: AuditEntry) {
        let request = entry.request.as_ref().map(|key| key.request_id.clone());
        let order = (
            entry.at.as_millisecond(),
            connection.version(),
            entry.event.clone(),
            request.unwrap_or_default(),
        );
        self.audit
            .entry(connection.id().clone())
            .or_default()
            .insert(order, entry);
    }

    /// One entry a day, that counts.
    pub fn count_forged_delete(&mut self, connection: &Connection, at: Timestamp) {
        const DAY_SECONDS: i64 = 24 * 3_600;
        let midnight = at.as_second().div_euclid(DAY_SECONDS) * DAY_SECONDS;
        let entry = AuditEntry {
            at,
            actor: Actor::Unknown,
            caller: None,
            event: FORGED_DELETE_EVENT.to_owned(),
            status: connection.state().status(),
            reason: None,
            request: None,
        };
        let order = (midnight * 1_000, 0, entry.event.clone(), String::new());
        let id = connection.id();
        self.audit.entry(id.clone()).or_default().insert(order, entry);
        *self.forged_deletes.entry(id.clone()).or_default() += 1;
    }

    pub fn item_count(&self) -> usize {
        let audit: usize = self.audit.values().map(BTreeMap::len).sum();
        self.connections.len()
            + self.external_ids.len()
            + self.requests.len()
            + self.deleted.len()
            + self.claims.len()
            + self.counted.len()
            + audit
    }
}

pub(super) fn key(connection: &Connection) -> ConnectionKey {
    (connection.tenant().clone(), connection.id().clone())
}

pub(super) fn write(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

pub(super) fn read<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap()
}
