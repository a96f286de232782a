//! How often one connection may be asked for (I10): an external ID is no secret, and a topic is open to everybody.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Most requests that are recorded and verified for one connection within [`WINDOW_SECONDS`]. A customer who gets it
/// wrong and tries again needs three or four; whoever forges them gets no more than this, and each costs a handful
/// of writes and of STS calls.
pub const MAX_REQUESTS_PER_WINDOW: u32 = 20;
/// Length of the window, in seconds: an hour.
pub const WINDOW_SECONDS: i64 = 3_600;

/// What a connection has left of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RequestBudget {
    /// Which window was spent from, counted from the epoch.
    window: i64,
    /// How many were recorded in it.
    used: u32,
}

impl RequestBudget {
    /// The budget after one more request at `now`; `None` when the window's is used up.
    pub fn spend(self, now: Timestamp) -> Option<Self> {
        let window = now.as_second().div_euclid(WINDOW_SECONDS);
        let used = if window == self.window { self.used } else { 0 };
        (used < MAX_REQUESTS_PER_WINDOW).then_some(Self {
            window,
            used: used + 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_window_has_so_many_requests_and_the_next_one_as_many_again() {
        let mut budget = RequestBudget::default();
        for _ in 0..MAX_REQUESTS_PER_WINDOW {
            budget = budget.spend(at(7_200)).unwrap();
        }
        assert_eq!(budget.spend(at(7_200 + WINDOW_SECONDS - 1)), None);
        assert!(budget.spend(at(7_200 + WINDOW_SECONDS)).is_some());
    }
}
