//! The accounts of an organization that share one connection: who may ask, and what concerns all of them.

use std::{future::Future, sync::Arc};

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{is_stored, retry_commit, store_event};
use crate::{
    domain::{
        audit::{Actor, AuditEntry, CallerArn},
        aws::AccountId,
        connection::{Connection, Event, Status, organization::Counter},
        external_id::ExternalId,
        ids::{ConnectionId, TenantId},
    },
    ports::{Change, Clock, ConnectionStore, Unavailable},
};

/// Members that are read at a time, if a page has room for so many.
const PAGE: u16 = 1_000;
/// Members that are changed side by side where all are.
const SIDE_BY_SIDE: usize = 16;

/// Who brings an account that is no member yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newcomer {
    /// A message that anybody may have sent: as many as a day may bring (I10).
    ByMessage,
    /// The vendor.
    ByVendor,
}

/// What becomes of an account that asks for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    /// It is stored as a member.
    New,
    /// Another of its requests came first, and may have come further: what is known is read again.
    Already,
    /// The day has brought as many as it may (I10).
    TooMany,
}

/// The members of organizations.
#[derive(Clone)]
pub struct Members {
    /// Where connections are kept.
    pub store: Arc<dyn ConnectionStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who calls the vendor's door, for the audit log; nobody at the tenant's.
    pub caller: Option<CallerArn>,
}

impl Members {
    /// The same for a caller of the vendor's door.
    #[must_use]
    pub fn by(&self, caller: Option<&CallerArn>) -> Self {
        Self {
            caller: caller.cloned(),
            ..self.clone()
        }
    }

    /// The connection that `external_id` was made for, or the member that `account` is of it. A member that was never
    /// stored is not found.
    pub async fn find(
        &self,
        external_id: &ExternalId,
        account: &AccountId,
    ) -> Result<Option<Connection>, Unavailable> {
        match self.store.find_by_external_id(external_id).await? {
            Some(found) if found.organization().is_some() => {
                self.store.get(found.tenant(), &found.id().member(account)).await
            }
            found => Ok(found),
        }
    }

    /// The member that `account` is of `found`, if that is an organization's and the account is one.
    pub async fn member(
        &self,
        found: &Connection,
        account: &AccountId,
    ) -> Result<Option<Connection>, Unavailable> {
        match found.organization() {
            Some(_) => self.store.get(found.tenant(), &found.id().member(account)).await,
            None => Ok(None),
        }
    }

    /// Stores a new member of `organization`.
    pub async fn join(
        &self,
        organization: &Connection,
        member: &Connection,
        newcomer: Newcomer,
    ) -> Result<Joined, Unavailable> {
        let now = self.clock.now();
        let actor = match newcomer {
            Newcomer::ByVendor => Actor::VendorApi,
            Newcomer::ByMessage => {
                if !self.is_counted(organization, Counter::newcomers(now)).await? {
                    return Ok(Joined::TooMany);
                }
                Actor::CustomerStack
            }
        };
        let audit = AuditEntry::new(member, actor, "created", None, now).by(self.caller.as_ref());
        match self.store.insert(member, &audit).await {
            Ok(()) => Ok(Joined::New),
            Err(error) => match self.store.get(member.tenant(), member.id()).await? {
                Some(_) => Ok(Joined::Already),
                None => Err(error),
            },
        }
    }

    /// The organization of a member; none of any other connection.
    pub async fn organization_of(&self, member: &Connection) -> Result<Option<Connection>, Unavailable> {
        match member.id().organization() {
            Some(id) => self.store.get(member.tenant(), &id).await,
            None => Ok(None),
        }
    }

    /// Counts a request of a member that is not connected. `false` where the hour has brought as many as it may (I10).
    pub async fn may_ask(&self, organization: &Connection) -> Result<bool, Unavailable> {
        self.is_counted(organization, Counter::requests(self.clock.now()))
            .await
    }

    async fn is_counted(&self, organization: &Connection, counter: Counter) -> Result<bool, Unavailable> {
        match organization.organization() {
            Some(rules) => {
                let most = rules.most_newcomers();
                self.store.count_for(organization.id(), counter, most).await
            }
            None => Ok(true),
        }
    }

