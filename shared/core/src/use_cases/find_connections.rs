//! People look for connections: all, those of a status, of an organization, the one of an account.

use std::sync::Arc;

use crate::{
    domain::{
        aws::AccountId,
        connection::{Connection, Status, filing::Filing},
        ids::{ConnectionId, TenantId},
    },
    ports::{Clock, ConnectionSearch, ConnectionStore, Page, Unavailable},
};

/// How often another page is read while none of one has the status that is asked for, as where a tenant has many more
/// expired links than pending ones. Then the caller goes on, from a page without connections.
const MAX_PAGES: usize = 10;
/// How many of a file are read at a time, however many are asked for: DynamoDB's limit on the items of a batch.
const FILE_PAGE: u16 = 100;

/// What is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Only members of this organization.
    pub members_of: Option<ConnectionId>,
    /// Only accounts with this status: an organization's follows from that of its accounts.
    pub status: Option<Status>,
    /// Only the connection that this account is connected to. Links that were made for it and what has ended are not found.
    pub account: Option<AccountId>,
}

impl Wanted {
    fn is_found_in(&self, connection: &Connection, now: jiff::Timestamp) -> bool {
        let is_of =
            |organization: &ConnectionId| connection.id().organization().as_ref() == Some(organization);
        let has = |status: &Status| connection.organization().is_none() && connection.status(now) == *status;
        self.members_of.as_ref().is_none_or(is_of) && self.status.as_ref().is_none_or(has)
    }
}

/// The tenant's connection that an account is connected to.
pub(super) async fn holder(
    search: &dyn ConnectionSearch,
    tenant: &TenantId,
    account: &AccountId,
) -> Result<Option<Connection>, Unavailable> {
    // What an unsettled first registration claims may be forged, and what was read after its claim
    // may be gone.
    let holds = |connection: &Connection| {
        let binding = connection.live_binding();
        binding.is_some_and(|it| it.account() == *account && !it.is_unsettled_first_registration())
    };
    let found = search.find_by_account(tenant, account).await?;
    Ok(found.filter(holds))
}

/// Finds a tenant's connections.
pub struct FindConnections {
    /// Where all of a tenant's are.
    pub store: Arc<dyn ConnectionStore>,
    /// Where some of them are found without the others.
    pub search: Arc<dyn ConnectionSearch>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl FindConnections {
    /// A page of what is wanted: at most `limit` connections after `after`. However many a tenant has, little more is read
    /// than shown, but for links: those that wait and those that time has ended are in one file.
    pub async fn run(
        &self,
        tenant: &TenantId,
        wanted: &Wanted,
        after: Option<&ConnectionId>,
        limit: u16,
    ) -> Result<Page, Unavailable> {
        let now = self.clock.now();
        if let Some(account) = &wanted.account {
            let holder = holder(&*self.search, tenant, account).await?;
            let is_asked_for = |connection: &Connection| {
                wanted.is_found_in(connection, now) && after.is_none_or(|after| connection.id() > after)
            };
            return Ok(Page {
                connections: holder.into_iter().filter(is_asked_for).collect(),
                next_after: None,
            });
        }
        let members_of = wanted.members_of.as_ref();
        let Some(status) = wanted.status else {
            return self.store.list(tenant, members_of, after, limit).await;
        };
        let filing = Filing::holding(status);
        let mut page = Page {
            connections: Vec::new(),
            next_after: after.cloned(),
        };
        for _ in 0..MAX_PAGES {
            let from = page.next_after.as_ref();
            page = self
                .search
                .list_filed(tenant, filing, members_of, from, FILE_PAGE)
                .await?;
            page.connections
                .retain(|connection| wanted.is_found_in(connection, now));
            if page.connections.len() > usize::from(limit) {
                page.connections.truncate(usize::from(limit));
                page.next_after = page.connections.last().map(|last| last.id().clone());
            }
            if !page.connections.is_empty() || page.next_after.is_none() {
                break;
            }
        }
        Ok(page)
    }
}
