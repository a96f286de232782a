//! A service's quota, as AWS keeps it: a bucket of tokens, refilled at a steady rate.

use std::time::Instant;

/// A bucket that holds what may be called within one second.
#[derive(Debug)]
pub struct Quota {
    per_second: f64,
    tokens: f64,
    filled: Instant,
}

impl Quota {
    /// A full one.
    pub fn new(per_second: u32, now: Instant) -> Self {
        let per_second = f64::from(per_second);
        Self {
            per_second,
            tokens: per_second,
            filled: now,
        }
    }

    /// Whether a call at `now` is within the quota, which it then uses.
    pub fn allows(&mut self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + since * self.per_second).min(self.per_second);
        self.filled = now;
        let is_allowed = self.tokens >= 1.0;
        if is_allowed {
            self.tokens -= 1.0;
        }
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_second_s_calls_are_allowed_at_once_and_then_as_many_as_time_brings() {
        let begun = Instant::now();
        let mut quota = Quota::new(10, begun);
        let mut allowed = |after: u64, calls: usize| {
            let now = begun + Duration::from_millis(after);
            (0..calls).filter(|_| quota.allows(now)).count()
        };
        assert_eq!(allowed(0, 20), 10);
        assert_eq!(allowed(250, 20), 2);
        assert_eq!(allowed(60_000, 20), 10, "it holds no more than a second's");
    }
}
