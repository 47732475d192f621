//! The stages of a run. A stage ends after a fixed time, when nothing more can happen, or on Ctrl-C.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::cli::Common;
use crate::failure::Failure;
use crate::process::{Interval, Mark, Process};
use crate::progress::Progress;
use crate::report::Report;

/// How often the main thread polls the lanes.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// How long to wait without progress for answers that are still missing, before they count as lost.
pub(crate) const PROGRESS_TIMEOUT: Duration = Duration::from_secs(2);
/// After the last delivery: time for a duplicate to show up.
pub(crate) const DUPLICATES_WAIT: Duration = Duration::from_millis(50);
/// Longest time for a stage that ends by itself.
const STAGE_TIME_MAX: Duration = Duration::from_secs(600);
/// Longest time such a stage may go without progress.
const STALL_TIME_MAX: Duration = Duration::from_secs(10);

/// What the lanes have counted so far: for progress, and to end a stage early.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Status {
    pub(crate) count: u64,
    /// Nothing more can happen.
    pub(crate) over: bool,
}

/// Times the parts of a run.
pub(crate) struct Stage {
    pub(crate) progress: Progress,
    pub(crate) server: Option<Process>,
    pub(crate) warmup: Duration,
    pub(crate) duration: Duration,
    pub(crate) interrupted: bool,
    ctrl_c: Pin<Box<dyn Future<Output = io::Result<()>>>>,
}

impl Stage {
    pub(crate) fn new(common: &Common) -> Result<Stage, Failure> {
        Ok(Stage {
            progress: Progress::new(common.quiet),
            server: common.pid.map(Process::of).transpose()?,
            warmup: common.warmup,
            duration: common.duration,
            interrupted: false,
            ctrl_c: Box::pin(tokio::signal::ctrl_c()),
        })
    }

    /// `None` when Ctrl-C comes first.
    pub(crate) async fn unless_interrupted<T>(&mut self, work: impl Future<Output = T>) -> io::Result<Option<T>> {
        if self.interrupted {
            return Ok(None);
        }
        tokio::select! {
            result = &mut self.ctrl_c => {
                self.interrupted = true;
                result.map(|()| None)
            }
            value = work => Ok(Some(value)),
        }
    }

    /// Lets the lanes work for `whole`. Ends early on Ctrl-C, or when `look` says that it is over.
    pub(crate) async fn run_for(
        &mut self,
        name: &str,
        whole: Duration,
        unit: &str,
        mut look: impl FnMut() -> Status,
    ) -> io::Result<()> {
        let start = Instant::now();
        self.progress.begin(look().count);
        loop {
            let elapsed = start.elapsed();
            let Status { count, over } = look();
            if elapsed >= whole || over || self.interrupted {
                return Ok(());
            }
            self.progress.show(name, elapsed, whole, count, unit);
            self.unless_interrupted(sleep(POLL_INTERVAL.min(whole - elapsed))).await?;
        }
    }

    /// Lets the lanes work until `look` says that it is over, or until there is no more progress.
    pub(crate) async fn run_until_over(
        &mut self,
        name: &str,
        unit: &str,
        mut look: impl FnMut() -> Status,
    ) -> io::Result<()> {
        let (mut last, mut since) = (0, Instant::now());
        let look = || {
            let Status { count, over } = look();
            if count != last {
                (last, since) = (count, Instant::now());
            }
            Status { count, over: over || since.elapsed() >= STALL_TIME_MAX }
        };
        self.run_for(name, STAGE_TIME_MAX, unit, look).await
    }

    /// Warms up, calls `begin` and measures. Without a warm-up there is nothing to reset, and `begin` is not called.
    pub(crate) async fn measure(
        &mut self,
        unit: &str,
        begin: impl FnOnce(),
        mut look: impl FnMut() -> Status,
    ) -> Result<Interval, Failure> {
        self.run_for("warming up", self.warmup, unit, &mut look).await?;
        if self.interrupted {
            return Err(Failure::Interrupted);
        }
        if !self.warmup.is_zero() {
            begin();
        }
        let from = Mark::now(self.server.as_ref());
        self.run_for("measuring", self.duration, unit, &mut look).await?;
        Ok(from.until(&Mark::now(self.server.as_ref())))
    }

    /// Waits until `left` returns 0, as long as there is progress.
    pub(crate) async fn drain(&mut self, mut left: impl FnMut() -> u64) {
        self.progress.clear();
        let (mut last, mut since) = (left(), Instant::now());
        while last > 0 && since.elapsed() < PROGRESS_TIMEOUT {
            sleep(Duration::from_millis(5)).await;
            let now = left();
            if now < last {
                (last, since) = (now, Instant::now());
            }
        }
    }

    /// Resident memory of the server, if `--pid` was given and it can be read.
    pub(crate) fn rss_kib(&self) -> Option<u64> {
        self.server.as_ref().and_then(|server| server.rss_kib().ok())
    }

    /// Adds the notes that every report ends with.
    pub(crate) fn finish(&self, report: &mut Report) {
        if self.interrupted {
            report.note("interrupted: the figures cover the time until then");
        }
        let gone = self.server.as_ref().is_some_and(|server| server.cpu_ns().is_err());
        if gone {
            report.problem("the server process ended during the run");
        }
    }
}
