//! The changes that are no step of the state machine: a budget is spent, a seat taken, an organization followed.

use jiff::Timestamp;

use super::Connection;
use crate::domain::request::admission::Admission;

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
