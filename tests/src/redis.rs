//! A Redis in a directory of its own, for servers in this process.

use std::path::PathBuf;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use ws_server::config::{Config, EngineType, RedisUrl};

use crate::require;
use crate::wait::{until, within};

/// A Redis on a Unix socket, which keeps nothing on the disk. It ends with its handle.
#[derive(Debug)]
pub struct Redis {
    dir: TempDir,
    process: Child,
}

impl Redis {
    /// Starts one.
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let process = spawn(&dir);
        let redis = Redis { dir, process };
        redis.is_up().await;
        redis
    }

    /// Kills it.
    pub async fn kill(&mut self) {
        self.process.kill().await.expect("it runs");
    }

    /// Starts it again, empty.
    pub async fn restart(&mut self) {
        self.process = spawn(&self.dir);
        self.is_up().await;
    }

    /// Has a server use it.
    pub fn configure(&self, config: &mut Config) {
        config.engine.r#type = EngineType::Redis;
        config.engine.redis.url = RedisUrl::Unix(self.socket());
    }

    /// Where it is, for servers of their own.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    async fn is_up(&self) {
        until("Redis to start", async || self.ping().await.filter(|answer| answer == "+PONG\r\n").map(drop)).await;
    }

    async fn ping(&self) -> Option<String> {
        let mut socket = UnixStream::connect(self.socket()).await.ok()?;
        socket.write_all(b"PING\r\n").await.ok()?;
        let mut answer = [0; 64];
        let read = within("Redis to answer", socket.read(&mut answer)).await.ok()?;
        Some(String::from_utf8_lossy(&answer[..read]).into_owned())
    }
}

fn spawn(dir: &TempDir) -> Child {
    Command::new(require::found("redis-server"))
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
        .arg(dir.path().join("socket"))
        .arg("--dir")
        .arg(dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("redis-server starts")
}
