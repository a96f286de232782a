//! What the project promises, as ratios within one run, and whether it holds.

use serde::Serialize;

use crate::{cold_warm::Series, onboarding::Waits, throughput::Throughput};

/// One promise.
#[derive(Debug, Clone, Serialize)]
pub struct Bar {
    /// What is compared.
    pub name: String,
    /// What was measured.
    pub value: f64,
    /// What was promised.
    pub limit: f64,
    /// Whether `value` has to reach `limit`, instead of staying below it.
    pub is_minimum: bool,
}

impl Bar {
    fn most(name: impl Into<String>, value: f64, limit: f64) -> Self {
        Self {
            name: name.into(),
            value,
            limit,
            is_minimum: false,
        }
    }

    fn least(name: impl Into<String>, value: f64, limit: f64) -> Self {
        Self {
            is_minimum: true,
            ..Self::most(name, value, limit)
        }
    }

    /// Whether the promise is kept.
    pub fn is_met(&self) -> bool {
        if self.is_minimum {
            self.value >= self.limit
        } else {
            self.value <= self.limit
        }
    }
}

/// What one event of the listener is held against: the same event in other languages.
pub struct ListenerEvent<'a> {
    /// How the event is called, and whether connections were opened before it.
    pub name: String,
    /// Latchkey's listener.
    pub ours: &'a Series,
    /// Node.
    pub node: Option<&'a Series>,
    /// Python with crhelper.
    pub crhelper: Option<&'a Series>,
}

/// The promises about starts and events, compared within each round. `zips` are the sizes of the functions' zip files, in megabytes.
pub fn of_starts(empty: &Series, events: &[ListenerEvent<'_>], zips: &[(String, f64)]) -> Vec<Bar> {
    let mut bars = Vec::new();
    for ListenerEvent {
        name,
        ours,
        node,
        crhelper,
    } in events
    {
        bars.push(Bar::most(
            format!("{name}: cold CPU ÷ empty function"),
            ours.ratio(|m| m.cold_cpu_ms, empty, |m| m.cold_cpu_ms),
            2.6,
        ));
        for (peer, peers_name, limit) in [(node, "Node", 35.0), (crhelper, "Python + crhelper", 80.0)] {
            bars.extend(peer.map(|peer| {
                Bar::least(
                    format!("{name}: {peers_name}'s cold CPU ÷ ours"),
                    peer.ratio(|m| m.cold_cpu_ms, ours, |m| m.cold_cpu_ms),
                    limit,
                )
            }));
        }
        bars.push(Bar::most(
            format!("{name}: first CPU ÷ warm CPU"),
            ours.ratio(|m| m.first_cpu_ms, ours, |m| m.warm_cpu_ms),
            5.0,
        ));
        bars.push(Bar::most(
            format!("{name}: warm CPU ÷ empty function"),
            ours.ratio(|m| m.warm_cpu_ms, empty, |m| m.warm_cpu_ms),
            12.0,
        ));
        bars.push(Bar::most(
            format!("{name}: memory ÷ empty function"),
            ours.ratio(|m| m.rss_mb, empty, |m| m.rss_mb),
            2.8,
        ));
    }
    bars.extend(
        zips.iter()
            .map(|(name, size)| Bar::most(format!("zip of {name}, MB"), *size, 3.0)),
    );
    bars
}

/// The promises about a verifier at its highest concurrency.
pub fn of_throughput(highest: &Throughput, empty: &Series) -> Vec<Bar> {
    let cpu = highest.cpu_us_per_call / (empty.middle().warm_cpu_ms * 1_000.0);
    vec![
        Bar::least(
            "verifier at 128: share of the latency-bound ideal",
            highest.share_of_ideal,
            0.84,
        ),
        Bar::most(
            "verifier at 128: CPU of a call ÷ warm CPU of the empty function",
            cpu,
            2.5,
        ),
        Bar::most("verifier at 128: memory, MB", highest.peak_rss_mb, 24.0),
    ]
}

/// The promise to stacks that are created during a sweep.
pub fn of_onboarding([quiet, busy]: &[Waits; 2]) -> Bar {
    Bar::most(
        "stacks during a sweep: p99 of the time to their answer ÷ without a sweep",
        busy.p99_ms / quiet.p99_ms,
        1.2,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cold_warm::tests::series;

    #[test]
    fn a_bar_is_met_on_its_own_side_and_at_its_limit() {
        assert!(Bar::most("a", 2.6, 2.6).is_met() && !Bar::most("a", 2.61, 2.6).is_met());
        assert!(Bar::least("a", 35.0, 35.0).is_met() && !Bar::least("a", 34.9, 35.0).is_met());
        assert!(!Bar::least("a", f64::NAN, 1.0).is_met() && !Bar::most("a", f64::NAN, 1.0).is_met());
    }

    #[test]
    fn peers_that_were_not_measured_make_no_promise_true() {
        let measured = series(&[&[2.0]]);
        let event = |node| ListenerEvent {
            name: "queued".to_owned(),
            ours: &measured,
            node,
            crhelper: None,
        };
        let without = of_starts(&measured, &[event(None)], &[]);
        assert_eq!(
            without.len() + 1,
            of_starts(&measured, &[event(Some(&measured))], &[]).len()
        );
    }
}
