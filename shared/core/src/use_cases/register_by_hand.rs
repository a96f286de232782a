//! The vendor names a role that the customer made by hand: the same proof as for a stack's.

use std::sync::Arc;

use super::{
    MAX_COMMIT_TRIES, contended,
    members::{Members, Newcomer},
};
use crate::{
    domain::{
        audit::{Actor, AuditEntry},
        aws::{AccountId, RoleArn},
        connection::{Attempt, Connection, Event, State},
        ids::{ConnectionId, TenantId},
        invalid::Invalid,
        proof::reason::{Reason, ReasonCode},
        request::{admission::admit_by_hand, request_record::RequestRecord},
    },
    ports::{
        Change, Clock, ConnectionStore, IdSource, RequestChange, Unavailable, VerificationQueue,
        VerificationTask,
    },
};

/// Takes roles that were made by hand.
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
    /// Has a role verified for a tenant's connection, or for the member that the role's account is of an organization's.
    /// The connection that comes back is being verified; the same role again goes on where it was left.
    pub async fn run(
        &self,
        tenant: &TenantId,
        id: &ConnectionId,
        role_arn: &RoleArn,
    ) -> Result<Connection, ByHandError> {
        for _ in 0..MAX_COMMIT_TRIES {
            let found = self.store.get(tenant, id).await?.ok_or(ByHandError::NotFound)?;
            self.check(&found, role_arn)?;
            let account = role_arn.account();
            // Named by its own id, a member is still one of its organization's.
            let found = self.members.organization_of(&found).await?.unwrap_or(found);
            let stored = self
                .members
                .admit(&found, &account, Newcomer::ByVendor)
                .await?
                .map_err(refused)?
                .filter(|stored| found.id == *id || stored.id == *id)
                .ok_or_else(|| refused(ReasonCode::AccountMismatch))?;
            let connection = stored
                .asked_again(&found, self.clock.now())
                .map_err(|error| Unavailable::new("register_by_hand", error))?;
            if self.is_under_way(&connection, role_arn) {
                return Ok(connection);
            }
            let now = self.clock.now();
            let request_id = self.ids.connection_id().to_string();
            let record = RequestRecord::by_hand(
                &connection,
                role_arn.clone(),
                request_id,
                now,
                self.patience_seconds,
            );
            let is_stacks = connection
                .live_binding()
                .is_some_and(|binding| binding.stack_id().is_some());
            if is_stacks {
                return Err(ByHandError::OfAStack);
            }
            let admission =
                admit_by_hand(&connection, &account, &record.external_id, now).map_err(refused)?;
            let spent = admission.spend(&connection, now).map_err(refused)?;
            let attempt = Attempt {
                request: record.key.clone(),
                role_arn: role_arn.clone(),
                started_at: now,
            };
            let after = admission
                .start(spent, attempt, now)
                .map_err(|error| Unavailable::new("register_by_hand", error))?;
            let name = Event::ATTEMPT_STARTED;
            let audit = AuditEntry::new(&after, Actor::VendorApi, name, Some(&record.key), now);
            let change = Change {
                before: &stored,
                after: &after,
                request: Some(RequestChange::Record(&record)),
                audit: Some(audit),
            };
            // First the queue, then the record, as for a stack's request.
            let task = VerificationTask::Request {
                key: record.key.clone(),
            };
            self.queue.send(&[task], 0).await?;
            if self.store.commit(change).await?.is_ok() {
                return Ok(after);
            }
        }
        Err(contended("register_by_hand").into())
    }

    /// What the role itself says (I2).
    fn check(&self, connection: &Connection, role_arn: &RoleArn) -> Result<(), ByHandError> {
        if role_arn.account() == self.vendor_account {
            return Err(refused(ReasonCode::VendorAccount));
        }
        if role_arn.partition() != connection.launch_region.partition() {
            let invalid = Invalid::new("RoleArn", "is in another partition than the connection");
            return Err(ByHandError::Refused(invalid.into()));
        }
        Ok(())
    }

    /// Whether this very role is being verified already.
    fn is_under_way(&self, connection: &Connection, role_arn: &RoleArn) -> bool {
        let state = connection.state_at(self.clock.now());
        matches!(
            &state,
            State::Verifying { attempt }
                if attempt.request.stack_id.is_none() && attempt.role_arn == *role_arn
        )
    }
}

fn refused(code: ReasonCode) -> ByHandError {
    ByHandError::Refused(code.into())
}
