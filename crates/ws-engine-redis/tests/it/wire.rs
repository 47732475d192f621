//! A way to a Redis that can be cut, for one server alone.

use std::path::PathBuf;

use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};
use ws_engine_redis::{Address, Location};

use crate::fixture::Redis;

/// It listens on a Unix socket of its own, and passes on what comes.
#[derive(Debug)]
pub(crate) struct Wire {
    dir: TempDir,
    to: PathBuf,
    task: JoinHandle<()>,
}

impl Wire {
    pub(crate) fn to(redis: &Redis) -> Self {
        let (dir, to) = (tempfile::tempdir().expect("a directory"), redis.path());
        let task = listen(&dir, &to);
        Wire { dir, to, task }
    }

    pub(crate) fn location(&self) -> Location {
        Location::Server(Address::Unix(socket(&self.dir)))
    }

    /// Nothing gets through any more.
    pub(crate) fn cut(&self) {
        self.task.abort();
        std::fs::remove_file(socket(&self.dir)).expect("it was there");
    }

    /// It is as before.
    pub(crate) fn mend(&mut self) {
        self.task = listen(&self.dir, &self.to);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn socket(dir: &TempDir) -> PathBuf {
    dir.path().join("socket")
}

fn listen(dir: &TempDir, to: &std::path::Path) -> JoinHandle<()> {
    let (listener, to) = (UnixListener::bind(socket(dir)).expect("it can be bound"), to.to_owned());
    tokio::spawn(async move {
        // All of it ends with this task.
        let mut all = JoinSet::new();
        while let Ok((mut from, _)) = listener.accept().await {
            let to = to.clone();
            all.spawn(async move {
                if let Ok(mut to) = UnixStream::connect(&to).await {
                    // Either end may go at any time.
                    let _ = copy_bidirectional(&mut from, &mut to).await;
                }
            });
        }
    })
}
