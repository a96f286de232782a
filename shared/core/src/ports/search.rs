//! Connections by what people know of them.

use async_trait::async_trait;

use super::Unavailable;
use crate::domain::{
    aws::{AccountId, RoleArn},
    connection::{Connection, filing::Filing},
    ids::{ConnectionId, TenantId},
};

/// A page of a tenant's connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In the order of their ids. A page may have fewer than were asked for, or none: only a page
    /// without `next_after` is the last.
    pub connections: Vec<Connection>,
    /// The id after which the next page begins; none on the last page.
    pub next_after: Option<ConnectionId>,
}

/// Finds connections by what people know of them, however many their tenant has.
#[async_trait]
pub trait ConnectionSearch: Send + Sync {
    /// As [`ConnectionStore::list`](super::ConnectionStore::list), of those that are filed there.
    /// What was filed a moment ago may be missing, and one that was filed elsewhere a moment ago
    /// may be there: it is shown as it is now.
    async fn list_filed(
        &self,
        tenant: &TenantId,
        filing: Filing,
        members_of: Option<&ConnectionId>,
        after: Option<&ConnectionId>,
        limit: u16,
    ) -> Result<Page, Unavailable>;

    /// The tenant's connection that holds an account: it is connected to it, or is about to be.
    async fn find_by_account(
        &self,
        tenant: &TenantId,
        account: &AccountId,
    ) -> Result<Option<Connection>, Unavailable>;

    /// The connection of that id, whoever its tenant is: for the vendor alone, as are the two
    /// below.
    async fn find_by_id(&self, id: &ConnectionId) -> Result<Option<Connection>, Unavailable>;

    /// The connection of any tenant that holds a role.
    async fn find_by_role(&self, role_arn: &RoleArn) -> Result<Option<Connection>, Unavailable>;

    /// Those of all tenants that hold an account, in the order of their tenants, at most `limit` of
    /// those after `after`.
    async fn list_by_account(
        &self,
        account: &AccountId,
        after: Option<&TenantId>,
        limit: u16,
    ) -> Result<Holders, Unavailable>;
}

/// A page of the connections of all tenants to one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holders {
    /// At most one of each tenant. A page may have fewer than were asked for, or none.
    pub connections: Vec<Connection>,
    /// The tenant after which the next page begins; none on the last page.
    pub next_after: Option<TenantId>,
}
