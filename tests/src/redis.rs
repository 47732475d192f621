//! A Redis in a directory of its own, for servers in this process; a replica of one, and a Sentinel that watches it.

use std::path::PathBuf;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use ws_server::config::{Config, EngineType, Sources};

use crate::require;
use crate::tls::Certificate;
use crate::wait::{until, within};

/// The name under which a Sentinel watches a primary.
const NAME: &str = "main";

/// How often a port is chosen: somebody else may take it before it is used.
const PORTS: usize = 5;

/// A Redis on a Unix socket, and on a port where it needs one. It keeps nothing on the disk, and ends with its handle.
#[derive(Debug)]
pub struct Redis {
    dir: TempDir,
    arguments: Vec<String>,
    process: Child,
    port: u16,
}

impl Redis {
    /// Starts one.
    pub async fn start() -> Self {
        Self::try_start(0, Vec::new()).await.expect("Redis starts")
    }

    /// Starts one that replicas and Sentinels can reach.
    pub async fn primary() -> Self {
        Self::on_port(|port| format!("--port {port}")).await
    }

    /// A replica of one that replicas can reach; it has everything.
    pub async fn replica_of(primary: &Redis) -> Self {
        let replica = Self::on_port(|port| format!("--port {port} --replicaof 127.0.0.1 {}", primary.port)).await;
        until("the link to be up", async || {
            let answer = replica.ask("INFO replication").await;
            answer.filter(|answer| answer.contains("master_link_status:up")).map(drop)
        })
        .await;
        // That is some time before it carries what is written from then on.
        primary.ask("SET written 1 PX 60000").await;
        until("the replica to have what is written", async || {
            replica.ask("EXISTS written").await.filter(|answer| answer == ":1\r\n").map(drop)
        })
        .await;
        replica
    }

    /// Starts one that speaks TLS on a port, with this certificate.
    pub async fn over_tls(certificate: &Certificate) -> Self {
        let (cert, key) = (certificate.cert_file(), certificate.key_file());
        let files =
            format!("--tls-cert-file {0} --tls-key-file {1} --tls-ca-cert-file {0}", cert.display(), key.display());
        Self::on_port(|port| format!("--tls-port {port} {files} --tls-auth-clients no")).await
    }

    async fn on_port(arguments: impl Fn(u16) -> String) -> Self {
        for _ in 0..PORTS {
            let port = free_port();
            let arguments = arguments(port).split(' ').map(str::to_owned).collect();
            if let Some(redis) = Self::try_start(port, arguments).await {
                return redis;
            }
        }
        panic!("Redis does not start");
    }

    async fn try_start(port: u16, arguments: Vec<String>) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a directory");
        let process = spawn(&dir, &arguments);
        let mut redis = Redis { dir, arguments, process, port };
        redis.is_up().await.then_some(redis)
    }

    /// Kills it.
    pub async fn kill(&mut self) {
        self.process.kill().await.expect("it runs");
    }

    /// Starts it again, empty.
    pub async fn restart(&mut self) {
        self.process = spawn(&self.dir, &self.arguments);
        assert!(self.is_up().await, "Redis starts again");
    }

    /// Has a server use it.
    pub fn configure(&self, config: &mut Config) {
        configure(config, &[("URL", &self.url())]);
    }

    /// Where it is, for servers of their own.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// The port that it was started with.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    /// Waits until it answers; false: it has ended.
    async fn is_up(&mut self) -> bool {
        until("Redis to start", async || {
            let is_up = self.ask("PING").await.is_some_and(|answer| answer == "+PONG\r\n");
            let has_ended = self.process.try_wait().expect("a child of ours").is_some();
            (is_up || has_ended).then_some(is_up)
        })
        .await
    }

    async fn ask(&self, command: &str) -> Option<String> {
        let mut socket = UnixStream::connect(self.socket()).await.ok()?;
        socket.write_all(format!("{command}\r\n").as_bytes()).await.ok()?;
        let mut answer = vec![0; 1 << 16];
        let read = within("Redis to answer", socket.read(&mut answer)).await.ok()?;
        Some(String::from_utf8_lossy(&answer[..read]).into_owned())
    }
}

fn spawn(dir: &TempDir, arguments: &[String]) -> Child {
    Command::new(require::found("redis-server"))
        .args(["--port", "0", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        // A replica has everything at once.
        .args(["--repl-diskless-sync-delay", "0", "--unixsocket"])
        .arg(dir.path().join("socket"))
        .arg("--dir")
        .arg(dir.path())
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("redis-server starts")
}

/// Has a server use the Redis engine, with these keys of its section as an environment has them.
pub fn configure(config: &mut Config, keys: &[(&str, &str)]) {
    let variable = |(key, value): &(&str, &str)| (format!("WS_SERVER__ENGINE__REDIS__{key}").into(), (*value).into());
    let env = keys.iter().map(variable).chain([("WS_SERVER__ENGINE__TYPE".into(), "redis".into())]).collect();
    let loaded = Config::load(&Sources { env, ..Sources::default() }).expect("valid keys");
    (config.engine.r#type, config.engine.redis) = (EngineType::Redis, loaded.engine.redis);
}

/// A Sentinel that watches a primary and takes it for dead after half a second. It ends with its handle.
#[derive(Debug)]
pub struct Sentinel {
    /// Its process and its file.
    _owned: (Child, TempDir),
    port: u16,
}

impl Sentinel {
    /// Starts one, and waits until it could promote this replica.
    pub async fn start(primary: &Redis, replica: &Redis) -> Self {
        let (dir, port) = (tempfile::tempdir().expect("a directory"), free_port());
        let file = dir.path().join("sentinel.conf");
        let lines = [
            format!("port {port}"),
            "bind 127.0.0.1".to_owned(),
            format!("dir {}", dir.path().display()),
            format!("sentinel monitor {NAME} 127.0.0.1 {} 1", primary.port),
            format!("sentinel down-after-milliseconds {NAME} 500"),
            format!("sentinel failover-timeout {NAME} 3000"),
        ];
        std::fs::write(&file, lines.join("\n")).expect("room");
        let process = Command::new(require::found("redis-server"))
            .arg(&file)
            .arg("--sentinel")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("redis-server starts");
        // What it knows of a replica is in its file, once it has heard of it.
        until("the Sentinel to know the replica", async || {
            let known = format!("known-replica {NAME} 127.0.0.1 {}", replica.port);
            std::fs::read_to_string(&file).ok().filter(|text| text.contains(&known)).map(drop)
        })
        .await;
        Sentinel { _owned: (process, dir), port }
    }

    /// What leads through it to the primary.
    pub fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/{NAME}", self.port)
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("it is bound").port()
}
