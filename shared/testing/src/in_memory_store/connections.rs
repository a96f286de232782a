//! [`ConnectionStore`] in memory.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;
use latchkey_core::{
    domain::{
        audit::AuditEntry,
        aws::{AccountId, RoleArn, StackId},
        connection::{Connection, claims::Claim, filing::Filing, organization::Counter},
        external_id::ExternalId,
        ids::{ConnectionId, TenantId},
        request::{custom_resource::RequestKey, request_record::RequestRecord},
    },
    ports::{Change, CommitError, ConnectionSearch, ConnectionStore, Holders, Page, Unavailable},
};

use super::{
    super::faults::Operation,
    InMemoryStore,
    commit::commit,
    tables::{ConnectionKey, key},
};

/// The first `limit` of `connections`. As a DynamoDB query: a full page always says that there may be more.
fn page(mut connections: Vec<Connection>, limit: u16) -> Page {
    connections.truncate(usize::from(limit));
    let is_full = connections.len() == usize::from(limit);
    let next_after = connections
        .last()
        .filter(|_| is_full)
        .map(|last| last.id().clone());
    Page {
        connections,
        next_after,
    }
}

#[async_trait]
impl ConnectionSearch for InMemoryStore {
    async fn list_filed(
        &self,
        tenant: &TenantId,
        filing: Filing,
        members_of: Option<&ConnectionId>,
        after: Option<&ConnectionId>,
        limit: u16,
    ) -> Result<Page, Unavailable> {
        self.run(Operation::ListFiled, |tables| {
            let mut connections = tables.connections_after(tenant, members_of, after);
            connections.retain(|connection| Filing::of(connection) == Some(filing));
            Ok(page(connections, limit))
        })
    }

    async fn find_by_account(
        &self,
        tenant: &TenantId,
        account: &AccountId,
    ) -> Result<Option<Connection>, Unavailable> {
        self.run(Operation::FindByAccount, |tables| {
            let holder = tables
                .claims
                .get(&Claim::Account(tenant.clone(), account.clone()));
            Ok(holder.and_then(|key| tables.connection(key)))
        })
    }

    async fn find_by_id(&self, id: &ConnectionId) -> Result<Option<Connection>, Unavailable> {
        self.run(Operation::FindById, |tables| {
            let all = tables.connections().into_iter();
            Ok(all.into_iter().find(|connection| connection.id() == id))
        })
    }

    async fn find_by_role(&self, role_arn: &RoleArn) -> Result<Option<Connection>, Unavailable> {
        self.run(Operation::FindByRole, |tables| {
            let holder = tables.claims.get(&Claim::Role(role_arn.clone()));
            Ok(holder.and_then(|key| tables.connection(key)))
        })
    }

    async fn list_by_account(
        &self,
        account: &AccountId,
        after: Option<&TenantId>,
        limit: u16,
    ) -> Result<Holders, Unavailable> {
        self.run(Operation::ListByAccount, |tables| {
            let mut tenants: Vec<(&TenantId, &ConnectionKey)> = Vec::new();
            for (claim, key) in &tables.claims {
                match claim {
                    Claim::AccountOf(of, tenant)
                        if of == account && after.is_none_or(|after| tenant > after) =>
                    {
                        tenants.push((tenant, key));
                    }
                    _ => {}
                }
            }
            tenants.truncate(usize::from(limit));
            let is_full = tenants.len() == usize::from(limit);
            let last = tenants.last().filter(|_| is_full);
            Ok(Holders {
                next_after: last.map(|(tenant, _)| (*tenant).clone()),
                connections: tenants
                    .iter()
                    .filter_map(|(_, key)| tables.connection(key))
                    .collect(),
            })
        })
    }
}

