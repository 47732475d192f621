//! Good clients that come while others attack: each makes a handshake, waits for the greeting and leaves. One that is not
//! let in is a problem.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use crate::lanes::Lanes;
use crate::measure::{Complaints, Latencies};
use crate::report::{Report, Value};
use crate::socket::Socket;
use crate::target::Server;

/// The newcomers of one turn, and how they fared.
#[derive(Debug)]
pub(super) struct Newcomers {
    server: Server,
    /// Closed at the end of the turn.
    pub(super) over: Semaphore,
    came: AtomicU64,
    results: Mutex<(Latencies, Complaints)>,
}

/// Begins a turn: so many come each second, one task for each of them.
pub(super) fn begin(server: Server, count: usize, others: &Lanes<()>) -> Arc<Newcomers> {
    let results = Mutex::new((Latencies::new(), Complaints::default()));
    let newcomers = Arc::new(Newcomers { server, over: Semaphore::new(0), came: AtomicU64::new(0), results });
    for index in 0..count {
        let first = Duration::from_secs_f64(index as f64 / count as f64);
        others.runtime(index).spawn(newcomers.clone().run(index, first));
    }
    newcomers
}

impl Newcomers {
    /// One each second.
    async fn run(self: Arc<Self>, index: usize, first: Duration) {
        let again = async {
            let mut due = Instant::now() + first;
            loop {
                sleep_until(due).await;
                self.come(index).await;
                due = Instant::now().max(due + Duration::from_secs(1));
            }
        };
        tokio::select! {
            () = again => {}
            _ = self.over.acquire() => {}
        }
    }

    fn results(&self) -> MutexGuard<'_, (Latencies, Complaints)> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn come(&self, index: usize) {
        let began = Instant::now();
        let connected = Socket::connect(&self.server, index).await;
        self.came.fetch_add(1, Relaxed);
        match connected {
            Ok(socket) => {
                let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
                self.results().0.record(nanos);
                drop(socket);
            }
            Err(error) => self.results().1.note(error),
        }
    }
}

/// All turns together.
pub(super) fn report<'a>(report: &mut Report, turns: impl Iterator<Item = &'a Newcomers>) {
    let (mut came, mut latencies, mut refused) = (0, Latencies::new(), Complaints::default());
    for turn in turns {
        let results = turn.results();
        came += turn.came.load(Relaxed);
        latencies.add(&results.0);
        refused.add(&results.1);
    }
    if came > 0 {
        report.figure("newcomers_came", "newcomers", Value::Count(came));
        report.figure("newcomers_us", "  until they were greeted", Value::Latency(latencies.quantiles()));
        report.complaints(&refused, "newcomers not let in");
    }
}
