//! Sentinels, real ones and one that says what a test has it say.

use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use ws_engine_redis::{Address, Location, RedisOptions};

use crate::fixture::{Redis, ask_over, free_port, options, until};

/// The name under which they watch a primary.
pub(crate) const NAME: &str = "main";

/// A Sentinel that ends with its handle.
#[derive(Debug)]
pub(crate) struct Sentinel {
    _dir: TempDir,
    process: Child,
    port: u16,
}

impl Sentinel {
    /// Watches a primary; so many of them must agree that it is gone.
    pub(crate) async fn start(primary: &Redis, quorum: usize, settings: &[String]) -> Self {
        let (dir, port) = (tempfile::tempdir().expect("a directory"), free_port());
        let watched = format!("sentinel monitor {NAME} 127.0.0.1 {} {quorum}", primary.port());
        let own = [
            format!("port {port}"),
            "bind 127.0.0.1".to_owned(),
            format!("dir {}", dir.path().display()),
            watched,
            format!("sentinel down-after-milliseconds {NAME} 500"),
            format!("sentinel failover-timeout {NAME} 3000"),
        ];
        let file = dir.path().join("sentinel.conf");
        let lines = [own.as_slice(), settings].concat().join("\n").replace("PORT", &port.to_string());
        std::fs::write(&file, lines + "\n").expect("room");
        let process = Command::new("redis-server")
            .arg(file)
            .arg("--sentinel")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("redis-server is installed");
        let sentinel = Sentinel { _dir: dir, process, port };
        until("a Sentinel to start", async || TcpStream::connect(("127.0.0.1", port)).await.ok()).await;
        sentinel
    }

    pub(crate) fn address(&self) -> Address {
        Address::Tcp("127.0.0.1".to_owned(), self.port)
    }

    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.expect("it runs");
    }

    pub(crate) async fn ask(&self, command: &[&str]) -> String {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).await.expect("it listens");
        ask_over(&mut socket, command).await.expect("it answers")
    }

    /// Waits until it could promote this replica.
    pub(crate) async fn knows(&self, replica: &Redis) {
        let port = replica.port().to_string();
        until("the replica to be known", async || {
            let replicas = self.ask(&["SENTINEL", "REPLICAS", NAME]).await;
            (replicas.contains(&port) && replicas.contains("master-link-status\r\n$2\r\nok")).then_some(())
        })
        .await;
    }
}

/// Options for the primary of these Sentinels.
pub(crate) fn through(redis: &Redis, sentinels: &[Address]) -> RedisOptions {
    let location = Location::Sentinel { sentinels: sentinels.to_vec(), primary: NAME.to_owned() };
    RedisOptions { locations: vec![location], ..options(redis) }
}

/// A Sentinel that names this server as the primary, and no other Sentinels.
#[derive(Debug)]
pub(crate) struct Liar {
    address: Address,
    task: JoinHandle<()>,
}

impl Liar {
    pub(crate) async fn start(named: &Redis) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let named = format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{}\r\n", named.port().to_string().len(), named.port());
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                answer(socket, &named).await;
            }
        });
        Liar { address: Address::Tcp("127.0.0.1".to_owned(), port), task }
    }

    pub(crate) fn address(&self) -> Address {
        self.address.clone()
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers questions, of which one is in flight.
async fn answer(mut socket: TcpStream, named: &str) {
    let mut asked = [0; 1024];
    while let Ok(read @ 1..) = socket.read(&mut asked).await {
        let asked = String::from_utf8_lossy(&asked[..read]).into_owned();
        let answer = if asked.contains("GET-MASTER-ADDR-BY-NAME") {
            named
        } else if asked.contains("SENTINELS") {
            "*0\r\n"
        } else {
            "%0\r\n"
        };
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
