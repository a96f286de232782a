//! How fast STS may be asked by one verifier, and how that follows what STS says: even steps, half as fast when it
//! throttles, slowly faster again.

/// Slowest pace, in calls a second: a chunk is still done in time ([`crate::domain::sweep::MAX_CHUNK_CALLS`]).
pub const MIN_CALLS_PER_SECOND: f64 = 10.0;
/// Time from standstill back to the full pace, in seconds.
const RECOVERY_SECONDS: f64 = 120.0;
/// Calls that were on their way together are throttled together: within so many seconds they count as one refusal.
const ONE_REFUSAL_SECONDS: f64 = 1.0;

/// The pace of one verifier. Time is in seconds since any fixed moment.
#[derive(Debug, Clone)]
pub struct Pace {
    full: f64,
    rate: f64,
    rated_at: f64,
    next: f64,
    refused_at: Option<f64>,
}

impl Pace {
    /// A pace of at most `calls_per_second`.
    pub fn new(calls_per_second: f64) -> Self {
        let full = calls_per_second.max(MIN_CALLS_PER_SECOND);
        Self {
            full,
            rate: full,
            rated_at: 0.0,
            next: 0.0,
            refused_at: None,
        }
    }

    /// When the next call may be made: it is taken for the caller. Idle time is not saved up.
    pub fn take_turn(&mut self, now: f64) -> f64 {
        let rate = self.rate_at(now);
        let turn = self.next.max(now);
        self.next = turn + 1.0 / rate;
        turn
    }

    /// STS throttled a call.
    pub fn slow_down(&mut self, now: f64) {
        let is_new = self
            .refused_at
            .is_none_or(|refused_at| now - refused_at >= ONE_REFUSAL_SECONDS);
        if is_new {
            self.rate = (self.rate_at(now) / 2.0).max(MIN_CALLS_PER_SECOND);
            self.rated_at = now;
            self.refused_at = Some(now);
        }
    }

    /// Calls a second at `now`.
    pub fn rate_at(&self, now: f64) -> f64 {
        let recovered = (now - self.rated_at).max(0.0) * self.full / RECOVERY_SECONDS;
        (self.rate + recovered).min(self.full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_evenly_and_idle_time_is_not_saved_up() {
        let mut pace = Pace::new(100.0);
        let turns: Vec<f64> = (0..100).map(|_| pace.take_turn(5.0)).collect();
        assert_eq!(turns[0], 5.0);
        assert!((turns[99] - 5.99).abs() < 1e-6, "{}", turns[99]);
        assert!((pace.take_turn(5.0) - 6.0).abs() < 1e-6);
        assert_eq!(pace.take_turn(60.0), 60.0);
    }

    #[test]
    fn a_throttled_pace_is_halved_once_for_what_was_on_its_way_and_recovers_slowly() {
        let mut pace = Pace::new(150.0);
        for call in 0..64 {
            pace.slow_down(10.0 + f64::from(call) / 100.0);
        }
        assert_eq!(pace.rate_at(10.0), 75.0);
        pace.slow_down(11.0);
        assert!(pace.rate_at(11.0) < 40.0);
        assert!(pace.rate_at(41.0) < 80.0, "half a minute later");
        assert_eq!(pace.rate_at(11.0 + RECOVERY_SECONDS), 150.0);
        for second in 0..100 {
            pace.slow_down(200.0 + f64::from(second));
        }
        assert!(pace.rate_at(299.0) >= MIN_CALLS_PER_SECOND);
    }
}
