//! The stages of a run: each ends after its time, when nothing more can happen, or with Ctrl-C.

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

/// How often the main thread looks at the lanes.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long to wait without progress for answers that are still missing, before they count as lost.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);
/// After the last delivery: time for a duplicate to show up.
pub(crate) const AFTERMATH: Duration = Duration::from_millis(50);
/// Longest time for a stage that ends by itself.
const STAGE_TIME_MAX: Duration = Duration::from_secs(600);
/// Longest time such a stage may go without progress.
const STANDSTILL_TIME_MAX: Duration = Duration::from_secs(10);

/// What a lane has counted so far, for progress and for ending early.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
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

    /// Lets the lanes work for `whole`; ends early with Ctrl-C, or when `look` says that it is over.
    pub(crate) async fn pass(
        &mut self,
        name: &str,
        whole: Duration,
        unit: &str,
        mut look: impl FnMut() -> Look,
    ) -> io::Result<()> {
        let start = Instant::now();
        self.progress.begin(look().count);
        loop {
            let elapsed = start.elapsed();
            let Look { count, over } = look();
            if elapsed >= whole || over || self.interrupted {
                return Ok(());
            }
            self.progress.tell(name, elapsed, whole, count, unit);
            self.unless_interrupted(sleep(LOOK_EVERY.min(whole - elapsed))).await?;
        }
    }

    /// Lets the lanes work until `look` says that it is over, or until nothing moves any more.
    pub(crate) async fn until_over(
        &mut self,
        name: &str,
        unit: &str,
        mut look: impl FnMut() -> Look,
    ) -> io::Result<()> {
        let (mut last, mut since) = (0, Instant::now());
        let look = || {
            let Look { count, over } = look();
            if count != last {
                (last, since) = (count, Instant::now());
            }
            Look { count, over: over || since.elapsed() >= STANDSTILL_TIME_MAX }
        };
        self.pass(name, STAGE_TIME_MAX, unit, look).await
    }

    /// Warms up, calls `begin`, measures. Without a warm-up nothing has to be forgotten: what was counted while this
    /// thread was on its way is part of the measurement, and `begin` is not called.
    pub(crate) async fn measure(
        &mut self,
        unit: &str,
        begin: impl FnOnce(),
        mut look: impl FnMut() -> Look,
    ) -> Result<Interval, Failure> {
        self.pass("warming up", self.warmup, unit, &mut look).await?;
        if self.interrupted {
            return Err(Failure::Interrupted);
        }
        if !self.warmup.is_zero() {
            begin();
        }
        let from = Mark::now(self.server.as_ref());
        self.pass("measuring", self.duration, unit, &mut look).await?;
        Ok(from.until(&Mark::now(self.server.as_ref())))
    }

    /// Waits until `left` says that nothing is outstanding, for as long as that makes progress.
    pub(crate) async fn drain(&mut self, mut left: impl FnMut() -> u64) {
        self.progress.clear();
        let (mut last, mut since) = (left(), Instant::now());
        while last > 0 && since.elapsed() < PATIENCE {
            sleep(Duration::from_millis(5)).await;
            let now = left();
            if now < last {
                (last, since) = (now, Instant::now());
            }
        }
    }

    /// Resident memory of the server, if it was named and can be read.
    pub(crate) fn rss_kib(&self) -> Option<u64> {
        self.server.as_ref().and_then(|server| server.rss_kib().ok())
    }

    /// What every report ends with.
    pub(crate) fn finish(&self, report: &mut Report) {
        if self.interrupted {
            report.note("interrupted: the figures are of the time until then");
        }
        let gone = self.server.as_ref().is_some_and(|server| server.cpu_ns().is_err());
        if gone {
            report.problem("the server process ended during the run");
        }
    }
}
