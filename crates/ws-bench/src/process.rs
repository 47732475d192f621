//! CPU time and resident memory of one process, from `/proc`. Linux only.
//!
//! It counts all threads of the process, but no child processes, kernel threads or interrupts.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Instant;

use crate::failure::Failure;

/// `/proc/PID/stat` counts in ticks of 1/100 s, whatever the kernel's own tick is.
const TICK_NS: u64 = 10_000_000;

#[derive(Debug, Clone)]
pub(crate) struct Process {
    folder: PathBuf,
}

impl Process {
    /// Fails if the process cannot be read.
    pub(crate) fn of(pid: u32) -> Result<Process, Failure> {
        let process = Process { folder: format!("/proc/{pid}").into() };
        match process.cpu_ns().and(process.rss_kib()) {
            Ok(_) => Ok(process),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let error = io::Error::other("no such process on this machine (it is read from /proc)");
                Err(Failure::Process { pid, error })
            }
            Err(error) => Err(Failure::Process { pid, error }),
        }
    }

    /// ws-bench itself.
    pub(crate) fn own() -> Process {
        Process { folder: "/proc/self".into() }
    }

    /// CPU time of its threads. Threads that have ended do not count.
    pub(crate) fn cpu_ns(&self) -> io::Result<u64> {
        let mut sum = 0;
        for task in fs::read_dir(self.folder.join("task"))? {
            let task = task?.path();
            let exact = fs::read_to_string(task.join("schedstat")).ok();
            let exact = exact.as_deref().and_then(schedstat_ns);
            let ticks = || fs::read_to_string(task.join("stat")).ok().as_deref().and_then(stat_ns);
            sum += exact.or_else(ticks).unwrap_or(0);
        }
        Ok(sum)
    }

    /// Resident memory.
    pub(crate) fn rss_kib(&self) -> io::Result<u64> {
        let status = fs::read_to_string(self.folder.join("status"))?;
        vm_rss_kib(&status).ok_or_else(|| io::Error::other("no VmRSS in its status"))
    }
}

/// `schedstat`: ns on a CPU, ns waiting for one, time slices. All zero if the kernel does not keep them.
fn schedstat_ns(text: &str) -> Option<u64> {
    let ns = text.split_whitespace().next()?.parse().ok()?;
    (ns > 0).then_some(ns)
}

/// `stat`: the name in parentheses may contain anything; utime and stime are the 12th and 13th field after it.
fn stat_ns(text: &str) -> Option<u64> {
    let mut fields = text[text.rfind(')')? + 1..].split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) * TICK_NS)
}

fn vm_rss_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// A point in time, with the CPU time of server and client so far.
#[derive(Debug)]
pub(crate) struct Mark {
    at: Instant,
    server_ns: Option<u64>,
    client_ns: Option<u64>,
}

/// The time between two marks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Interval {
    pub(crate) seconds: f64,
    /// CPU time; `None` without `--pid`, or if it could not be read.
    pub(crate) server_cpu_us: Option<f64>,
    pub(crate) client_cpu_us: Option<f64>,
}

impl Mark {
    pub(crate) fn now(server: Option<&Process>) -> Mark {
        let server_ns = server.and_then(|server| server.cpu_ns().ok());
        let client_ns = Process::own().cpu_ns().ok();
        Mark { at: Instant::now(), server_ns, client_ns }
    }

    pub(crate) fn until(&self, end: &Mark) -> Interval {
        let us = |from: Option<u64>, to: Option<u64>| Some(to?.saturating_sub(from?) as f64 / 1000.0);
        Interval {
            seconds: (end.at - self.at).as_secs_f64(),
            server_cpu_us: us(self.server_ns, end.server_ns),
            client_cpu_us: us(self.client_ns, end.client_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedstat_is_nanoseconds_unless_the_kernel_keeps_none() {
        assert_eq!(schedstat_ns("728695 12 1\n"), Some(728_695));
        assert_eq!(schedstat_ns("0 0 0\n"), None);
        assert_eq!(schedstat_ns(""), None);
    }

    #[test]
    fn stat_is_read_behind_the_name() {
        let stat = "42 (a) b ) c) S 1 42 42 0 -1 4194304 100 0 0 0 7 5 0 0 20 0 1 0 99 0 0\n";
        assert_eq!(stat_ns(stat), Some(120_000_000));
        assert_eq!(stat_ns("42 (x) S 1"), None);
        assert_eq!(stat_ns(""), None);
    }

    #[test]
    fn resident_memory_stands_in_status() {
        assert_eq!(vm_rss_kib("Name:\tx\nVmHWM:\t 9 kB\nVmRSS:\t    4260 kB\n"), Some(4260));
        assert_eq!(vm_rss_kib("Name:\tx\n"), None);
    }

    #[test]
    fn this_process_can_be_read_and_a_missing_one_is_an_error() {
        assert!(Process::of(std::process::id()).is_ok());
        assert!(Process::own().rss_kib().is_ok_and(|kib| kib > 0));
        let error = Process::of(u32::MAX).expect_err("no such process").to_string();
        assert!(error.contains("no such process"), "{error}");
    }

    #[test]
    fn an_interval_lacks_what_was_not_read() {
        let (from, to) = (Mark::now(None), Mark::now(None));
        let interval = from.until(&to);
        assert!(interval.server_cpu_us.is_none() && interval.client_cpu_us.is_some());
    }
}
