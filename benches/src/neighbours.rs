//! What other virtual machines on the same hardware take from this one (*steal*), and what is measured again because of it.

use std::time::{Duration, Instant};

use crate::Error;

/// The most that others may have had of the time that was wanted while something was measured that counts, as a share. Without
/// neighbours it is 0, and a tenth of a percent where one is at rest.
const STOLEN_AT_MOST: f64 = 0.01;
/// How long a run goes on measuring what then does not count. After that everything counts, and the report says how much of it was
/// disturbed.
const PATIENCE: Duration = Duration::from_mins(25);

/// What `/proc/stat` counts, over all processors, in its ticks (`man 5 proc_stat`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Ticks {
    /// Wanted a processor: all but `idle` and `iowait`, and without `guest`, which is in `user` already.
    wanted: u64,
    /// Wanted one while the hypervisor gave it to another virtual machine (`steal`).
    stolen: u64,
}

impl Ticks {
    /// Those from the machine's start until now; none where the kernel does not tell.
    fn now() -> Self {
        Self::read(&std::fs::read_to_string("/proc/stat").unwrap_or_default())
    }

    fn read(stat: &str) -> Self {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "));
        let counts: Vec<u64> = line
            .unwrap_or_default()
            .split_whitespace()
            .map_while(|word| word.parse().ok())
            .collect();
        let [user, nice, system, _idle, _iowait, irq, softirq, stolen, ..] = counts[..] else {
            return Self::default();
        };
        Self {
            wanted: user + nice + system + irq + softirq + stolen,
            stolen,
        }
    }

    fn since(self, begin: Self) -> Self {
        Self {
            wanted: self.wanted.saturating_sub(begin.wanted),
            stolen: self.stolen.saturating_sub(begin.stolen),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            wanted: self.wanted + other.wanted,
            stolen: self.stolen + other.stolen,
        }
    }

    /// The share that was stolen: the part of a neighbour that the kernel can see. One that shares a core's execution units slows
    /// everything down and is not in it.
    fn stolen_share(self) -> f64 {
        self.stolen as f64 / self.wanted.max(1) as f64
    }
}

/// Whom the machine is shared with during a run. It looks at nothing but what the hypervisor took, never at a result. But what takes
/// longer is likelier to be disturbed, whatever made it longer: with busy neighbours, slow measurements are measured again more often.
pub struct Neighbours {
    /// Is told what is done again.
    say: fn(&str),
    counted: Ticks,
    disturbed: usize,
    thrown_away: Ticks,
    again: usize,
    lost: Duration,
}

impl Neighbours {
    /// Nothing was measured yet.
    pub fn new(say: fn(&str)) -> Self {
        Self {
            say,
            counted: Ticks::default(),
            disturbed: 0,
            thrown_away: Ticks::default(),
            again: 0,
            lost: Duration::ZERO,
        }
    }

    /// Measures until others have let it, which is once where there are none.
    pub async fn let_measure<T>(
        &mut self,
        mut measure: impl AsyncFnMut() -> Result<T, Error>,
    ) -> Result<T, Error> {
        loop {
            let (before, begun) = (Ticks::now(), Instant::now());
            let measured = measure().await?;
            if self.does_count(Ticks::now().since(before), begun.elapsed()) {
                return Ok(measured);
            }
        }
    }

    fn does_count(&mut self, ticks: Ticks, took: Duration) -> bool {
        let is_disturbed = ticks.stolen_share() > STOLEN_AT_MOST;
        if is_disturbed && self.lost < PATIENCE {
            let minutes_before = self.lost.as_secs() / 60;
            self.thrown_away = self.thrown_away.plus(ticks);
            self.again += 1;
            self.lost += took;
            let minutes = self.lost.as_secs() / 60;
            if minutes > minutes_before {
                (self.say)(&format!(
                    "measured again, since other virtual machines disturbed it: {minutes} min so far"
                ));
            }
            return false;
        }
        self.counted = self.counted.plus(ticks);
        self.disturbed += usize::from(is_disturbed);
        true
    }

    /// What came of it, for the report.
    pub fn facts(&self) -> Vec<(String, String)> {
        let mut facts = vec![(
            "other virtual machines had (steal)".to_owned(),
            format!(
                "{} of the time that was wanted, in what counts",
                percent(self.counted.stolen_share())
            ),
        )];
        if self.again > 0 {
            facts.push((
                "measured again".to_owned(),
                format!(
                    "{} times ({:.0} minutes, of which others had {}), each time for more than {}",
                    self.again,
                    self.lost.as_secs_f64() / 60.0,
                    percent(self.thrown_away.stolen_share()),
                    percent(STOLEN_AT_MOST),
                ),
            ));
        }
        if self.disturbed > 0 {
            facts.push((
                "**disturbed, and counts**".to_owned(),
                format!(
                    "{} times, others having more than {}: {:.0} minutes were lost by then",
                    self.disturbed,
                    percent(STOLEN_AT_MOST),
                    self.lost.as_secs_f64() / 60.0,
                ),
            ));
        }
        facts
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);
    const QUIET: Ticks = Ticks {
        wanted: 1_000,
        stolen: 10,
    };
    const DISTURBED: Ticks = Ticks {
        wanted: 1_000,
        stolen: 110,
    };

    #[test]
    fn what_was_stolen_is_held_against_what_was_wanted() {
        let begin = Ticks::read("cpu  100 0 50 9000 70 0 10 40 30 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n");
        let end = Ticks::read("cpu  160 10 70 9900 99 5 15 50 60 0\n");
        let between = end.since(begin);
        assert_eq!((between.wanted, between.stolen), (60 + 10 + 20 + 5 + 5 + 10, 10));
        assert_eq!(between.stolen_share(), 10.0 / 110.0);
    }

    #[test]
    fn a_kernel_that_tells_nothing_has_nothing_stolen_and_everything_counts() {
        for stat in ["", "cpu  1 2 3 4\n", "intr 1 2 3 4 5 6 7 8 9\n"] {
            assert_eq!(Ticks::read(stat), Ticks::default(), "{stat:?}");
        }
        assert!(Neighbours::new(|_| ()).does_count(Ticks::default(), MINUTE));
    }

    #[test]
    fn what_was_disturbed_does_not_count_and_the_report_says_so() {
        let mut neighbours = Neighbours::new(|_| ());
        assert!(!neighbours.does_count(DISTURBED, MINUTE));
        assert!(neighbours.does_count(QUIET, MINUTE));
        let facts = neighbours.facts();
        assert_eq!(facts[0].1, "1.0 % of the time that was wanted, in what counts");
        assert_eq!(
            facts[1].1,
            "1 times (1 minutes, of which others had 11.0 %), each time for more than 1.0 %"
        );
        assert_eq!(facts.len(), 2);
    }

    #[test]
    fn a_neighbour_who_never_stops_does_not_hold_a_run_up_for_ever_and_the_report_says_so() {
        let mut neighbours = Neighbours::new(|_| ());
        let tries = (0..100).take_while(|_| !neighbours.does_count(DISTURBED, MINUTE));
        assert_eq!(tries.count(), 25, "as many minutes as its patience has");
        let facts = neighbours.facts();
        assert_eq!(facts[0].1, "11.0 % of the time that was wanted, in what counts");
        assert_eq!(
            facts[2].1,
            "1 times, others having more than 1.0 %: 25 minutes were lost by then"
        );
    }
}
