//! What a connection tells about itself. Nothing outside of this module changes one.

use jiff::Timestamp;

use super::{Connection, Failure, Organization, Rotation, State, TemplateRef};
use crate::domain::{
    aws::{AccountId, Region},
    external_id::ExternalId,
    ids::{ConnectionId, TenantId},
    profile::Profile,
    proof::tiers::TierName,
};

impl Connection {
    /// Whose it is.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Its public name.
    pub fn id(&self) -> &ConnectionId {
        &self.id
    }

    /// The external ID that its role must ask for; made by us, for it alone (I1).
    pub fn external_id(&self) -> &ExternalId {
        &self.external_id
    }

    /// The change of its external ID that waits for the customer's update, in time or not.
    pub fn rotation(&self) -> Option<&Rotation> {
        self.rotation.as_ref()
    }

    /// Name, description and tags.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The only account that may take the link, where the vendor said so at creation.
    pub fn expected_account(&self) -> Option<&AccountId> {
        self.expected_account.as_ref()
    }

    /// What the role shall be able to do, where the vendor said so at creation.
    pub fn permission_tier(&self) -> Option<&TierName> {
        self.permission_tier.as_ref()
    }

    /// Where the link opens the console.
    pub fn launch_region(&self) -> &Region {
        &self.launch_region
    }

    /// The customer template that the link opens.
    pub fn template(&self) -> &TemplateRef {
        &self.template
    }

    /// Which accounts may share it, where it is an organization's.
    pub fn organization(&self) -> Option<&Organization> {
        self.organization.as_ref()
    }

    /// The seat that a member has among those of its organization.
    pub fn seat(&self) -> Option<u32> {
        self.seat
    }

    /// When it was made.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// Until when its link may be used; [`NEVER`](super::NEVER) is an organization's end.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// How the last change of a role that was made by hand failed, while the one before is connected.
    pub fn failed_change(&self) -> Option<&Failure> {
        self.failed_change.as_ref()
    }

    /// Where it stands, as it is stored; [`state_at`](Self::state_at) is without what was never finished.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Counts the writes: a write succeeds only on the version that it was made from (I9).
    pub fn version(&self) -> u64 {
        self.version
    }
}
