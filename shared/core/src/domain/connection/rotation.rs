//! The change of a connection's external ID without downtime: the next one is made by us (I1), both are known until
//! the customer's updated stack proves the next, and the former is retired for ever.

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
    /// The rotation that a request sent at `at` can still bring to its end.
    pub fn rotation_at(&self, at: Timestamp) -> Option<&Rotation> {
        self.rotation.as_ref().filter(|rotation| at < rotation.expires_at)
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
        *external_id == self.external_id || next == Some(external_id)
    }

    /// Whether the next external ID is proven, and waits only for CloudFormation to take our SUCCESS.
    pub fn rotation_is_being_settled(&self) -> bool {
        self.live_binding()
            .is_some_and(|binding| binding.external_id != self.external_id)
    }

    /// The same connection, with the external ID of what is bound and settled: a rotation ends here.
    #[must_use]
    pub(super) fn with_settled_external_id(mut self) -> Self {
        let settled = self
            .live_binding()
            .filter(|binding| binding.unsettled.is_none() && binding.external_id != self.external_id)
            .map(|binding| binding.external_id.clone());
        if let Some(external_id) = settled {
            self.external_id = external_id;
            self.rotation = None;
        }
        self
    }
}
