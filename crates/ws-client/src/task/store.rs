//! The store, in a task of its own: one call at a time, each with its time.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::happened::Happened;
use crate::machine::{Input, StoreWork};
use crate::store::{Batch, Store, StoreError};

const LATE: &str = "it did not answer in time";

pub(super) enum Job {
    Work { op: u64, what: StoreWork },
    Position { user: Option<String>, channel: String },
}

/// A handle of the task.
pub(super) struct Worker {
    jobs: mpsc::UnboundedSender<Job>,
    task: JoinHandle<()>,
    within: Duration,
}

impl Worker {
    pub(super) fn spawn(
        mut store: Box<dyn Store>,
        url: String,
        within: Duration,
        happened: &mpsc::UnboundedSender<Happened>,
    ) -> Self {
        let (jobs, mut queue) = mpsc::unbounded_channel();
        let happened = happened.clone();
        let task = tokio::spawn(async move {
            let mut hangs = false;
            while let Some(job) = queue.recv().await {
                let input = match job {
                    // One that hangs is not waited for again and again, and after the end nobody asks for positions.
                    Job::Position { user, channel } if hangs || queue.is_closed() => late(user, channel),
                    job => {
                        let begun = Instant::now();
                        let input = done(&mut *store, &url, within, job).await;
                        hangs = begun.elapsed() >= within;
                        input
                    }
                };
                // The owner may have ended.
                drop(happened.send(Happened::Input(input)));
            }
        });
        Worker { jobs, task, within }
    }

    /// The machine asks for one batch at a time, and a position for each subscription.
    pub(super) fn queue(&self, job: Job) -> Result<(), Job> {
        self.jobs.send(job).map_err(|unsent| unsent.0)
    }

    /// What was to be written is written, and the store is dropped. What is under way and the last batch have their time
    /// each; a store that takes longer is given up.
    pub(super) async fn finish(self) {
        drop(self.jobs);
        let abort = self.task.abort_handle();
        // A store that panicked has nothing to finish.
        if timeout(3 * self.within, self.task).await.is_err() {
            abort.abort();
        }
    }
}

fn late(user: Option<String>, channel: String) -> Input {
    Input::PositionFailed { channel, user, message: Some(LATE.to_owned()) }
}

async fn done(store: &mut dyn Store, url: &str, within: Duration, job: Job) -> Input {
    let failed = |op: u64, error: Option<StoreError>| {
        let message = error.map_or_else(|| LATE.to_owned(), |error| error.0);
        Input::StoreFailed { op, message: Some(message) }
    };
    match job {
        Job::Work { op, what: StoreWork::Open { .. } } => match timeout(within, store.open(url)).await {
            Ok(Ok(entries)) => Input::Loaded { op, entries },
            Ok(Err(error)) => failed(op, Some(error)),
            Err(_) => failed(op, None),
        },
        Job::Work { op, what: StoreWork::Write { put, remove, positions } } => {
            match timeout(within, store.write(Batch { put, remove, positions })).await {
                Ok(Ok(())) => Input::Stored { op },
                Ok(Err(error)) => failed(op, Some(error)),
                Err(_) => failed(op, None),
            }
        }
        Job::Position { user, channel } => match timeout(within, store.position(user.as_deref(), &channel)).await {
            Ok(Ok(position)) => Input::Position { channel, user, position },
            Ok(Err(error)) => Input::PositionFailed { channel, user, message: Some(error.0) },
            Err(_) => late(user, channel),
        },
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::BoxFuture;

    use super::*;
    use crate::entry::Entry;
    use crate::position::Position;

    /// It opens, and answers nothing else.
    struct Hanging;

    impl Store for Hanging {
        fn open(&mut self, _: &str) -> BoxFuture<'_, Result<Vec<Entry>, StoreError>> {
            Box::pin(async { Ok(Vec::new()) })
        }

        fn write(&mut self, _: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
            Box::pin(std::future::pending())
        }

        fn position(&mut self, _: Option<&str>, _: &str) -> BoxFuture<'_, Result<Option<Position>, StoreError>> {
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_hangs_is_not_waited_for_by_every_reader() {
        let (happened, mut happens) = mpsc::unbounded_channel();
        let within = Duration::from_secs(2);
        let worker = Worker::spawn(Box::new(Hanging), "ws://server/ws".to_owned(), within, &happened);
        for nth in 0..100 {
            assert!(worker.queue(Job::Position { user: None, channel: format!("c{nth}") }).is_ok());
        }
        let what = StoreWork::Write { put: Vec::new(), remove: Vec::new(), positions: Vec::new() };
        assert!(worker.queue(Job::Work { op: 1, what }).is_ok());
        let begun = Instant::now();
        worker.finish().await;
        assert!(begun.elapsed() <= 3 * within, "{:?}", begun.elapsed());
        let mut failed = 0;
        while let Ok(Happened::Input(Input::PositionFailed { message, .. })) = happens.try_recv() {
            assert_eq!(message.as_deref(), Some(LATE));
            failed += 1;
        }
        assert_eq!(failed, 100);
    }
}
