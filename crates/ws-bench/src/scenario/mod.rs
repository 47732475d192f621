//! The scenarios, and what they have in common: stages that end in time, or with Ctrl-C.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::time::sleep;

use crate::cli::{Cli, Common, Scenario};
use crate::failure::Failure;
use crate::process::{Interval, Mark, Process};
use crate::progress::Progress;
use crate::report::Report;

mod attack;
mod board;
mod channels;
mod connect;
mod echo;
mod fanout;
mod idle;
mod order;
mod pace;
mod publish;
mod recover;
mod slow;
mod stream;

/// How often the main thread looks at the lanes.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long answers may stay out, once no more is asked, before they are counted as lost.
const PATIENCE: Duration = Duration::from_secs(2);
/// After the last delivery: time for a duplicate to show up.
const AFTERMATH: Duration = Duration::from_millis(50);
/// A stage that ends by itself may take this long…
const STAGE_TIME_MAX: Duration = Duration::from_secs(600);
/// …and stand still this long.
const STANDSTILL_TIME_MAX: Duration = Duration::from_secs(10);

/// Carries out what the command line says. The calling thread only looks on; lanes do the work.
pub(crate) fn run(cli: Cli) -> Result<Report, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stage = Stage::new(cli.scenario.common())?;
        match cli.scenario {
            Scenario::Echo(options) => echo::run(options, stage).await,
            Scenario::Fanout(options) => fanout::run(options, stage).await,
            Scenario::Idle(options) => idle::run(options, stage).await,
            Scenario::Connect(options) => connect::run(options, stage).await,
            Scenario::Channels(options) => channels::run(options, stage).await,
            Scenario::Recover(options) => recover::run(options, stage).await,
            Scenario::Slow(options) => slow::run(options, stage).await,
            Scenario::Publish(options) => publish::run(options, stage).await,
            Scenario::Attack(options) => attack::run(options, stage).await,
        }
    })
}

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
    warmup: Duration,
    duration: Duration,
    interrupted: bool,
    ctrl_c: Pin<Box<dyn Future<Output = io::Result<()>>>>,
}

impl Stage {
    fn new(common: &Common) -> Result<Stage, Failure> {
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
    async fn pass(
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
    async fn until_over(&mut self, name: &str, unit: &str, mut look: impl FnMut() -> Look) -> io::Result<()> {
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
    async fn measure(
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
    async fn drain(&mut self, mut left: impl FnMut() -> u64) {
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
    fn rss_kib(&self) -> Option<u64> {
        self.server.as_ref().and_then(|server| server.rss_kib().ok())
    }

    /// What every report ends with.
    fn finish(&self, report: &mut Report) {
        if self.interrupted {
            report.note("interrupted: the figures are of the time until then");
        }
        let gone = self.server.as_ref().is_some_and(|server| server.cpu_ns().is_err());
        if gone {
            report.problem("the server process ended during the run");
        }
    }
}
