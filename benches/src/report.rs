//! The results: one table for people, the same as JSON, and a picture.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{
    bars::Bar,
    cold_warm::Measured,
    onboarding::{self, Waits},
    reads::{MANY, OTHERS, Read},
    throughput::Throughput,
    ticks::{self, Tick},
};

/// One line of the table.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// What was measured.
    pub name: String,
    /// Starts and events.
    #[serde(flatten)]
    pub measured: Measured,
    /// Its cold CPU ÷ that of the first line, compared within each round.
    pub times_first: f64,
    /// Size of the zip file, in megabytes (10^6 bytes).
    pub zip_mb: Option<f64>,
    /// Instructions of a start by callgrind, in millions; none where valgrind is not installed.
    pub init_instructions_m: Option<f64>,
}

/// All of one run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// When it began.
    pub date: String,
    /// Where it ran, and with what.
    pub machine: Vec<(String, String)>,
    /// Rounds that the medians are over.
    pub rounds: usize,
    /// The table; the empty function first.
    pub lines: Vec<Line>,
    /// The verifier.
    pub throughput: Vec<Throughput>,
    /// What people ask for.
    pub reads: Vec<Read>,
    /// The sweep's ticks.
    pub ticks: Vec<Tick>,
    /// Stacks without a sweep and during one.
    pub onboarding: [Waits; 2],
    /// The promises.
    pub bars: Vec<Bar>,
}

