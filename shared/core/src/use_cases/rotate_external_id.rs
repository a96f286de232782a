//! A vendor gives a live connection another external ID, or takes that back.
//!
//! The customer's updated stack brings it ([`super::register_role`]); its proof ends the rotation.

use std::sync::Arc;

use super::{is_stored, members::Members, retry_commit};
use crate::{
    domain::{
        audit::{Actor, CallerArn},
        connection::{Connection, Event, Rotation, Status},
        external_id::ExternalId,
        ids::{ConnectionId, TenantId},
    },
    ports::{Change, Clock, ConnectionStore, IdSource, Unavailable},
};

/// Starts and cancels rotations.
#[derive(Clone)]
pub struct RotateExternalId {
    /// Where connections are kept.
    pub store: Arc<dyn ConnectionStore>,
    /// The accounts of an organization, which rotate with it.
    pub members: Members,
    /// Makes the next external ID (I1).
    pub ids: Arc<dyn IdSource>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who calls the vendor's door, for the audit log; nobody at the tenant's.
    pub caller: Option<CallerArn>,
}

/// Why nothing was rotated, or nothing taken back.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The tenant has no such connection (I8).
    #[error("there is no such connection")]
    NotFound,
    /// It is not connected, so that no role asks for its external ID.
    #[error("only a connection that is active or degraded has an external ID to rotate; this one is {0}")]
    NotConnected(&'static str),
    /// It is a member's, and follows its organization.
    #[error("this account shares the external ID of its organization's connection; rotate that one")]
    OfOrganization,
    /// A stack is changing it at this moment.
    #[error("the customer's stack is changing this connection right now; try again in a minute")]
    BeingChanged,
    /// The customer's stack has the next external ID by now.
    #[error(
        "the customer's stack has the next external ID already; the rotation ends once its role refuses the former one"
    )]
    TakenUp,
    /// A service of ours could not be used.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// What became of the wish for a rotation.
#[derive(Debug, PartialEq, Eq)]
pub enum Rotated {
    /// One began.
    Started(Box<Connection>),
    /// One is under way already: the same next external ID.
    UnderWay(Box<Connection>),
}

impl RotateExternalId {
    /// The same for a caller of the vendor's door.
    #[must_use]
    pub fn by(&self, caller: Option<&CallerArn>) -> Self {
        Self {
            caller: caller.cloned(),
            members: self.members.by(caller),
            ..self.clone()
        }
    }

    /// Makes the next external ID; while that waits for the customer's stack, the same one again.
    pub async fn start(&self, tenant: &TenantId, id: &ConnectionId) -> Result<Rotated, RotateError> {
        retry_commit("rotate_external_id", async || {
            let connection = self.live(tenant, id).await?;
            let now = self.clock.now();
            if connection.rotation_at(now).is_some() {
                self.members_follow(&connection, Event::ROTATION_STARTED).await?;
                if connection.organization().is_some() {
                    self.members.complete_rotation(tenant, id).await?;
                }
                return Ok(Some(Rotated::UnderWay(Box::new(connection))));
            }
            let next = self.next_external_id(&connection).await?;
            let event = Event::RotationStarted(Rotation::new(next, now));
            if let Some(started) = self.store_event(&connection, event).await? {
                self.members_follow(&started, Event::ROTATION_STARTED).await?;
                return Ok(Some(Rotated::Started(Box::new(started))));
            }
            Ok(None)
        })
        .await
    }

    /// Takes the next external ID back: it is retired, and the current one stays. Without a rotation, nothing happens.
    pub async fn cancel(&self, tenant: &TenantId, id: &ConnectionId) -> Result<Connection, RotateError> {
        retry_commit("rotate_external_id", async || {
            let connection = self.live(tenant, id).await?;
            if connection.rotation().is_none() {
                self.members_follow(&connection, Event::ROTATION_CANCELLED)
                    .await?;
                return Ok(Some(connection));
            }
            if connection.takes_both() {
                return Err(RotateError::TakenUp);
            }
            if let Some(cancelled) = self.store_event(&connection, Event::RotationCancelled).await? {
                self.members_follow(&cancelled, Event::ROTATION_CANCELLED).await?;
                return Ok(Some(cancelled));
            }
            Ok(None)
        })
        .await
    }

    async fn live(&self, tenant: &TenantId, id: &ConnectionId) -> Result<Connection, RotateError> {
        let connection = self.store.get(tenant, id).await?.ok_or(RotateError::NotFound)?;
        if connection.is_member() {
            return Err(RotateError::OfOrganization);
        }
        if connection.organization().is_some() && connection.state().status() == Status::Pending {
            let members = self.members.all(&connection).await?;
            if members.iter().any(|member| member.live_binding().is_some()) {
                return Ok(connection);
            }
        }
        match connection.live_binding() {
            Some(binding) if !binding.is_unsettled_first_registration() => Ok(connection),
            _ => Err(RotateError::NotConnected(
                connection.status(self.clock.now()).as_str(),
            )),
        }
    }

    /// A fresh one; where the time of an organization's rotation is over and some of its accounts have come after already,
    /// the one that these have.
    async fn next_external_id(&self, connection: &Connection) -> Result<ExternalId, Unavailable> {
        if let (Some(_), Some(rotation)) = (connection.organization(), connection.rotation()) {
            let members = self.members.all(connection).await?;
            let has_it = |member: &Connection| {
                let bound = member.live_binding();
                bound.is_some_and(|bound| bound.external_id == rotation.external_id)
            };
            if members.iter().any(has_it) {
                return Ok(rotation.external_id.clone());
            }
        }
        Ok(self.ids.external_id())
    }

    /// Tells the members of an organization. Where this ends in the middle, the same call again goes on.
    async fn members_follow(&self, connection: &Connection, event: &str) -> Result<(), Unavailable> {
        match connection.organization() {
            Some(_) => self.members.follow(connection, event).await,
            None => Ok(()),
        }
    }

    /// `None` where another writer came first.
    async fn store_event(
        &self,
        connection: &Connection,
        event: Event,
    ) -> Result<Option<Connection>, RotateError> {
        let now = self.clock.now();
        let name = event.name();
        let after = connection
            .apply(event, now)
            .map_err(|_| RotateError::BeingChanged)?;
        let change = Change::new(connection, &after)
            .audited(Actor::VendorApi, name, None, now)
            .by(self.caller.as_ref());
        Ok(is_stored(&*self.store, change).await?.then_some(after))
    }
}