    /// A free seat for `account`; none where as many as are allowed are taken. Who loses a race for one looks again.
    pub async fn free_seat(
        &self,
        organization: &Connection,
        account: &AccountId,
    ) -> Result<Option<u32>, Unavailable> {
        let Some(rules) = organization.organization() else {
            return Ok(None);
        };
        let taken = self.store.seats(organization.id()).await?;
        let free: Vec<u32> = (0..rules.max_accounts)
            .filter(|seat| !taken.contains(seat))
            .collect();
        // Spread, so that accounts that come together rarely want the same.
        let wish = account.as_str().parse::<usize>().unwrap_or_default();
        Ok(free.get(wish % free.len().max(1)).copied())
    }

    /// Every member that there is.
    pub async fn all(&self, organization: &Connection) -> Result<Vec<Connection>, Unavailable> {
        let mut members = Vec::new();
        let mut after = None;
        loop {
            let page = self
                .store
                .list(
                    organization.tenant(),
                    Some(organization.id()),
                    after.as_ref(),
                    PAGE,
                )
                .await?;
            members.extend(page.connections);
            match page.next_after {
                Some(next) => after = Some(next),
                None => return Ok(members),
            }
        }
    }

    /// Gives every live member the rotation of its organization, or takes it back. Again, it is a repetition; a member
    /// that is being changed at this moment follows with its next request.
    pub async fn follow(&self, organization: &Connection, event: &str) -> Result<(), Unavailable> {
        self.for_each(organization, |member| {
            self.follow_one(organization, member, event)
        })
        .await
    }

    async fn follow_one(
        &self,
        organization: &Connection,
        mut member: Connection,
        event: &str,
    ) -> Result<(), Unavailable> {
        retry_commit("members", async || {
            let Some(after) = member.follow(organization) else {
                return Ok(Some(()));
            };
            let now = self.clock.now();
            let change = Change::new(&member, &after)
                .audited(Actor::VendorApi, event, None, now)
                .by(self.caller.as_ref());
            if is_stored(&*self.store, change).await? {
                return Ok(Some(()));
            }
            match self.store.get(member.tenant(), member.id()).await? {
                Some(read_again) => member = read_again,
                None => return Ok(Some(())),
            }
            Ok(None)
        })
        .await
    }

    /// The same for the organization that a member is of, if it is one.
    pub async fn complete_rotation_of(&self, member: &Connection) -> Result<(), Unavailable> {
        match member.id().organization() {
            Some(organization) => self.complete_rotation(member.tenant(), &organization).await,
            None => Ok(()),
        }
    }

    /// Does the same to every member, some side by side.
    pub async fn for_each<F>(
        &self,
        organization: &Connection,
        change: impl Fn(Connection) -> F,
    ) -> Result<(), Unavailable>
    where
        F: Future<Output = Result<(), Unavailable>>,
    {
        let changes: Vec<F> = self.all(organization).await?.into_iter().map(change).collect();
        stream::iter(changes)
            .buffer_unordered(SIDE_BY_SIDE)
            .try_collect()
            .await
    }

    /// Ends the rotation of an organization once no member has the former external ID any more that is connected or about
    /// to be. It is asked for after every change of a member, and whenever somebody looks: what a crash left open is
    /// ended by the next.
    pub async fn complete_rotation(
        &self,
        tenant: &TenantId,
        organization: &ConnectionId,
    ) -> Result<(), Unavailable> {
        retry_commit("members", async || {
            let Some(organization) = self.store.get(tenant, organization).await? else {
                return Ok(Some(()));
            };
            let Some(rotation) = organization.rotation() else {
                return Ok(Some(()));
            };
            let members = self.all(&organization).await?;
            let now = self.clock.now();
            let counts = |member: &&Connection| {
                let state = member.state_at(now);
                state.live_binding().is_some() || state.status() == Status::Verifying
            };
            let mut live = members.iter().filter(counts).peekable();
            if live.peek().is_none() || live.any(|member| *member.external_id() != rotation.external_id) {
                return Ok(Some(()));
            }
            let (actor, event) = (Actor::Verification, Event::RotationCompleted);
            let done = store_event(&*self.store, &organization, event, actor, None, now).await?;
            Ok(done.map(drop))
        })
        .await
    }
}
