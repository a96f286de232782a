//! A clock that a test moves.

use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};
use latchkey_core::ports::Clock;

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    pub fn at(now: Timestamp) -> Self {
        Self(Mutex::new(now))
    }

    pub fn advance(&self, seconds: i64) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
    }
}

impl Default for ManualClock {
    /// Noon of a working day, a whole number of seconds.
    fn default() -> Self {
        Self::at("2026-08-03T12:00:00Z".parse().unwrap())
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}
