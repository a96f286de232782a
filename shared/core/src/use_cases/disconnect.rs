//! A connection ends: the customer deletes the stack, or the vendor removes the connection.

use std::sync::Arc;

use jiff::Timestamp;

use super::{answer_stack::AnswerStack, is_stored, members::Members, retry_commit, store_event};
use crate::{
    domain::{
        audit::{Actor, CallerArn},
        connection::{Binding, Connection, Deletion, Event, Status},
        external_id::ExternalId,
        ids::{ConnectionId, TenantId},
        proof::reason::ReasonCode,
        request::custom_resource::{Envelope, Outcome, RequestKey},
    },
    ports::{Change, Clock, ConnectionStore, Delivery, Unavailable, VerificationQueue, VerificationTask},
};

/// How long after a Delete that leaves a connection alone its role is looked at, in seconds: the role goes after
/// the custom resource, and a check too early would still find it.
pub const RECHECK_AFTER_DELETE_SECONDS: u16 = 60;

/// What a Delete did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It ended the connection.
    Disconnected,
    /// It rolled an update back: what that had replaced is connected again.
    Restored,
    /// It is CloudFormation's, and concerns no live connection: a rollback, a replaced resource, an old stack.
    LeftAlone,
    /// CloudFormation's bucket refused our answer: it was not CloudFormation's, or came too late.
    NotFromCloudFormation,
}

impl Deleted {
    /// Its stable name in logs and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Restored => "restored",
            Self::LeftAlone => "left_alone",
            Self::NotFromCloudFormation => "not_from_cloudformation",
        }
    }
}

/// Takes Delete requests.
pub struct DisconnectByStack {
    /// Where connections are kept.
    pub store: Arc<dyn ConnectionStore>,
    /// Where verifications wait.
    pub queue: Arc<dyn VerificationQueue>,
    /// Tells the stack.
    pub answers: Arc<AnswerStack>,
    /// Whom an external ID stands for that many accounts share.
    pub members: Members,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl DisconnectByStack {
    /// Answers SUCCESS, always, so that no stack is ever stuck on us; and ends the connection only if it is the one
    /// that the Delete names *and* the bucket took the answer (I6). Delivered again, it does the same again.
    pub async fn run(&self, envelope: &Envelope, sent_at: Timestamp) -> Result<Deleted, Unavailable> {
        let delivery = self.answers.answer(envelope, &Outcome::Deleted).await?;
        let Some(external_id) = envelope.external_id() else {
            return Ok(match delivery {
                Delivery::Accepted => Deleted::LeftAlone,
                Delivery::Refused => Deleted::NotFromCloudFormation,
            });
        };
        if delivery == Delivery::Refused {
            return self.report_forgery(envelope, &external_id).await;
        }
        // Whether or not its account is a member yet: its Create may still be on its way.
        if self.store.find_by_external_id(&external_id).await?.is_none() {
            return Ok(Deleted::LeftAlone);
        }
        // First the mark, then the look at the connection: a Create that is proven at this moment either meets the
        // mark, or is seen below.
        self.store
            .mark_resource_deleted(&envelope.stack_id, &envelope.logical_resource_id, sent_at)
            .await?;
        retry_commit("disconnect", async || {
            let Some(connection) = self.find(envelope, &external_id).await? else {
                return Ok(Some(Deleted::LeftAlone));
            };
            let means = connection.deletion(
                &envelope.stack_id,
                &envelope.logical_resource_id,
                envelope.physical_resource_id.as_deref(),
                sent_at,
            );
            self.carry_out(envelope, &connection, means).await
        })
        .await
    }

    /// Does what a Delete means. `None` where what stands now decides anew.
    async fn carry_out(
        &self,
        envelope: &Envelope,
        connection: &Connection,
        means: Deletion,
    ) -> Result<Option<Deleted>, Unavailable> {
        match means {
            Deletion::Nothing => {
                self.members.complete_rotation_of(connection).await?;
                Ok(Some(Deleted::LeftAlone))
            }
            // Undone or not, what stands now decides: it may be the very resource that this Delete
            // names.
            Deletion::Undoes => {
                let request = connection.live_binding().map(|bound| bound.request.clone());
                if let Some(request) = request {
                    let event = Event::AnswerRefused {
                        request: request.clone(),
                    };
                    self.store(connection, event, &request).await?;
                }
                Ok(None)
            }
            Deletion::CleansUp => {
                let resource = envelope.physical_resource_id.clone().unwrap_or_default();
                let event = Event::FormerDeleted(resource);
                let noted = self.store(connection, event, &envelope.key).await?;
                let Some(after) = noted else { return Ok(None) };
                // Should that be undone, only a look tells whether the former is there.
                let bound = after.live_binding();
                if bound.is_some_and(|bound| bound.unsettled.is_some()) {
                    self.look_later(&after).await?;
                }
                Ok(Some(Deleted::LeftAlone))
            }
            Deletion::BringsBack(former) if !self.is_gone(&former).await? => {
                let event = Event::FormerRestored;
                let restored = self.store(connection, event, &envelope.key).await?;
                if let Some(restored) = &restored {
                    self.look_later(restored).await?;
                }
                Ok(restored.map(|_| Deleted::Restored))
            }
            // CloudFormation made an id up because it never saw our answer. A look at the role
            // tells.
            Deletion::Doubtful => {
                let is_noted = |bound: &Binding| bound.deletion_seen_at.is_some();
                if !connection.live_binding().is_some_and(is_noted) {
                    let event = Event::DeletionSeen;
                    if self.store(connection, event, &envelope.key).await?.is_none() {
                        return Ok(None);
                    }
                }
                self.look_later(connection).await?;
                Ok(Some(Deleted::LeftAlone))
            }
            Deletion::Ends | Deletion::BringsBack(_) => {
                let event = Event::Disconnected(ReasonCode::StackDeleted.into());
                let ended = self.store(connection, event, &envelope.key).await?;
                if ended.is_some() {
                    // It may have been the last one with the former external ID.
                    self.members.complete_rotation_of(connection).await?;
                }
                Ok(ended.map(|_| Deleted::Disconnected))
            }
        }
    }

    /// Whether CloudFormation deleted the former resource as well, by a message that was worked on
    /// before this one.
    async fn is_gone(&self, former: &Binding) -> Result<bool, Unavailable> {
        let Some(stack_id) = former.stack_id() else {
            return Ok(false);
        };
        let since = former.answered_at.unwrap_or(Timestamp::UNIX_EPOCH);
        self.store
            .resource_deleted_since(stack_id, &former.logical_resource_id, since)
            .await
    }

    /// Stores what a Delete makes of a connection. `None` where another writer came first.
    async fn store(
        &self,
        connection: &Connection,
        event: Event,
        request: &RequestKey,
    ) -> Result<Option<Connection>, Unavailable> {
        let (actor, now) = (Actor::CustomerStack, self.clock.now());
        store_event(&*self.store, connection, event, actor, Some(request), now).await
    }

    async fn find(
        &self,
        envelope: &Envelope,
        external_id: &ExternalId,
    ) -> Result<Option<Connection>, Unavailable> {
        self.members.find(external_id, &envelope.stack_id.account()).await
    }

    /// Has a connection's role looked at once it had the time to go.
    async fn look_later(&self, connection: &Connection) -> Result<(), Unavailable> {
        let task = VerificationTask::Recheck {
            tenant: connection.tenant().clone(),
            connection_id: connection.id().clone(),
            attempt: 0,
        };
        self.queue.send(&[task], RECHECK_AFTER_DELETE_SECONDS).await
    }

    /// A Delete that names a live connection's own stack and was not signed by CloudFormation is somebody's attempt
    /// to end it: the audit log says so.
    async fn report_forgery(
        &self,
        envelope: &Envelope,
        external_id: &ExternalId,
    ) -> Result<Deleted, Unavailable> {
        let connection = self.find(envelope, external_id).await?;
        let names = |connection: &Connection| {
            let bound = connection.live_binding();
            bound.is_some_and(|bound| bound.stack_id() == Some(&envelope.stack_id))
        };
        if let Some(connection) = connection.filter(names) {
            self.store
                .count_forged_delete(&connection, self.clock.now())
                .await?;
        }
        Ok(Deleted::NotFromCloudFormation)
    }
}

/// Takes the vendor's wish to end a connection.
#[derive(Clone)]
pub struct DisconnectByVendor {
    /// Where connections are kept.
    pub store: Arc<dyn ConnectionStore>,
    /// The accounts of an organization, which end with it.
    pub members: Members,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who calls the vendor's door, for the audit log; nobody at the tenant's.
    pub caller: Option<CallerArn>,
}

impl DisconnectByVendor {
    /// The same for a caller of the vendor's door.
    #[must_use]
    pub fn by(&self, caller: Option<&CallerArn>) -> Self {
        Self {
            caller: caller.cloned(),
            members: self.members.by(caller),
            ..self.clone()
        }
    }

