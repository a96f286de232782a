//! The end that a customer set for the vendor's access.

use jiff::Timestamp;

use super::Binding;
use crate::domain::proof::reason::ReasonCode;

impl Binding {
    /// From when on its role lets us in no more: by its trust policy, or by what its stack says
    /// where that was never read.
    pub fn access_ends_at(&self) -> Option<Timestamp> {
        match &self.trust {
            Some(trust) if trust.read_at.is_some() => trust.ends_at,
            _ => self.says.access_until,
        }
    }

    /// Why a role that was proven is refused to us at `now`.
    pub fn refused_for(&self, now: Timestamp) -> ReasonCode {
        match self.access_ends_at() {
            Some(end) if end <= now => ReasonCode::AccessEnded,
            _ => ReasonCode::RoleGone,
        }
    }
}
