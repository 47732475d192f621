//! Watches tasks and threads that the server depends on. If one panicked unnoticed, the server would keep running
//! without it; here it is known at once. Whoever waits for [`failed`](Supervisor::failed) decides what to do: ws-server
//! exits, and reports the failure on `/ready` until then.
//!
//! Connection tasks are not watched: a panic ends only the one connection.

use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

/// Knows whether such a task or thread has failed. A cheap handle.
#[derive(Debug, Clone, Default)]
pub struct Supervisor(Arc<Watched>);

#[derive(Debug, Default)]
struct Watched {
    failure: OnceLock<String>,
    changed: Notify,
}

/// Held by a task or thread for as long as it runs.
#[derive(Debug)]
pub struct Guard {
    name: &'static str,
    supervisor: Supervisor,
}

impl Supervisor {
    /// Watches a future: a panic in it is a failure. `name` is for the log and for `/ready`.
    pub async fn watch<T>(self, name: &'static str, task: impl Future<Output = T>) -> T {
        let _guard = self.guard(name);
        task.await
    }

    /// Watches a thread, or anything else that drops the guard when it panics.
    pub fn guard(&self, name: &'static str) -> Guard {
        Guard { name, supervisor: self.clone() }
    }

    /// The first failure, if there was one.
    pub fn failure(&self) -> Option<&str> {
        self.0.failure.get().map(String::as_str)
    }

    /// Waits for a failure, and returns the first.
    pub async fn failed(&self) -> &str {
        loop {
            let changed = self.0.changed.notified();
            if let Some(failure) = self.failure() {
                return failure;
            }
            changed.await;
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let failure = format!("{} has panicked, which is a bug in the server", self.name);
            tracing::error!("{failure}");
            // Only the first one is kept.
            let _ = self.supervisor.0.failure.set(failure);
            self.supervisor.0.changed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_known_and_an_end_is_none() {
        let supervisor = Supervisor::default();
        tokio::spawn(supervisor.clone().watch("one that ends", async {})).await.expect("it ends well");
        let aborted = tokio::spawn(supervisor.clone().watch("one that is aborted", std::future::pending::<()>()));
        tokio::task::yield_now().await;
        aborted.abort();
        assert!(aborted.await.is_err_and(|error| error.is_cancelled()));
        assert_eq!(supervisor.failure(), None);

        let waiting = tokio::spawn({
            let supervisor = supervisor.clone();
            async move { supervisor.failed().await.to_owned() }
        });
        tokio::task::yield_now().await;
        let panics = async {
            tokio::task::yield_now().await;
            panic!("on purpose")
        };
        let _: Result<(), _> = tokio::spawn(supervisor.clone().watch("the fan-out", panics)).await;
        assert!(waiting.await.expect("it is told").starts_with("the fan-out has panicked"));
        assert!(supervisor.failed().await.starts_with("the fan-out"), "whoever asks later is told too");
    }

    #[test]
    fn a_thread_that_panics_is_known() {
        let supervisor = Supervisor::default();
        let guard = supervisor.guard("the writer");
        let thread = std::thread::spawn(move || {
            let _guard = guard;
            panic!("on purpose");
        });
        assert!(thread.join().is_err());
        assert!(supervisor.failure().is_some_and(|failure| failure.starts_with("the writer")));
    }
}
