//! How far a long command is: a bar on a terminal, a plain line now and then anywhere else.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::verify::progress_bar;

/// How often a plain line is printed.
const EVERY: Duration = Duration::from_secs(10);

/// Progress on standard error.
pub(super) struct ProgressLine {
    bar: ProgressBar,
    doing: &'static str,
    plain: bool,
    told: Instant,
}

impl ProgressLine {
    /// Progress from 0 to `total`.
    pub(super) fn new(doing: &'static str, total: u64) -> Self {
        let bar = progress_bar(doing);
        bar.set_length(total);
        Self { plain: bar.is_hidden(), bar, doing, told: Instant::now() }
    }

    /// Sets the number of items done.
    pub(super) fn at(&mut self, done: u64) {
        self.bar.set_position(done);
        if self.plain && self.told.elapsed() >= EVERY {
            self.told = Instant::now();
            eprintln!("{}: {done} of {}", self.doing, self.bar.length().unwrap_or_default());
        }
    }

    /// One more is done.
    pub(super) fn step(&mut self) {
        self.at(self.bar.position() + 1);
    }

    /// A line on standard output, above the bar.
    pub(super) fn say(&self, line: &str) {
        self.bar.suspend(|| println!("{line}"));
    }

    /// Removes the bar.
    pub(super) fn end(self) {
        self.bar.finish_and_clear();
    }
}