    /// Ends a tenant's connection, whatever its state, and all members of an organization's; again, it is a repetition.
    /// `None` where the tenant has no such connection (I8).
    pub async fn run(&self, tenant: &TenantId, id: &ConnectionId) -> Result<Option<Connection>, Unavailable> {
        let ended = self.end(tenant, id).await?;
        if let Some(organization) = ended.as_ref().filter(|ended| ended.organization().is_some()) {
            let end_member = |member: Connection| async move {
                // Who only waits is refused from now on, and forgotten.
                if member.state().status() != Status::Pending {
                    self.end(member.tenant(), member.id()).await?;
                }
                Ok(())
            };
            self.members.for_each(organization, end_member).await?;
        }
        if let Some(member) = ended.as_ref().filter(|ended| ended.is_member()) {
            self.members.complete_rotation_of(member).await?;
        }
        Ok(ended)
    }

    async fn end(&self, tenant: &TenantId, id: &ConnectionId) -> Result<Option<Connection>, Unavailable> {
        retry_commit("disconnect", async || {
            let Some(connection) = self.store.get(tenant, id).await? else {
                return Ok(Some(None));
            };
            if connection.state().status() == Status::Disconnected {
                return Ok(Some(Some(connection)));
            }
            let (now, event) = (
                self.clock.now(),
                Event::Disconnected(ReasonCode::DisconnectedByVendor.into()),
            );
            let name = event.name();
            let after = connection
                .apply(event, now)
                .map_err(|error| Unavailable::new(name, error))?;
            let change = Change::new(&connection, &after)
                .audited(Actor::VendorApi, name, None, now)
                .by(self.caller.as_ref());
            Ok(is_stored(&*self.store, change).await?.then_some(Some(after)))
        })
        .await
    }
}