impl Report {
    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::from("# Measured\n\n");
        let _ = writeln!(
            text,
            "By `cargo xtask bench`, {}; medians of {} rounds; programs are compared within each.\n",
            self.date, self.rounds
        );
        for (name, value) in &self.machine {
            let _ = writeln!(text, "- {name}: {value}");
        }
        text.push_str(
            "\n| | init CPU ms (wall) | first event CPU ms (wall) | cold CPU ms (× empty) | warm event CPU ms (wall) | first ÷ warm CPU \
             | RSS MB | zip MB | init Ir M | calls of an event |\n|---|---|---|---|---|---|---|---|---|---|\n",
        );
        for line in &self.lines {
            let m = &line.measured;
            let optional = |value: Option<f64>| value.map(|value| format!("{value:.2}")).unwrap_or_default();
            let _ = writeln!(
                text,
                "| {} | {:.2} ({:.1}) | {:.2} ({:.1}) | {:.2} ({:.2}×) | {:.3} ({:.2}) | {:.1} | {:.1} | {} | {} | {} |",
                line.name,
                m.init_cpu_ms,
                m.init_wall_ms,
                m.first_cpu_ms,
                m.first_wall_ms,
                m.cold_cpu_ms,
                line.times_first,
                m.warm_cpu_ms,
                m.warm_wall_ms,
                m.first_cpu_ms / m.warm_cpu_ms,
                m.rss_mb,
                optional(line.zip_mb),
                optional(line.init_instructions_m),
                m.calls,
            );
        }
        text.push_str(
            "\n| verifier: connections at once | calls/s | share of the ideal | CPU µs a call | peak RSS MB (large chunks) | \
             connections opened again | the stub's answer, ms |\n|---|---|---|---|---|---|---|\n",
        );
        for t in &self.throughput {
            let _ = writeln!(
                text,
                "| {} | {:.0} | {:.0} % | {:.0} | {:.1} ({:.1}) | {} | {:.1} |",
                t.concurrency,
                t.calls_per_second,
                t.share_of_ideal * 100.0,
                t.cpu_us_per_call,
                t.peak_rss_mb,
                t.peak_rss_of_large_chunks_mb,
                t.reconnections,
                t.latency_ms,
            );
        }
        let _ = writeln!(
            text,
            "\n| a tenant's connections, by the API | few: ms (CPU) | {MANY} among {}: ms (CPU) | calls, items read | \
             connections shown |\n|---|---|---|---|---|",
            MANY * (OTHERS + 1)
        );
        for r in &self.reads {
            let _ = writeln!(
                text,
                "| {} | {:.2} ({:.2}) | {:.2} ({:.2}) | {}, {} | {} |",
                r.name,
                r.few_wall_ms,
                r.few_cpu_ms,
                r.many_wall_ms,
                r.many_cpu_ms,
                r.calls,
                r.items,
                r.connections,
            );
        }
        let _ = writeln!(
            text,
            "\n| a tick, each call {} ms: connections in the table | ms | CPU ms | queued, in messages | calls to table, queue | \
             RSS MB |\n|---|---|---|---|---|---|",
            ticks::LATENCY.as_millis()
        );
        for t in &self.ticks {
            let _ = writeln!(
                text,
                "| {} | {:.1} | {:.2} | {}, {} | {}, {} | {:.1} |",
                t.connections,
                t.wall_ms,
                t.cpu_ms,
                t.queued,
                t.messages,
                t.table_calls,
                t.queue_calls,
                t.rss_mb,
            );
        }
        let _ = writeln!(
            text,
            "\n| stacks, each call {} ms | how many | median ms | p99 ms | STS calls/s (quota {}) | throttled |\n|---|---|---|---|---|---|",
            onboarding::LATENCY.as_millis(),
            onboarding::QUOTA,
        );
        for w in &self.onboarding {
            let _ = writeln!(
                text,
                "| {} | {} | {:.0} | {:.0} | {:.0} | {} |",
                w.name, w.customers, w.median_ms, w.p99_ms, w.sts_calls_per_second, w.throttled,
            );
        }
        text.push_str("\n| bar | measured | promised | |\n|---|---|---|---|\n");
        for bar in &self.bars {
            let _ = writeln!(
                text,
                "| {} | {:.2} | {} {} | {} |",
                bar.name,
                bar.value,
                if bar.is_minimum { "≥" } else { "≤" },
                bar.limit,
                if bar.is_met() { "met" } else { "**not met**" },
            );
        }
        text
    }

    /// Cold CPU of each line as bars, on a logarithmic scale.
    pub fn svg(&self) -> String {
        /// Where the bars begin, and how much of them a factor of ten is.
        const LEFT: f64 = 320.0;
        const DECADE: f64 = 200.0;
        const HEIGHT: usize = 24;
        let width = |ms: f64| (ms.max(1.0).log10() * DECADE).max(1.0);
        let bottom = self.lines.len() * HEIGHT + 40;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"960\" height=\"{}\" font-family=\"sans-serif\" \
             font-size=\"13\">\n<text x=\"8\" y=\"20\" font-weight=\"bold\">CPU of a cold start with its first event, \
             in ms (logarithmic)</text>\n",
            bottom + 28
        );
        for (tick, ms) in [1.0, 10.0, 100.0, 1_000.0].into_iter().enumerate() {
            let x = LEFT + tick as f64 * DECADE;
            let _ = writeln!(
                svg,
                "<line x1=\"{x}\" x2=\"{x}\" y1=\"32\" y2=\"{bottom}\" stroke=\"#ccc\"/><text x=\"{x}\" y=\"{}\" \
                 text-anchor=\"middle\" fill=\"#666\">{ms}</text>",
                bottom + 18
            );
        }
        for (index, line) in self.lines.iter().enumerate() {
            let (y, m) = (index * HEIGHT + 36, &line.measured);
            let (init, cold) = (width(m.init_cpu_ms), width(m.cold_cpu_ms));
            let name = line.name.replace('&', "&amp;").replace('<', "&lt;");
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}</text>\
                 <rect x=\"{LEFT}\" y=\"{y}\" width=\"{cold:.1}\" height=\"16\" fill=\"#9ecae1\"/>\
                 <rect x=\"{LEFT}\" y=\"{y}\" width=\"{init:.1}\" height=\"16\" fill=\"#3182bd\"/>\
                 <text x=\"{:.1}\" y=\"{}\">{:.1}</text>",
                LEFT - 8.0,
                y + 13,
                LEFT + cold + 6.0,
                y + 13,
                m.cold_cpu_ms,
            );
        }
        svg.push_str("</svg>\n");
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let line = |name: &str, cold: f64| Line {
            name: name.to_owned(),
            measured: Measured {
                cold_cpu_ms: cold,
                ..Measured::default()
            },
            times_first: cold / 2.0,
            zip_mb: Some(2.5),
            init_instructions_m: None,
        };
        Report {
            date: "2026-11-21".to_owned(),
            machine: vec![("cores".to_owned(), "2".to_owned())],
            rounds: 3,
            lines: vec![line("empty", 2.0), line("a < b", 5.0)],
            throughput: Vec::new(),
            reads: Vec::new(),
            ticks: Vec::new(),
            onboarding: Default::default(),
            bars: vec![Bar {
                name: "cold".to_owned(),
                value: 2.5,
                limit: 2.6,
                is_minimum: false,
            }],
        }
    }

    #[test]
    fn each_line_is_set_against_the_first_and_each_bar_says_whether_it_is_met() {
        let text = report().markdown();
        assert!(
            text.contains("| a < b | 0.00 (0.0) | 0.00 (0.0) | 5.00 (2.50×) |"),
            "{text}"
        );
        assert!(text.contains("| cold | 2.50 | ≤ 2.6 | met |"), "{text}");
    }

    #[test]
    fn names_cannot_break_the_picture() {
        let svg = report().svg();
        assert!(svg.contains("a &lt; b") && !svg.contains("a < b"));
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    }
}
