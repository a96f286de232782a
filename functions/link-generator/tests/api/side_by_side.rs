//! A page of organizations waits for their members together, and for not too many of them.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use jiff::Timestamp;
use latchkey_core::{
    domain::{
        audit::AuditEntry,
        aws::StackId,
        connection::{Connection, Organization, organization::Counter},
        external_id::ExternalId,
        ids::{ConnectionId, TenantId},
        request::{custom_resource::RequestKey, request_record::RequestRecord},
    },
    ports::{Change, CommitError, ConnectionStore, Page, Unavailable},
};
use latchkey_testing::in_memory_store::InMemoryStore;
use serde_json::{Value, json};

use crate::{Api, Call};

/// Lists take a while, and it is counted how many are asked for at the same time.
struct SlowLists {
    store: Arc<InMemoryStore>,
    waiting: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait::async_trait]
impl ConnectionStore for SlowLists {
    async fn list(
        &self,
        tenant: &TenantId,
        members_of: Option<&ConnectionId>,
        after: Option<&ConnectionId>,
        limit: u16,
    ) -> Result<Page, Unavailable> {
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(waiting, Ordering::Relaxed);
        tokio::task::yield_now().await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.store.list(tenant, members_of, after, limit).await
    }

    async fn insert(&self, connection: &Connection, audit: &AuditEntry) -> Result<(), Unavailable> {
        self.store.insert(connection, audit).await
    }
    async fn get(&self, tenant: &TenantId, id: &ConnectionId) -> Result<Option<Connection>, Unavailable> {
        self.store.get(tenant, id).await
    }
    async fn find_by_external_id(&self, external_id: &ExternalId) -> Result<Option<Connection>, Unavailable> {
        self.store.find_by_external_id(external_id).await
    }
    async fn count_for(&self, id: &ConnectionId, counter: Counter, most: u32) -> Result<bool, Unavailable> {
        self.store.count_for(id, counter, most).await
    }
    async fn seats(&self, organization: &ConnectionId) -> Result<BTreeSet<u32>, Unavailable> {
        self.store.seats(organization).await
    }
    async fn commit(&self, change: Change<'_>) -> Result<(), CommitError> {
        self.store.commit(change).await
    }
    async fn find_request(&self, key: &RequestKey) -> Result<Option<RequestRecord>, Unavailable> {
        self.store.find_request(key).await
    }
    async fn mark_resource_deleted(
        &self,
        stack: &StackId,
        id: &str,
        at: Timestamp,
    ) -> Result<(), Unavailable> {
        self.store.mark_resource_deleted(stack, id, at).await
    }
    async fn count_forged_delete(&self, connection: &Connection, at: Timestamp) -> Result<(), Unavailable> {
        self.store.count_forged_delete(connection, at).await
    }
    async fn resource_deleted_since(
        &self,
        stack: &StackId,
        id: &str,
        at: Timestamp,
    ) -> Result<bool, Unavailable> {
        self.store.resource_deleted_since(stack, id, at).await
    }
}

#[tokio::test]
async fn members_of_a_page_are_read_side_by_side_and_in_order() {
    /// `ORGANIZATIONS_AT_ONCE` of the page.
    const AT_ONCE: usize = 8;
    let mut api = Api::new();
    let slow = Arc::new(SlowLists {
        store: api.world.store.clone(),
        waiting: AtomicUsize::default(),
        most: AtomicUsize::default(),
    });
    api.state.members.store = slow.clone();
    for seats in 1..=20 {
        let rules = Organization::new(Some(seats), BTreeSet::new()).unwrap();
        api.world.organization("acme", rules).await;
    }
    let call = Call {
        key: "GET /v1/connections",
        ..Call::default()
    };
    let answer = api.call("acme", &call).await;
    let page: Value = serde_json::from_str(&answer.body).unwrap();
    let connections = page["connections"].as_array().unwrap();
    for (connection, seats) in connections.iter().zip(1..) {
        let organization = &connection["organization"];
        assert_eq!(organization["max_accounts"], json!(seats));
        assert_eq!(organization["accounts"]["total"], 0);
    }
    assert_eq!(connections.len(), 20);
    assert_eq!(slow.most.load(Ordering::Relaxed), AT_ONCE);
}
