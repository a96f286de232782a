//! How the story is told on a terminal.

use std::{
    io::{IsTerminal as _, Write as _},
    time::Instant,
};

/// Tells the story on stderr, so that stdout holds the result alone.
pub struct Screen {
    started: Instant,
    colours: bool,
}

impl Screen {
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            colours: std::io::stderr().is_terminal(),
        }
    }

    pub fn heading(&self, text: &str) {
        self.line(&format!("\n{}", self.paint("1", text)));
    }

    /// Something that somebody does.
    pub fn step(&self, who: &str, text: &str) {
        let seconds = self.started.elapsed().as_secs_f32();
        self.line(&format!("{seconds:6.1} s  {:<12} {text}", self.paint("36", who)));
    }

    /// Something that somebody sees.
    pub fn sees(&self, text: &str) {
        self.line(&format!("{:>24} {text}", "│"));
    }

    /// The end of something, as it should be or not.
    pub fn result(&self, good: bool, text: &str) {
        let mark = if good {
            self.paint("32", "✔")
        } else {
            self.paint("31", "✘")
        };
        self.line(&format!("{:>22} {mark} {text}", ""));
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colours {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    fn line(&self, text: &str) {
        // Nobody is left to read where stderr is closed.
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}
