//! The table: what was measured, what was promised, and whether that is met.

use std::fmt::Write as _;

#[derive(Debug, Clone, Copy)]
pub enum Limit {
    Most(f64),
    Least(f64),
}

impl Limit {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::Most(most) => value <= most,
            Self::Least(least) => value >= least,
        }
    }
}

/// What was promised, and whether it is met.
type Bar = (String, bool);

#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<(String, String, Option<Bar>)>,
}

impl Report {
    pub fn fact(&mut self, what: impl Into<String>, measured: impl Into<String>) {
        self.rows.push((what.into(), measured.into(), None));
    }

    pub fn bar(&mut self, what: impl Into<String>, value: f64, limit: Limit) {
        let promised = match limit {
            Limit::Most(most) => format!("≤ {most}"),
            Limit::Least(least) => format!("≥ {least}"),
        };
        let bar = Some((promised, limit.is_met(value)));
        self.rows.push((what.into(), format!("{value:.2}"), bar));
    }

    pub fn is_met(&self) -> bool {
        self.rows
            .iter()
            .all(|(_, _, bar)| bar.as_ref().is_none_or(|(_, is_met)| *is_met))
    }

    /// As Markdown, the bars last; `facts` are about the run.
    pub fn markdown(&self, facts: &str) -> String {
        let mut text = format!("{facts}\n\n| | measured | bar | |\n|---|---|---|---|\n");
        for has_bar in [false, true] {
            for (what, measured, bar) in self.rows.iter().filter(|(_, _, bar)| bar.is_some() == has_bar) {
                let (promised, met) = match bar {
                    None => ("", ""),
                    Some((promised, true)) => (promised.as_str(), "met"),
                    Some((promised, false)) => (promised.as_str(), "**not met**"),
                };
                let _ = writeln!(text, "| {what} | {measured} | {promised} | {met} |");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_met_on_its_own_side_and_at_its_limit() {
        assert!(Limit::Most(3.0).is_met(3.0) && !Limit::Most(3.0).is_met(3.01));
        assert!(Limit::Least(45.0).is_met(45.0) && !Limit::Least(45.0).is_met(44.9));
        assert!(!Limit::Least(45.0).is_met(f64::NAN) && !Limit::Most(3.0).is_met(f64::NAN));
    }

    #[test]
    fn a_missed_bar_is_told_and_fails_the_whole() {
        let mut report = Report::default();
        report.bar("cold", 2.5, Limit::Most(3.0));
        report.fact("empty", "2.0 ms");
        assert!(report.is_met());
        report.bar("Node", 44.0, Limit::Least(45.0));
        assert!(!report.is_met());
        let rows =
            "| empty | 2.0 ms |  |  |\n| cold | 2.50 | ≤ 3 | met |\n| Node | 44.00 | ≥ 45 | **not met** |\n";
        assert!(report.markdown("").ends_with(rows), "{}", report.markdown(""));
    }
}