#[async_trait]
impl ConnectionStore for InMemoryStore {
    async fn insert(&self, connection: &Connection, audit: &AuditEntry) -> Result<(), Unavailable> {
        self.run(Operation::Insert, |tables| {
            let external_id = connection.first_external_id();
            if tables.connection(&key(connection)).is_some()
                || external_id.is_some_and(|external_id| tables.external_ids.contains_key(external_id))
            {
                return Err(Unavailable::new("in_memory.insert", "an id exists"));
            }
            tables.put_connection(connection, self.plan.slot(connection));
            if let Some(external_id) = external_id {
                tables.external_ids.insert(external_id.clone(), key(connection));
            }
            tables.put_audit(connection, audit.clone());
            Ok(())
        })
    }

    async fn get(&self, tenant: &TenantId, id: &ConnectionId) -> Result<Option<Connection>, Unavailable> {
        self.run(Operation::Get, |tables| {
            Ok(tables.connection(&(tenant.clone(), id.clone())))
        })
    }

    async fn find_by_external_id(&self, external_id: &ExternalId) -> Result<Option<Connection>, Unavailable> {
        self.run(Operation::FindByExternalId, |tables| {
            let key = tables.external_ids.get(external_id);
            Ok(key.and_then(|key| tables.connection(key)))
        })
    }

    async fn list(
        &self,
        tenant: &TenantId,
        members_of: Option<&ConnectionId>,
        after: Option<&ConnectionId>,
        limit: u16,
    ) -> Result<Page, Unavailable> {
        self.run(Operation::List, |tables| {
            Ok(page(tables.connections_after(tenant, members_of, after), limit))
        })
    }

    async fn count_for(
        &self,
        organization: &ConnectionId,
        counter: Counter,
        most: u32,
    ) -> Result<bool, Unavailable> {
        self.run(Operation::CountFor, |tables| {
            let counted = tables.counted.entry((organization.clone(), counter)).or_default();
            let may_come = *counted < most;
            *counted += u32::from(may_come);
            Ok(may_come)
        })
    }

    async fn seats(&self, organization: &ConnectionId) -> Result<BTreeSet<u32>, Unavailable> {
        self.run(Operation::Seats, |tables| {
            let seat = |claim: &Claim| match claim {
                Claim::Seat(of, seat) if of == organization => Some(*seat),
                _ => None,
            };
            Ok(tables.claims.keys().filter_map(seat).collect())
        })
    }

    async fn commit(&self, change: Change<'_>) -> Result<(), CommitError> {
        self.run(Operation::Commit, |tables| Ok(commit(tables, self.plan, change)))?
            .map_err(CommitError::Conflict)
    }

    async fn find_request(&self, key: &RequestKey) -> Result<Option<RequestRecord>, Unavailable> {
        self.run(Operation::FindRequest, |tables| Ok(tables.request(key)))
    }

    async fn mark_resource_deleted(
        &self,
        stack_id: &StackId,
        logical_resource_id: &str,
        sent_at: Timestamp,
    ) -> Result<(), Unavailable> {
        self.run(Operation::MarkResourceDeleted, |tables| {
            let resource = (stack_id.clone(), logical_resource_id.to_owned());
            let deleted_at = tables.deleted.entry(resource).or_insert(i64::MIN);
            *deleted_at = (*deleted_at).max(sent_at.as_millisecond());
            Ok(())
        })
    }

    async fn count_forged_delete(&self, connection: &Connection, at: Timestamp) -> Result<(), Unavailable> {
        self.run(Operation::CountForgedDelete, |tables| {
            tables.count_forged_delete(connection, at);
            Ok(())
        })
    }

    async fn resource_deleted_since(
        &self,
        stack_id: &StackId,
        logical_resource_id: &str,
        sent_at: Timestamp,
    ) -> Result<bool, Unavailable> {
        self.run(Operation::ResourceDeletedSince, |tables| {
            let resource = (stack_id.clone(), logical_resource_id.to_owned());
            let deleted_at = tables.deleted.get(&resource);
            Ok(deleted_at.is_some_and(|deleted_at| *deleted_at >= sent_at.as_millisecond()))
        })
    }
}
