//! A connection ends: the customer deletes the stack, or the vendor removes the connection.

use std::sync::Arc;

use jiff::Timestamp;

use super::{answer_stack::AnswerStack, is_stored, members::Members, retry_commit, store_event};
use crate::{
    domain::{
        audit::{Actor, CallerArn},
        connection::{Connection, Event, Status},
        external_id::ExternalId,
        ids::{ConnectionId, TenantId},
        proof::reason::ReasonCode,
        request::custom_resource::{Envelope, Outcome},
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
            match connection.live_binding() {
                Some(bound) if bound.stack_id() != Some(&envelope.stack_id) => {
                    return Ok(Some(Deleted::LeftAlone));
                }
                Some(bound)
                    if envelope.physical_resource_id.as_ref() == Some(&bound.physical_resource_id) => {}
                // CloudFormation gave up on the very resource whose SUCCESS it has not taken yet, and made up an id
                // for it: what that SUCCESS would have bound is undone.
                Some(bound)
                    if bound.unsettled.is_some()
                        && bound.logical_resource_id == envelope.logical_resource_id =>
                {
                    // Undone or not, what stands now decides: it may be the very resource that this Delete names.
                    let request = bound.request.clone();
                    let event = Event::AnswerRefused {
                        request: request.clone(),
                    };
                    let (actor, now) = (Actor::CustomerStack, self.clock.now());
                    store_event(&*self.store, &connection, event, actor, Some(&request), now).await?;
                    return Ok(None);
                }
                // The stack's own resource under an id that is not ours: CloudFormation made one up because it never
                // saw our answer, or this is the old one of two. A look at the role tells which.
                Some(bound) => {
                    if bound.deletion_seen_at.is_none() {
                        let (actor, now) = (Actor::CustomerStack, self.clock.now());
                        let (event, key) = (Event::DeletionSeen, Some(&envelope.key));
                        let noted = store_event(&*self.store, &connection, event, actor, key, now).await?;
                        if noted.is_none() {
                            return Ok(None);
                        }
                    }
                    return self.look_later(&connection).await.map(Some);
                }
                None => {
                    self.members.complete_rotation_of(&connection).await?;
                    return Ok(Some(Deleted::LeftAlone));
                }
            }
            let event = Event::Disconnected(ReasonCode::StackDeleted.into());
            let ended = store_event(
                &*self.store,
                &connection,
                event,
                Actor::CustomerStack,
                Some(&envelope.key),
                self.clock.now(),
            );
            if ended.await?.is_some() {
                // It may have been the last one with the former external ID.
                self.members.complete_rotation_of(&connection).await?;
                return Ok(Some(Deleted::Disconnected));
            }
            Ok(None)
        })
        .await
    }

    async fn find(
        &self,
        envelope: &Envelope,
        external_id: &ExternalId,
    ) -> Result<Option<Connection>, Unavailable> {
        self.members.find(external_id, &envelope.stack_id.account()).await
    }

    /// Leaves the connection alone, and has its role looked at once it had the time to go.
    async fn look_later(&self, connection: &Connection) -> Result<Deleted, Unavailable> {
        let task = VerificationTask::Recheck {
            tenant: connection.tenant().clone(),
            connection_id: connection.id().clone(),
            attempt: 0,
        };
        self.queue.send(&[task], RECHECK_AFTER_DELETE_SECONDS).await?;
        Ok(Deleted::LeftAlone)
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
