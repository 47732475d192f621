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
    args: Vec<String>,
    process: Child,
}

impl Redis {
    /// Starts one.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts one with further arguments.
    pub async fn start_with(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let args: Vec<_> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let process = spawn(&dir, &args);
        let redis = Redis { dir, args, process };
        redis.is_up().await;
        redis
    }

    /// Kills it.
    pub async fn kill(&mut self) {
        self.process.kill().await.expect("it runs");
    }

    /// Starts it again, empty.
    pub async fn restart(&mut self) {
        self.process = spawn(&self.dir, &self.args);
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
        // One with a password refuses it, and is there.
        let is_answer = |answer: &String| answer == "+PONG\r\n" || answer.starts_with("-NOAUTH");
        let ping = async || self.try_ask(&["PING"]).await.filter(is_answer).map(drop);
        until("Redis to start", ping).await;
    }

    /// Sends a command and returns its answer as it comes; it has to come in one piece.
    pub async fn ask(&self, command: &[&str]) -> String {
        self.try_ask(command).await.expect("Redis answers")
    }

    async fn try_ask(&self, command: &[&str]) -> Option<String> {
        let mut socket = UnixStream::connect(self.socket()).await.ok()?;
        let mut bytes = format!("*{}\r\n", command.len());
        command.iter().for_each(|arg| bytes.push_str(&format!("${}\r\n{arg}\r\n", arg.len())));
        socket.write_all(bytes.as_bytes()).await.ok()?;
        let mut answer = vec![0; 1 << 16];
        let read = within("Redis to answer", socket.read(&mut answer)).await.ok()?;
        Some(String::from_utf8_lossy(&answer[..read]).into_owned())
    }
}

fn spawn(dir: &TempDir, args: &[String]) -> Child {
    Command::new(require::found("redis-server"))
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
        .arg(dir.path().join("socket"))
        .arg("--dir")
        .arg(dir.path())
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("redis-server starts")
}
