//! The store, in a task of its own: one call at a time, each with its time.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

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
            while let Some(job) = queue.recv().await {
                let input = done(&mut *store, &url, within, job).await;
                // The owner may have ended.
                drop(happened.send(Happened::Input(input)));
            }
        });
        Worker { jobs, task }
    }

    /// The machine asks for one batch at a time, and a position for each subscription.
    pub(super) fn queue(&self, job: Job) -> Result<(), Job> {
        self.jobs.send(job).map_err(|unsent| unsent.0)
    }

    /// Everything that was asked for is done, and the store is dropped.
    pub(super) async fn finish(self) {
        drop(self.jobs);
        // A store that panicked has nothing to finish.
        drop(self.task.await);
    }
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
            Err(_) => Input::PositionFailed { channel, user, message: Some(LATE.to_owned()) },
        },
    }
}
