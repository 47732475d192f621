//! What the system counts about this process. Linux tells all of it; other systems leave some out.

use std::fs;
use std::sync::OnceLock;

use rustix::param::clock_ticks_per_second;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// What costs little to ask, and what does not change. `None`: the system does not tell.
#[derive(Debug)]
pub(crate) struct ProcessStats {
    /// Processor time of all threads, in seconds.
    pub(crate) cpu_seconds: f64,
    /// Open file descriptors.
    pub(crate) open_fds: Option<u64>,
    /// How many it may open; `None`: any number.
    pub(crate) max_fds: Option<u64>,
    /// When it was started, in seconds since 1970.
    pub(crate) start_seconds: Option<f64>,
    /// Its memory and threads.
    pub(crate) status: Status,
}

/// Part of `/proc/self/status`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) virtual_bytes: Option<u64>,
    pub(crate) threads: Option<u64>,
}

impl ProcessStats {
    /// As of now. Linux before 6.2 takes some milliseconds for it when many descriptors are open.
    pub(crate) fn read() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        ProcessStats {
            cpu_seconds: cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
            open_fds: open_fds(),
            max_fds: getrlimit(Resource::Nofile).current,
            start_seconds: start_seconds(),
            status: Status::read(),
        }
    }
}

impl Status {
    /// As of now; without `/proc`, nothing is known.
    pub(crate) fn read() -> Self {
        fs::read_to_string("/proc/self/status").map_or_else(|_| Status::default(), |text| Status::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let number = |name: &str| -> Option<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let bytes = |name: &str| number(name).map(|kib| kib * 1024);
        Status { resident_bytes: bytes("VmRSS"), virtual_bytes: bytes("VmSize"), threads: number("Threads") }
    }
}

/// Linux from 6.2 on gives their number as the length of the directory; before, they are counted.
fn open_fds() -> Option<u64> {
    let folder = "/proc/self/fd";
    match fs::metadata(folder).ok()?.len() {
        // One of them is the folder that is read here.
        0 => Some((fs::read_dir(folder).ok()?.count() as u64).saturating_sub(1)),
        known => Some(known),
    }
}

/// The start of the system, and then of the process, which does not change.
fn start_seconds() -> Option<f64> {
    static START: OnceLock<Option<f64>> = OnceLock::new();
    *START.get_or_init(|| {
        let (system, own) = (fs::read_to_string("/proc/stat").ok()?, fs::read_to_string("/proc/self/stat").ok()?);
        let booted: u64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
        Some(booted as f64 + start_ticks(&own)? as f64 / clock_ticks_per_second() as f64)
    })
}

/// Field 22 of `/proc/self/stat` (proc_pid_stat(5)). The name, in parentheses, may contain anything.
fn start_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status() {
        let text = "Name:\tws\nVmSize:\t  2048 kB\nVmRSS:\t 1024 kB\nThreads:\t7\n";
        let expect = Status { resident_bytes: Some(1_048_576), virtual_bytes: Some(2_097_152), threads: Some(7) };
        assert_eq!(Status::parse(text), expect);
        assert_eq!(Status::parse("VmRSSx: 1 kB\nThreads: many\n"), Status::default());
    }

    #[test]
    fn a_name_may_look_like_fields() {
        let stat = "1 (a) 2 3) S 1 1 1 0 -1 4194304 1 0 0 0 5 6 0 0 20 0 7 0 4242 9 9";
        assert_eq!(start_ticks(stat), Some(4242));
        assert_eq!(start_ticks("1 (a"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_everything() {
        let stats = ProcessStats::read();
        let Status { resident_bytes, virtual_bytes, threads } = stats.status;
        assert!(resident_bytes > Some(100_000) && virtual_bytes >= resident_bytes && threads > Some(0));
        assert!(stats.cpu_seconds > 0.0 && stats.open_fds > Some(2) && stats.open_fds < stats.max_fds);
        let started = stats.start_seconds.expect("a time");
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs_f64();
        assert!(started < now + 2.0 && started > now - 7.0 * 86_400.0, "{started} and now {now}");
    }
}
