//! A Redis, or a Valkey, in a directory of its own, on a Unix socket.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};
use ws_engine_redis::{Address, RedisOptions};

use crate::require;

/// Tests that run on Redis and on Valkey: functions that get the program.
macro_rules! on_both {
    ($($test:ident,)*) => {
        mod on_redis {
            $(
                #[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test("redis-server").await;
                }
            )*
        }

        mod on_valkey {
            $(
                #[cfg_attr(not(found_valkey), ignore = "valkey-server is missing")]
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test("valkey-server").await;
                }
            )*
        }
    };
}
pub(crate) use on_both;

/// Longest wait for anything; only a broken engine misses it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A Redis that ends with its handle.
#[derive(Debug)]
pub(crate) struct Redis {
    dir: TempDir,
    program: PathBuf,
    arguments: Vec<&'static str>,
    process: Child,
}

impl Redis {
    pub(crate) async fn start() -> Self {
        Redis::start_with(&[]).await
    }

    /// With further arguments.
    pub(crate) async fn start_with(arguments: &[&'static str]) -> Self {
        Redis::launch("redis-server", arguments).await
    }

    /// `redis-server` or `valkey-server`.
    pub(crate) async fn of(program: &str) -> Self {
        Redis::launch(program, &[]).await
    }

    async fn launch(program: &str, arguments: &[&'static str]) -> Self {
        let (dir, program) = (tempfile::tempdir().expect("a directory"), require::found(program));
        let process = spawn(&program, &dir, arguments);
        let redis = Redis { dir, program, arguments: arguments.to_vec(), process };
        redis.is_up().await;
        redis
    }

    pub(crate) fn address(&self) -> Address {
        Address::Unix(self.dir.path().join("socket"))
    }

    /// Kills it.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.expect("it runs");
    }

    /// Starts it again, empty.
    pub(crate) async fn restart(&mut self) {
        self.process = spawn(&self.program, &self.dir, &self.arguments);
        self.is_up().await;
    }

    /// Sends it a signal, by name.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.process.id().expect("it runs").to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status().await.expect("kill is there");
        assert!(status.success(), "{name}");
    }

    /// The keys that there are.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let keys = self.ask(&["KEYS", "*"]).await;
        keys.lines().filter(|line| line.starts_with("ws:")).map(str::to_owned).collect()
    }

    async fn is_up(&self) {
        until("Redis to start", async || match self.try_ask(&["PING"]).await {
            Some(answer) if answer.starts_with("+PONG") => Some(()),
            _ => None,
        })
        .await;
    }

    /// Sends a command and returns its answer as it comes; it has to come in one piece.
    pub(crate) async fn ask(&self, command: &[&str]) -> String {
        self.try_ask(command).await.expect("Redis answers")
    }

    async fn try_ask(&self, command: &[&str]) -> Option<String> {
        let mut socket = UnixStream::connect(self.dir.path().join("socket")).await.ok()?;
        let mut bytes = format!("*{}\r\n", command.len());
        command.iter().for_each(|arg| bytes.push_str(&format!("${}\r\n{arg}\r\n", arg.len())));
        socket.write_all(bytes.as_bytes()).await.ok()?;
        let mut answer = vec![0; 1 << 16];
        let read = timeout(DEADLINE, socket.read(&mut answer)).await.ok()?.ok()?;
        Some(String::from_utf8_lossy(&answer[..read]).into_owned())
    }
}

fn spawn(program: &Path, dir: &TempDir, arguments: &[&str]) -> Child {
    let path = dir.path().join("socket");
    Command::new(program)
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
        .arg(path)
        .args(["--dir"])
        .arg(dir.path())
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("it can be started")
}

pub(crate) fn options(redis: &Redis) -> RedisOptions {
    RedisOptions {
        address: redis.address(),
        prefix: "ws".to_owned(),
        username: String::new(),
        password_file: None,
        partitions: 4,
        position_ttl: Duration::from_secs(86_400),
        lease: Duration::from_secs(3),
        command_timeout: Duration::from_secs(5),
        start_timeout: Duration::from_millis(200),
        queue_bytes_max: 1 << 20,
        batch_publications_max: 64,
        allow_eviction: false,
    }
}

/// Waits until `check` gives something.
pub(crate) async fn until<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(since.elapsed() < DEADLINE, "waited in vain for {what}");
        sleep(Duration::from_millis(5)).await;
    }
}
