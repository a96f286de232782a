//! The vendor's support and on-call look for connections, whoever their tenants are.

use std::{fmt, str::FromStr, sync::Arc};

use crate::{
    domain::{
        aws::{AccountId, RoleArn},
        connection::{Binding, Connection, Status},
        external_id::ExternalId,
        ids::{ConnectionId, TenantId},
        invalid::Invalid,
        sweep::{SweepKey, SweepPlan},
    },
    ports::{Clock, ConnectionSearch, ConnectionStore, SweepIndex, Unavailable},
};

/// Slots of degraded connections that are read for one page: a look takes less than a second.
const MAX_SLOTS: u32 = 60;

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sought {
    /// The connection of an id; a member has one as well.
    Id(ConnectionId),
    /// The connection that an external ID was ever made for.
    ExternalId(ExternalId),
    /// The connection that holds a role.
    Role(RoleArn),
    /// Those that are connected to an account.
    Account(AccountId),
    /// All that are degraded.
    Degraded,
}

/// Where a further page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// After a tenant's connection to the account.
    Tenant(TenantId),
    /// In a slot of degraded connections, after one of them if any.
    Slot(u32, Option<SweepKey>),
}

impl Position {
    /// Whether it is one of a search for this.
    pub fn is_of(&self, sought: &Sought) -> bool {
        matches!(
            (self, sought),
            (Self::Tenant(_), Sought::Account(_)) | (Self::Slot(..), Sought::Degraded)
        )
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant(tenant) => write!(f, "t:{tenant}"),
            Self::Slot(slot, None) => write!(f, "s:{slot}"),
            // A tenant may hold a colon, and comes last.
            Self::Slot(slot, Some(key)) => write!(f, "s:{slot}:{}:{}", key.connection_id, key.tenant),
        }
    }
}

impl FromStr for Position {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new("after", "must be the `next_after` of an earlier page");
        if let Some(tenant) = text.strip_prefix("t:") {
            return Ok(Self::Tenant(TenantId::parse(tenant)?));
        }
        let rest = text.strip_prefix("s:").ok_or_else(invalid)?;
        let mut parts = rest.splitn(3, ':');
        let slot = parts.next().unwrap_or_default().parse().map_err(|_| invalid())?;
        let key = match (parts.next(), parts.next()) {
            (None, _) => None,
            (Some(id), Some(tenant)) => Some(SweepKey {
                tenant: TenantId::parse(tenant)?,
                connection_id: ConnectionId::parse(id)?,
            }),
            (Some(_), None) => return Err(invalid()),
        };
        Ok(Self::Slot(slot, key))
    }
}

/// A page of what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// A page may have fewer than were asked for, or none: only one without `next` is the last.
    pub connections: Vec<Connection>,
    /// Where the next page begins; none on the last.
    pub next: Option<Position>,
}

/// Looks over all tenants.
pub struct SearchAllTenants {
    /// Where connections are kept.
    pub store: Arc<dyn ConnectionStore>,
    /// By what they are found.
    pub search: Arc<dyn ConnectionSearch>,
    /// Where degraded ones are found.
    pub index: Arc<dyn SweepIndex>,
    /// How the index is cut.
    pub plan: SweepPlan,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl SearchAllTenants {
    /// A page of what is sought, at most `limit`. A position of another search is as if it were of
    /// this one's beginning.
    pub async fn run(
        &self,
        sought: &Sought,
        after: Option<Position>,
        limit: u16,
    ) -> Result<Found, Unavailable> {
        let found = match sought {
            Sought::Id(id) => self.search.find_by_id(id).await?,
            Sought::ExternalId(external_id) => self.store.find_by_external_id(external_id).await?,
            Sought::Role(role_arn) => {
                let found = self.search.find_by_role(role_arn).await?;
                found.filter(|connection| is_bound(connection, |bound| bound.role_arn == *role_arn))
            }
            Sought::Account(account) => return self.of_account(account, after, limit).await,
            Sought::Degraded => return self.degraded(after, limit).await,
        };
        Ok(Found {
            connections: found.into_iter().collect(),
            next: None,
        })
    }

    async fn of_account(
        &self,
        account: &AccountId,
        after: Option<Position>,
        limit: u16,
    ) -> Result<Found, Unavailable> {
        let after = match after {
            Some(Position::Tenant(tenant)) => Some(tenant),
            _ => None,
        };
        let page = self
            .search
            .list_by_account(account, after.as_ref(), limit)
            .await?;
        let mut connections = page.connections;
        connections.retain(|connection| is_bound(connection, |bound| bound.account() == *account));
        Ok(Found {
            connections,
            next: page.next_after.map(Position::Tenant),
        })
    }

    /// By slots, and in the order of ids in each. The index may be a second behind: what it has is
    /// read as it is now.
    async fn degraded(&self, after: Option<Position>, limit: u16) -> Result<Found, Unavailable> {
        let (mut number, mut key) = match after {
            Some(Position::Slot(slot, key)) => (slot, key),
            _ => (0, None),
        };
        let now = self.clock.now();
        let mut connections = Vec::new();
        let last = number.saturating_add(MAX_SLOTS);
        while let Some(slot) = self.plan.degraded_slot(number).filter(|_| number < last) {
            let page = self.index.slot_page(&slot, key.clone()).await?;
            for member in &page.members {
                if connections.len() == usize::from(limit) {
                    return Ok(Found {
                        connections,
                        next: Some(Position::Slot(number, key)),
                    });
                }
                let found = self.store.get(&member.tenant, &member.connection_id).await?;
                connections.extend(found.filter(|found| found.status(now) == Status::Degraded));
                key = Some(member.key());
            }
            if !page.has_more || page.members.is_empty() {
                (number, key) = (number + 1, None);
            }
        }
        let next = self
            .plan
            .degraded_slot(number)
            .map(|_| Position::Slot(number, None));
        Ok(Found { connections, next })
    }
}

/// Whether a connection is bound as it is sought: what an unsettled first registration claims may
/// be forged, and what was read after its claim may be gone.
fn is_bound(connection: &Connection, as_sought: impl Fn(&Binding) -> bool) -> bool {
    let binding = connection.live_binding();
    binding.is_some_and(|binding| as_sought(binding) && !binding.is_unsettled_first_registration())
}
