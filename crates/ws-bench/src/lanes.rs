//! The threads that drive connections. Each lane is a thread with a runtime, a read buffer and a state of its own.
//!
//! A connection stays on one lane, and all connections of a lane share its [`LaneState`]. Nearly only the tasks of the
//! lane lock it, so nobody waits for the lock; the main thread reads it a few times a second.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

const READ_BUFFER_BYTES: usize = 256 << 10;

/// What the connections of one lane share.
#[derive(Debug)]
pub(crate) struct LaneState<S> {
    pub(crate) buffer: Box<[u8]>,
    /// Frames to be written to a socket next.
    pub(crate) out: Vec<u8>,
    pub(crate) state: S,
}

/// A handle to the state of a lane.
#[derive(Debug)]
pub(crate) struct Shared<S>(Arc<Mutex<LaneState<S>>>);

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Shared(self.0.clone())
    }
}

impl<S> Shared<S> {
    fn new(state: S) -> Shared<S> {
        let buffer = vec![0; READ_BUFFER_BYTES].into_boxed_slice();
        Shared(Arc::new(Mutex::new(LaneState { buffer, out: Vec::new(), state })))
    }

    /// Never held across an await.
    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, LaneState<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Lane<S> {
    runtime: Handle,
    shared: Shared<S>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Dropping them ends the threads and, with them, every connection.
#[derive(Debug)]
pub(crate) struct Lanes<S>(Vec<Lane<S>>);

impl<S: Send + 'static> Lanes<S> {
    /// Starts `threads` lanes; by default half as many as there are CPUs for this process, 1 to 4.
    pub(crate) fn start(threads: Option<u16>, state: impl Fn() -> S) -> io::Result<Lanes<S>> {
        let cpus = thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.map_or((cpus / 2).clamp(1, 4), usize::from);
        let lanes: io::Result<Vec<_>> = (0..threads).map(|_| Lane::start(state())).collect();
        Ok(Lanes(lanes?))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The lane that connection `index` belongs to.
    pub(crate) fn runtime(&self, index: usize) -> &Handle {
        &self.0[index % self.0.len()].runtime
    }

    pub(crate) fn shared(&self, index: usize) -> &Shared<S> {
        &self.0[index % self.0.len()].shared
    }

    /// Visits the state of every lane.
    pub(crate) fn each(&self, mut visit: impl FnMut(&mut S)) {
        for lane in &self.0 {
            visit(&mut lane.shared.lock().state);
        }
    }

    /// Adds up `count` over all lanes.
    pub(crate) fn sum(&self, count: impl Fn(&S) -> u64) -> u64 {
        self.0.iter().map(|lane| count(&lane.shared.lock().state)).sum()
    }
}

impl<S: Send + 'static> Lane<S> {
    fn start(state: S) -> io::Result<Lane<S>> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let body = move || {
            let _ = runtime.block_on(stopped);
        };
        let thread = thread::Builder::new().name("lane".to_owned()).spawn(body)?;
        Ok(Lane { runtime: handle, shared: Shared::new(state), stop: Some(stop), thread: Some(thread) })
    }
}

impl<S> Drop for Lane<S> {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_of_all_lanes_reach_their_seats_until_the_lanes_are_dropped() {
        let lanes = Lanes::start(Some(3), || 0u64).expect("threads");
        let (sender, receiver) = std::sync::mpsc::channel();
        for index in 0..30 {
            let (shared, sender) = (lanes.shared(index).clone(), sender.clone());
            lanes.runtime(index).spawn(async move {
                shared.lock().state += 1;
                let _ = sender.send(());
            });
        }
        drop(sender);
        assert_eq!(receiver.iter().count(), 30);
        assert_eq!((lanes.count(), lanes.sum(|count| *count)), (3, 30));
        lanes.each(|count| assert_eq!(*count, 10));
    }
}
