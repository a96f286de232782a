//! The change of a connection's external ID without downtime: the next one is made by us (I1), both
//! are known until the customer's updated stack proves the next and its role refuses the former,
//! which is retired then: for ever, but for a rollback of that very update.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Connection;
use crate::domain::external_id::ExternalId;

/// How long a customer has to update the stack, in seconds: thirty days, as a change has to go through hands and
/// maintenance windows. The connection works by its current external ID all the while, and afterwards too.
pub const ROTATION_SECONDS: i64 = 30 * 24 * 3_600;

/// A rotation that waits for the customer's stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// The external ID that the role shall ask for.
    pub external_id: ExternalId,
    /// When it was made.
    pub started_at: Timestamp,
    /// Until when a stack may bring it.
    pub expires_at: Timestamp,
}

/// What an external ID that was made for a connection is to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The one that its role asks for.
    Current,
    /// The one that its role shall ask for.
    Next,
    /// One that it had, or should have had: never taken again.
    Retired,
}

impl Rotation {
    /// A rotation that begins at `now`.
    pub fn new(external_id: ExternalId, now: Timestamp) -> Self {
        Self {
            external_id,
            started_at: now,
            expires_at: now
                .checked_add(SignedDuration::from_secs(ROTATION_SECONDS))
                .unwrap_or(Timestamp::MAX),
        }
    }
}

impl Connection {
    /// The rotation that a request sent at `at` can still bring to its end. What the stack has
    /// brought already does not run out.
    pub fn rotation_at(&self, at: Timestamp) -> Option<&Rotation> {
        let is_bound = |rotation: &Rotation| {
            let bound = self.live_binding();
            bound.is_some_and(|bound| bound.external_id == rotation.external_id)
        };
        self.rotation
            .as_ref()
            .filter(|rotation| at < rotation.expires_at || is_bound(rotation))
    }

    /// The external ID that a role made by hand and named at `at` is asked for with: the next one while there is one, since
    /// who made the role knows it from the vendor.
    pub fn external_id_by_hand(&self, at: Timestamp) -> &ExternalId {
        self.rotation_at(at)
            .map_or(&self.external_id, |next| &next.external_id)
    }

    /// What `external_id`, which was made for this connection, is to a request sent at `at`.
    pub fn standing(&self, external_id: &ExternalId, at: Timestamp) -> Standing {
        if *external_id == self.external_id {
            Standing::Current
        } else if self
            .rotation_at(at)
            .is_some_and(|rotation| rotation.external_id == *external_id)
        {
            Standing::Next
        } else {
            Standing::Retired
        }
    }

    /// Whether `external_id` is the current or the next one. A request that was sent in time may be proven a moment after
    /// the rotation's end: its admission looks at the time, this does not.
    pub(super) fn has_external_id(&self, external_id: &ExternalId) -> bool {
        let next = self.rotation.as_ref().map(|rotation| &rotation.external_id);
        *external_id == self.external_id || next == Some(external_id) || self.had_before(external_id)
    }

    /// Whether a rollback of the latest update brings this external ID back.
    pub(in crate::domain) fn had_before(&self, external_id: &ExternalId) -> bool {
        let former = self.live_binding().and_then(|bound| bound.former.as_ref());
        former.is_some_and(|former| former.external_id == *external_id)
    }

    /// The external ID that was the connection's before the one that it is proven with, while the
    /// rotation is not over.
    pub fn external_id_before(&self, proven: &ExternalId) -> Option<&ExternalId> {
        let next = self.rotation.as_ref().map(|rotation| &rotation.external_id);
        (next == Some(proven) && *proven != self.external_id).then_some(&self.external_id)
    }

    /// Whether the next external ID is proven, and waits only for CloudFormation to take our
    /// SUCCESS, or for the role to refuse the former one.
    pub fn rotation_is_being_settled(&self) -> bool {
        self.live_binding()
            .is_some_and(|binding| binding.external_id != self.external_id)
    }

    /// Whether the stack has brought the next external ID, and its role takes the former one as
    /// well.
    pub fn takes_both(&self) -> bool {
        self.live_binding()
            .is_some_and(|bound| bound.unsettled.is_none() && bound.takes_former)
    }

    /// The same connection, where a look has shown whether its role still takes the former external
    /// ID.
    #[must_use]
    pub fn with_former_taken(mut self, takes_former: bool) -> Self {
        if let Some(binding) = self.state.live_binding_mut() {
            binding.takes_former = takes_former;
        }
        self.with_settled_external_id()
    }

    /// The same connection, with the external ID of what is bound and settled. A rotation ends
    /// here: once the role refuses the former external ID. Or, where a rollback brought that one
    /// back, it goes on.
    #[must_use]
    pub(super) fn with_settled_external_id(mut self) -> Self {
        let settled = self
            .live_binding()
            .filter(|binding| binding.unsettled.is_none() && binding.external_id != self.external_id);
        let Some(binding) = settled else {
            return self;
        };
        let external_id = binding.external_id.clone();
        if self.external_id_before(&external_id).is_some() {
            if binding.takes_former {
                return self;
            }
            self.rotation = None;
        }
        self.external_id = external_id;
        self
    }
}
