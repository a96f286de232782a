//! A live connection is looked at again: a role that was deleted or loosened is noticed, a repaired one too.

use std::sync::Arc;

use super::{
    is_stored,
    last_verified::LastVerified,
    members::Members,
    probe_role::{Finding, ProbeRole},
    retry_commit, store_event,
};
use crate::{
    domain::{
        audit::{Actor, rotation_event},
        connection::{Connection, Event, Status},
        ids::{ConnectionId, TenantId},
        proof::{
            reason::ReasonCode,
            verdict::{Cause, Verdict},
        },
    },
    ports::{Change, Clock, ConnectionStore, Unavailable},
};

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rechecked {
    /// The connection stands here now.
    Stands(Status),
    /// It was active, is proven again, and nothing else is known of it than before: nothing was stored.
    AsItWas,
    /// Nothing can be said, and nothing was changed.
    Inconclusive(Cause),
    /// There is nothing to check: it ended, or was never proven.
    NotLive,
}

impl Rechecked {
    /// Its stable name in logs and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::Stands(status) => status.as_str(),
            Self::AsItWas => "as_it_was",
            Self::Inconclusive(_) => "inconclusive",
            Self::NotLive => "not_live",
        }
    }

    /// Why nothing can be said, if so.
    pub fn cause(self) -> Option<Cause> {
        match self {
            Self::Inconclusive(cause) => Some(cause),
            Self::Stands(_) | Self::AsItWas | Self::NotLive => None,
        }
    }
}

/// Checks live connections.
pub struct RecheckRole {
    /// Where connections are kept.
    pub store: Arc<dyn ConnectionStore>,
    /// Tries the role.
    pub probes: Arc<ProbeRole>,
    /// When untroubled connections were last verified.
    pub verified: LastVerified,
    /// The accounts of an organization.
    pub members: Members,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl RecheckRole {
    /// Checks one connection and stores what was found, be it only the time.
    pub async fn run(&self, tenant: &TenantId, id: &ConnectionId) -> Result<Rechecked, Unavailable> {
        self.check(tenant, id, true).await
    }

    /// The same in a sweep, whose ledger has the time: only news are stored.
    pub async fn run_in_sweep(&self, tenant: &TenantId, id: &ConnectionId) -> Result<Rechecked, Unavailable> {
        self.check(tenant, id, false).await
    }

    async fn check(
        &self,
        tenant: &TenantId,
        id: &ConnectionId,
        stores_time: bool,
    ) -> Result<Rechecked, Unavailable> {
        retry_commit("recheck_role", async || {
            let Some(before) = self.store.get(tenant, id).await? else {
                return Ok(Some(Rechecked::NotLive));
            };
            let Some(rechecked) = self.check_once(&before, stores_time).await? else {
                return Ok(None);
            };
            // The rotation of an organization is over once all of its members have moved, also where nobody was told: a
            // verification that held it up ran out, or what should have ended it broke off. A live member that has yet
            // to move tells without a look at the others that it is not.
            let has_ended = matches!(
                rechecked,
                Rechecked::Stands(Status::Pending | Status::Disconnected)
            );
            if before.rotation().is_none() || has_ended {
                self.members.complete_rotation_of(&before).await?;
            }
            Ok(Some(rechecked))
        })
        .await
    }

    /// `None` where another writer came first.
    async fn check_once(
        &self,
        before: &Connection,
        stores_time: bool,
    ) -> Result<Option<Rechecked>, Unavailable> {
        let current = before.state_at(self.clock.now());
        if let Some(unfinished) = before.live_binding().filter(|_| current != *before.state()) {
            // Never settled: written down, so that it holds its account and role no longer.
            let request = unfinished.request.clone();
            let event = Event::AnswerRefused {
                request: request.clone(),
            };
            let (actor, now) = (Actor::Verification, self.clock.now());
            let stored = store_event(&*self.store, before, event, actor, Some(&request), now).await?;
            return Ok(stored.map(|after| Rechecked::Stands(after.state().status())));
        }
        // One that waits for its stack's bucket to take our SUCCESS is looked at when that is settled.
        let settled = before
            .live_binding()
            .filter(|binding| binding.unsettled.is_none());
        let Some(binding) = settled else {
            return Ok(Some(Rechecked::NotLive));
        };
        let finding = self.probes.run_bound(before, binding).await?;
        if !stores_time && is_no_news(before, &finding) {
            return Ok(Some(Rechecked::AsItWas));
        }
        let event = match finding.verdict {
            Verdict::Proven(proof) => Event::CheckPassed(proof),
            Verdict::Unsafe(reason) | Verdict::Unfit(reason) => Event::CheckFailed(reason),
            // Its stack was deleted, in a message that did not name the resource as we know it.
            Verdict::NotAssumable if binding.deletion_seen_at.is_some() => {
                Event::Disconnected(ReasonCode::StackDeleted.into())
            }
            Verdict::NotAssumable => Event::CheckFailed(binding.refused_for(self.clock.now()).into()),
            Verdict::Inconclusive(cause) => return Ok(Some(Rechecked::Inconclusive(cause))),
        };
        let name = event.name();
        let is_proven = matches!(event, Event::CheckPassed(_));
        // The last time that it was well, which so far only the ledger may know, is written down with the trouble.
        let seen = match &event {
            Event::CheckFailed(_) => self.verified.complete(before.clone()).await?,
            _ => before.clone(),
        };
        let now = self.clock.now();
        let after = seen
            .apply(event, now)
            .map_err(|error| Unavailable::new("recheck_role", error))?;
        let after = match finding.permissions {
            Some(report) => after.with_permissions(report),
            None => after,
        };
        let after = match finding.trust {
            Some(report) => after.with_trust(report),
            None => after,
        };
        // A rotation whose stack came long ago is over once its role refuses the former external
        // ID.
        let after = match is_proven && before.takes_both() {
            true => after.with_former_taken(finding.takes_former),
            false => after,
        };
        let rotated = rotation_event(before, &after);
        let news = after.state().status() != before.state().status() || after.reason() != before.reason();
        let mut change = Change::new(before, &after);
        if news || rotated.is_some() {
            let name = rotated.unwrap_or(name);
            change = change.audited(Actor::Verification, name, None, now);
        }
        let stored = is_stored(&*self.store, change).await?;
        if rotated.is_some() && stored {
            self.members.complete_rotation_of(before).await?;
        }
        Ok(stored.then(|| Rechecked::Stands(after.state().status())))
    }
}

/// Whether an active connection is proven again and nothing about it has changed.
fn is_no_news(before: &Connection, finding: &Finding) -> bool {
    let Some(binding) = before.live_binding() else {
        return false;
    };
    let same_permissions = match (&binding.permissions, &finding.permissions) {
        (_, None) => true,
        (Some(known), Some(found)) => known.says_the_same_as(found),
        (None, Some(_)) => false,
    };
    let same_trust = match (&binding.trust, &finding.trust) {
        (_, None) => true,
        (Some(known), Some(found)) => known.says_the_same_as(found),
        (None, Some(_)) => false,
    };
    matches!(finding.verdict, Verdict::Proven(_))
        && before.state().status() == Status::Active
        && binding.deletion_seen_at.is_none()
        && binding.takes_former == finding.takes_former
        && same_permissions
        && same_trust
}
