//! The vendor names a role that the customer made by hand: the same proof as for a stack's.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    is_stored,
    members::{Joined, Members, Newcomer},
    retry_commit,
};
use crate::{
    domain::{
        audit::{Actor, CallerArn},
        aws::{AccountId, RoleArn},
        connection::{Connection, Event, State},
        ids::{ConnectionId, TenantId},
        invalid::Invalid,
        proof::reason::{Reason, ReasonCode},
        request::{
            admission::{Admitted, Asked, Facts, NotAdmitted, decide},
            custom_resource::RequestKey,
            request_record::RequestRecord,
        },
    },
    ports::{
        Change, Clock, ConnectionStore, IdSource, RequestChange, Unavailable, VerificationQueue,
        VerificationTask,
    },
};

/// Takes roles that were made by hand.
#[derive(Clone)]
pub struct RegisterByHand {
    /// Where connections and requests are kept.
    pub store: Arc<dyn ConnectionStore>,
    /// Where verifications wait.
    pub queue: Arc<dyn VerificationQueue>,
    /// The accounts of an organization.
    pub members: Members,
    /// Names requests.
    pub ids: Arc<dyn IdSource>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Our own account, which nobody can connect.
    pub vendor_account: AccountId,
    /// How long a role may take to become assumable, in seconds.
    pub patience_seconds: i64,
    /// Who calls the vendor's door, for the audit log; nobody at the tenant's.
    pub caller: Option<CallerArn>,
}

/// Why a role was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ByHandError {
    /// The tenant has no such connection (I8).
    #[error("there is no such connection")]
    NotFound,
    /// What is connected came with a stack, which would put its own role back.
    #[error("this connection belongs to a stack; the customer changes its role by updating that stack")]
    OfAStack,
    /// The connection does not take this role.
    #[error("{}", .0.message())]
    Refused(Reason),
    /// A service of ours could not be used.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl RegisterByHand {
    /// The same for a caller of the vendor's door.
    #[must_use]
    pub fn by(&self, caller: Option<&CallerArn>) -> Self {
        Self {
            caller: caller.cloned(),
            members: self.members.by(caller),
            ..self.clone()
        }
    }

    /// Has a role verified for a tenant's connection, or for the member that the role's account is of an organization's.
    /// The connection that comes back is being verified; the same role again goes on where it was left.
    pub async fn run(
        &self,
        tenant: &TenantId,
        id: &ConnectionId,
        role_arn: &RoleArn,
    ) -> Result<Connection, ByHandError> {
        retry_commit("register_by_hand", async || {
            let facts = self.gather(tenant, id, role_arn).await?;
            let now = self.clock.now();
            let key = RequestKey {
                stack_id: None,
                request_id: self.ids.connection_id().to_string(),
            };
            match self.decide(&facts, id, &key, role_arn, now)? {
                Decided::UnderWay(connection) => Ok(Some(*connection)),
                Decided::Admitted(admitted) => self.act(&facts, *admitted, key, role_arn, now).await,
            }
        })
        .await
    }

    /// Reads what is known: the connection or, where it is a member's or an organization's, both.
    async fn gather(
        &self,
        tenant: &TenantId,
        id: &ConnectionId,
        role_arn: &RoleArn,
    ) -> Result<Facts, ByHandError> {
        let named = self.store.get(tenant, id).await?.ok_or(ByHandError::NotFound)?;
        // Named by its own id, a member is still one of its organization's.
        let found = self.members.organization_of(&named).await?.unwrap_or(named);
        Ok(Facts {
            member: self.members.member(&found, &role_arn.account()).await?,
            found,
            resource_deleted: false,
        })
    }

    /// Whether the role is taken for the connection that is named `id`.
    fn decide(
        &self,
        facts: &Facts,
        id: &ConnectionId,
        key: &RequestKey,
        role_arn: &RoleArn,
        now: Timestamp,
    ) -> Result<Decided, ByHandError> {
        self.check(&facts.found, role_arn)?;
        let asked = Asked {
            key,
            role_arn,
            stack: None,
            sent_at: now,
        };
        let member = facts.found.id().member(&role_arn.account());
        let is_members = facts.found.organization().is_some();
        if facts.found.id() != id && !(is_members && member == *id) {
            return Err(refused(ReasonCode::AccountMismatch));
        }
        let connection = facts.member.as_ref().unwrap_or(&facts.found);
        match decide(facts, &asked, now) {
            Err(NotAdmitted::Refused(code)) => Err(refused(code)),
            _ if is_under_way(connection, role_arn, now) => {
                let following = connection.clone().following(&facts.found);
                Ok(Decided::UnderWay(Box::new(following)))
            }
            Ok(admitted) => Ok(Decided::Admitted(Box::new(admitted))),
            Err(NotAdmitted::RefusedByState(connection, code)) => {
                let bound = connection.live_binding();
                match bound.is_some_and(|bound| bound.stack_id().is_some()) {
                    true => Err(ByHandError::OfAStack),
                    false => Err(refused(code)),
                }
            }
            Err(NotAdmitted::Illegal(error)) => Err(Unavailable::new("register_by_hand", error).into()),
        }
    }

    /// Queues the verification and records the request. `None` where another writer came first.
    async fn act(
        &self,
        facts: &Facts,
        admitted: Admitted,
        key: RequestKey,
        role_arn: &RoleArn,
        now: Timestamp,
    ) -> Result<Option<Connection>, ByHandError> {
        let Admitted {
            before,
            after,
            is_new,
            ..
        } = admitted;
        if is_new {
            match self
                .members
                .join(&facts.found, &before, Newcomer::ByVendor)
                .await?
            {
                Joined::New => {}
                Joined::Already => return Ok(None),
                Joined::TooMany => return Err(refused(ReasonCode::TooManyRequests)),
            }
        }
        let record = RequestRecord::by_hand(&after, role_arn.clone(), key, now, self.patience_seconds);
        // First the queue, then the record, as for a stack's request.
        let task = VerificationTask::Request {
            key: record.key.clone(),
        };
        self.queue.send(&[task], 0).await?;
        let (actor, event) = (Actor::VendorApi, Event::ATTEMPT_STARTED);
        let change = Change::new(&before, &after)
            .audited(actor, event, Some(&record.key), now)
            .by(self.caller.as_ref())
            .with_request(RequestChange::Record(&record));
        Ok(is_stored(&*self.store, change).await?.then_some(after))
    }

    /// What the role itself says (I2).
    fn check(&self, connection: &Connection, role_arn: &RoleArn) -> Result<(), ByHandError> {
        if role_arn.account() == self.vendor_account {
            return Err(refused(ReasonCode::VendorAccount));
        }
        if role_arn.partition() != connection.launch_region().partition() {
            let invalid = Invalid::new("RoleArn", "is in another partition than the connection");
            return Err(ByHandError::Refused(invalid.into()));
        }
        Ok(())
    }
}

enum Decided {
    UnderWay(Box<Connection>),
    Admitted(Box<Admitted>),
}

/// Whether this very role is being verified already.
fn is_under_way(connection: &Connection, role_arn: &RoleArn, now: Timestamp) -> bool {
    matches!(
        &connection.state_at(now),
        State::Verifying { attempt }
            if attempt.request.stack_id.is_none() && attempt.role_arn == *role_arn
    )
}

fn refused(code: ReasonCode) -> ByHandError {
    ByHandError::Refused(code.into())
}
