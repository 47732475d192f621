//! A Redis, or a Valkey, in a directory of its own, on a Unix socket, and on a port where it needs one.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};
use ws_engine_redis::{Address, Location, RedisOptions};

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

/// How often a port is chosen: somebody else may take it before it is used.
const PORTS: usize = 5;

/// A Redis that ends with its handle.
#[derive(Debug)]
pub(crate) struct Redis {
    dir: TempDir,
    program: PathBuf,
    arguments: Vec<String>,
    process: Child,
    port: u16,
}

impl Redis {
    pub(crate) async fn start() -> Self {
        Redis::start_with(&[]).await
    }

    /// With further arguments.
    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Redis::try_start("redis-server", 0, arguments).await.expect("Redis starts")
    }

    /// `redis-server` or `valkey-server`.
    pub(crate) async fn of(program: &str) -> Self {
        Redis::try_start(program, 0, Vec::new()).await.expect("it starts")
    }

    /// On a port as well, which is among its arguments.
    pub(crate) async fn on_port(arguments: impl Fn(u16) -> Vec<String>) -> Self {
        for _ in 0..PORTS {
            let port = free_port();
            if let Some(redis) = Redis::try_start("redis-server", port, arguments(port)).await {
                return redis;
            }
        }
        panic!("Redis does not start");
    }

    /// A replica of one that is on a port; it has everything.
    pub(crate) async fn replica_of(redis: &Redis) -> Self {
        let primary = redis.port.to_string();
        let replica = Redis::on_port(|port| {
            let arguments = ["--port", &port.to_string(), "--replicaof", "127.0.0.1", &primary];
            arguments.map(str::to_owned).to_vec()
        });
        let replica = replica.await;
        until("the link to be up", async || {
            replica.ask(&["INFO", "replication"]).await.contains("master_link_status:up").then_some(())
        })
        .await;
        // That is some time before it carries what is written from then on.
        redis.ask(&["SET", "written", "", "PX", "60000"]).await;
        until("the replica to have what is written", async || {
            replica.ask(&["EXISTS", "written"]).await.starts_with(":1").then_some(())
        })
        .await;
        replica
    }

    async fn try_start(program: &str, port: u16, arguments: Vec<String>) -> Option<Self> {
        let (dir, program) = (tempfile::tempdir().expect("a directory"), require::found(program));
        let process = spawn(&program, &dir, &arguments);
        let mut redis = Redis { dir, program, arguments, process, port };
        redis.is_up().await.then_some(redis)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    pub(crate) fn address(&self) -> Address {
        Address::Unix(self.path())
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Kills it.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.expect("it runs");
    }

    /// Starts it again, empty.
    pub(crate) async fn restart(&mut self) {
        self.process = spawn(&self.program, &self.dir, &self.arguments);
        assert!(self.is_up().await, "Redis starts again");
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

    /// Waits until it answers; false: it has ended.
    async fn is_up(&mut self) -> bool {
        until("Redis to start", async || {
            let is_up = self.try_ask(&["PING"]).await.is_some_and(|answer| answer.starts_with("+PONG"));
            let has_ended = self.process.try_wait().expect("a child of ours").is_some();
            (is_up || has_ended).then_some(is_up)
        })
        .await
    }

    /// Sends a command and returns its answer as it comes; it has to come in one piece.
    pub(crate) async fn ask(&self, command: &[&str]) -> String {
        self.try_ask(command).await.expect("Redis answers")
    }

    /// Whether it is a primary. While it becomes one its Sentinel ends all connections.
    pub(crate) async fn is_primary(&self) -> bool {
        self.try_ask(&["INFO", "replication"]).await.is_some_and(|answer| answer.contains("role:master"))
    }

    /// The same of one that demands a password.
    pub(crate) async fn ask_with(&self, password: &str, command: &[&str]) -> String {
        let mut socket = self.socket().await.expect("it runs");
        ask_over(&mut socket, &["AUTH", password]).await.expect("Redis answers");
        ask_over(&mut socket, command).await.expect("Redis answers")
    }

    async fn try_ask(&self, command: &[&str]) -> Option<String> {
        ask_over(&mut self.socket().await?, command).await
    }

    async fn socket(&self) -> Option<UnixStream> {
        UnixStream::connect(self.path()).await.ok()
    }
}

/// So many of them.
pub(crate) async fn start(n: usize) -> Vec<Redis> {
    let mut all = Vec::new();
    for _ in 0..n {
        all.push(Redis::start().await);
    }
    all
}

/// Sends a command and returns its answer, which has to come in one piece.
pub(crate) async fn ask_over(socket: &mut (impl AsyncRead + AsyncWrite + Unpin), command: &[&str]) -> Option<String> {
    let mut bytes = format!("*{}\r\n", command.len());
    command.iter().for_each(|arg| bytes.push_str(&format!("${}\r\n{arg}\r\n", arg.len())));
    socket.write_all(bytes.as_bytes()).await.ok()?;
    let mut answer = vec![0; 1 << 16];
    let read = timeout(DEADLINE, socket.read(&mut answer)).await.ok()?.ok()?;
    Some(String::from_utf8_lossy(&answer[..read]).into_owned())
}

/// A port of loopback that nobody uses at the moment.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("it is bound").port()
}

fn spawn(program: &Path, dir: &TempDir, arguments: &[String]) -> Child {
    let path = dir.path().join("socket");
    Command::new(program)
        .args(["--port", "0", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        // A replica has everything at once.
        .args(["--repl-diskless-sync-delay", "0", "--unixsocket"])
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
    options_of([redis])
}

/// Shards in this order.
pub(crate) fn options_of<'a>(shards: impl IntoIterator<Item = &'a Redis>) -> RedisOptions {
    RedisOptions {
        locations: shards.into_iter().map(|redis| Location::Server(redis.address())).collect(),
        tls: None,
        prefix: "ws".to_owned(),
        username: String::new(),
        password_file: None,
        sentinel_username: String::new(),
        sentinel_password_file: None,
        partitions: 4,
        position_ttl: Duration::from_secs(86_400),
        lease: Duration::from_secs(3),
        replicas_min: 0,
        replicas_timeout: Duration::from_secs(1),
        command_timeout: Duration::from_secs(5),
        start_timeout: Duration::from_millis(200),
        queue_bytes_max: 1 << 20,
        batch_publications_max: 64,
        allow_eviction: false,
        agreement: Vec::new(),
    }
}

/// A name on this one, from 0, of so many shards, with the partitions of [`options_of`]. Where names are is fixed with the
/// data.
pub(crate) fn name_on(shard: usize, shards: usize) -> String {
    let fnv1a = |name: &str| {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        name.bytes().fold(0xcbf2_9ce4_8422_2325, step)
    };
    let mut names = (0..1000).map(|n| format!("name{n}"));
    names.find(|name| fnv1a(name) as usize % 4 % shards == shard).expect("one of so many")
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
