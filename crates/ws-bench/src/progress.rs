//! Progress on stderr: one line that is rewritten on a terminal, or else a new line every second.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use crate::report::grouped;

const REWRITE_INTERVAL: Duration = Duration::from_millis(200);
const LINE_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Progress {
    enabled: bool,
    terminal: bool,
    last: Instant,
    last_count: u64,
}

impl Progress {
    pub(crate) fn new(quiet: bool) -> Progress {
        Progress { enabled: !quiet, terminal: stderr().is_terminal(), last: Instant::now(), last_count: 0 }
    }

    /// Begins a new stage, whose count starts at `count`.
    pub(crate) fn begin(&mut self, count: u64) {
        (self.last, self.last_count) = (Instant::now(), count);
    }

    /// Shows how far `stage` is, unless it did so a moment ago.
    pub(crate) fn show(&mut self, stage: &str, elapsed: Duration, whole: Duration, count: u64, unit: &str) {
        let since = self.last.elapsed();
        if since < if self.terminal { REWRITE_INTERVAL } else { LINE_INTERVAL } {
            return;
        }
        let rate = count.saturating_sub(self.last_count) as f64 / since.as_secs_f64();
        self.begin(count);
        self.print(&line(stage, elapsed, whole, rate, unit));
    }

    /// Shows how many connections are open.
    pub(crate) fn show_open(&mut self, open: usize, wanted: usize) {
        if self.last.elapsed() >= if self.terminal { REWRITE_INTERVAL } else { LINE_INTERVAL } {
            self.begin(0);
            self.print(&format!("opening: {} of {} connections", grouped(open as u64), grouped(wanted as u64)));
        }
    }

    fn print(&self, line: &str) {
        if self.enabled {
            let (start, end) = if self.terminal { ("\r\x1b[K", "") } else { ("", "\n") };
            let mut out = stderr().lock();
            let _ = write!(out, "{start}{line}{end}");
            let _ = out.flush();
        }
    }

    /// Erases the rewritten line.
    pub(crate) fn clear(&self) {
        if self.enabled && self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn line(stage: &str, elapsed: Duration, whole: Duration, rate: f64, unit: &str) -> String {
    let (elapsed, whole) = (elapsed.as_secs_f64(), whole.as_secs_f64());
    format!("{stage}: {elapsed:.1} of {whole:.1} s, {} {unit}/s", grouped(rate.round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_stage_time_and_rate() {
        let line = line("measuring", Duration::from_millis(1500), Duration::from_secs(5), 12_345.6, "requests");
        assert_eq!(line, "measuring: 1.5 of 5.0 s, 12,346 requests/s");
    }
}
