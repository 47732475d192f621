//! Opens connections, a limited number at a time, each on its own lane.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::failure::Failure;
use crate::lanes::Lanes;
use crate::socket::{ConnectError, Socket};
use crate::stage::{POLL_INTERVAL, Stage};
use crate::target::Server;

/// Default number of handshakes in progress.
pub(crate) const CONCURRENCY: usize = 64;

/// What the tasks that open connections share.
struct Opening<A> {
    server: Server,
    wanted: usize,
    /// Number of tasks, each with one handshake in progress. A task opens every `stride`-th connection.
    stride: usize,
    opened: AtomicUsize,
    accept: A,
}

/// Opens `wanted` connections with about `concurrency` handshakes in progress. Calls `accept` with the index and the
/// socket of each, on the thread of its lane, in no particular order. Returns how long it took. Ends with the first
/// connection that fails.
pub(crate) async fn open<S: Send + 'static>(
    lanes: &Lanes<S>,
    server: Server,
    (wanted, concurrency): (usize, usize),
    stage: &mut Stage,
    accept: impl Fn(usize, Socket) + Send + Sync + 'static,
) -> Result<Duration, Failure> {
    let start = Instant::now();
    // A multiple of the number of lanes, so that all connections of a task are on its own lane.
    let stride = concurrency.next_multiple_of(lanes.count());
    let opening = Arc::new(Opening { server, wanted, stride, opened: AtomicUsize::new(0), accept });
    let (failed, mut failures) = mpsc::channel(1);
    for first in 0..stride.min(wanted) {
        let (opening, failed) = (opening.clone(), failed.clone());
        lanes.runtime(first).spawn(async move {
            if let Err(error) = opening.every_from(first).await {
                let _ = failed.send(error).await;
            }
        });
    }
    drop(failed);
    let failure = loop {
        let wait = async {
            tokio::select! {
                failure = failures.recv() => Some(failure),
                () = sleep(POLL_INTERVAL) => None,
            }
        };
        stage.progress.show_open(opening.opened.load(Relaxed), wanted);
        if let Some(end) = stage.unless_interrupted(wait).await?.ok_or(Failure::Interrupted)? {
            break end;
        }
    };
    match (failure, opening.opened.load(Relaxed)) {
        (None, _) => Ok(start.elapsed()),
        // If the first connection fails, its number says nothing.
        (Some(error), 0) => Err(Failure::Connect(error)),
        (Some(error), opened) => Err(Failure::Opening { number: opened + 1, wanted, error }),
    }
}

impl<A: Fn(usize, Socket)> Opening<A> {
    async fn every_from(&self, first: usize) -> Result<(), ConnectError> {
        for index in (first..self.wanted).step_by(self.stride) {
            let socket = Socket::connect(&self.server, index).await?;
            self.opened.fetch_add(1, Relaxed);
            (self.accept)(index, socket);
        }
        Ok(())
    }
}

/// Opens `wanted` connections and returns them, each with its index.
pub(crate) async fn open_all<S: Send + 'static>(
    lanes: &Lanes<S>,
    server: Server,
    wanted: usize,
    stage: &mut Stage,
) -> Result<Vec<(usize, Socket)>, Failure> {
    let (sender, sockets) = std::sync::mpsc::channel();
    let accept = move |index, socket| drop(sender.send((index, socket)));
    open(lanes, server, (wanted, CONCURRENCY), stage, accept).await?;
    Ok(sockets.try_iter().collect())
}
