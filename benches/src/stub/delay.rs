//! Waits as exactly as the kernel can: tokio's timer ticks in milliseconds and rounds up, which for an answer that shall
//! take 20 ms is a twentieth too long.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

/// Wakes those who wait, one after the other, in a thread of its own; it ends with this.
pub struct Delay(mpsc::Sender<(Instant, oneshot::Sender<()>)>);

impl Delay {
    /// Starts the thread.
    pub fn new() -> Self {
        let (sender, waiting) = mpsc::channel::<(Instant, oneshot::Sender<()>)>();
        thread::spawn(move || {
            // All wait equally long, so that who came first is first to go.
            for (until, waiter) in waiting {
                thread::sleep(until.saturating_duration_since(Instant::now()));
                // Whoever gave up needs no waking.
                let _ = waiter.send(());
            }
        });
        Self(sender)
    }

    /// Waits until `since` is `time` ago.
    pub async fn wait(&self, since: Instant, time: Duration) {
        let (waiter, woken) = oneshot::channel();
        // The thread ends with `self`, not before.
        let _ = self.0.send((since + time, waiter));
        let _ = woken.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_goes_too_early() {
        let delay = Delay::new();
        let begun = Instant::now();
        let wait = async |at: u64| {
            delay
                .wait(begun + Duration::from_millis(at), Duration::from_millis(5))
                .await;
            (at, begun.elapsed() >= Duration::from_millis(5 + at))
        };
        let woken = tokio::join!(wait(0), wait(1), wait(7));
        assert_eq!(woken, ((0, true), (1, true), (7, true)));
    }
}
