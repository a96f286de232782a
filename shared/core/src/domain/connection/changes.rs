//! The changes that are no step of the state machine: a budget is spent, a seat taken, an organization followed.

use jiff::Timestamp;

use super::Connection;
use crate::domain::{
    proof::{permissions::PermissionReport, trust_report::TrustReport},
    request::admission::Admission,
};

impl Connection {
    /// The same connection with one request of `admission`'s kind less to go; `None` where the hour has none left (I10).
    pub(in crate::domain) fn spend(&self, admission: Admission, now: Timestamp) -> Option<Self> {
        let mut spent = self.clone();
        let budget = match admission {
            Admission::FirstRegistration | Admission::Change => &mut spent.requests,
            Admission::ChangeOfBoundResource => &mut spent.changes,
        };
        *budget = budget.spend(now)?;
        Some(spent)
    }

    /// The next version of a connection whose change is being proven: what is bound stays until it is.
    #[must_use]
    pub(in crate::domain) fn while_changing(self) -> Self {
        Self {
            version: self.version + 1,
            ..self
        }
    }

    /// The same connection as the next version of `before`.
    #[must_use]
    pub fn one_on_from(self, before: &Self) -> Self {
        Self {
            version: before.version + 1,
            ..self
        }
    }

    /// Whether anything but the version has changed since it was `before`.
    pub fn tells_more_than(&self, before: &Self) -> bool {
        let same_version = Self {
            version: before.version,
            ..self.clone()
        };
        same_version != *before
    }

    /// The same connection, with what was found out about what its role may do.
    #[must_use]
    pub fn with_permissions(mut self, report: PermissionReport) -> Self {
        if let Some(binding) = self.state.live_binding_mut() {
            binding.permissions = Some(report);
        }
        self
    }

    /// The same connection, with what was found out about whom its role lets in.
    #[must_use]
    pub fn with_trust(mut self, report: TrustReport) -> Self {
        if let Some(binding) = self.state.live_binding_mut() {
            binding.trust = Some(report);
        }
        self
    }

    /// The same connection in a seat of its organization.
    #[must_use]
    pub fn seated(self, seat: u32) -> Self {
        Self {
            seat: Some(seat),
            ..self
        }
    }

    /// The next version of a live member with the external ID and rotation of its organization; `None` where it has them.
    pub fn follow(&self, organization: &Self) -> Option<Self> {
        let after = self.clone().following(organization);
        let is_news = self.live_binding().is_some() && after != *self;
        is_news.then(|| after.while_changing())
    }
}
