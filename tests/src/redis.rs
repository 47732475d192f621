//! A Redis, or a Valkey, in a directory of its own, for servers in this process or in others.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use ws_server::config::{Config, EngineType, RedisUrl};

use crate::process::Signal;
use crate::require;
use crate::wait::{until, within};

/// Where those listen that are reached over TCP: an address of loopback that no other test uses, so that nobody takes the
/// port of one that does not run.
const HOST: [u8; 4] = [127, 0, 0, 7];

/// One that keeps nothing on the disk unless it is told to. It ends with its handle.
#[derive(Debug)]
pub struct Redis {
    dir: TempDir,
    program: PathBuf,
    /// Where it listens besides its Unix socket.
    addr: Option<SocketAddr>,
    process: Child,
}

impl Redis {
    /// Starts Redis on a Unix socket.
    pub async fn start() -> Self {
        Self::launch("redis-server", None, &[]).await
    }

    /// Starts `redis-server` or `valkey-server` on a port too, with further arguments.
    pub async fn listening(program: &str, arguments: &[&str]) -> Self {
        let free = TcpListener::bind(SocketAddr::from((HOST, 0))).and_then(|socket| socket.local_addr());
        Self::launch(program, Some(free.expect("a port of loopback")), arguments).await
    }

    async fn launch(program: &str, addr: Option<SocketAddr>, arguments: &[&str]) -> Self {
        let (dir, program) = (tempfile::tempdir().expect("a directory"), require::found(program));
        let process = spawn(&program, &dir, addr, arguments);
        let redis = Redis { dir, program, addr, process };
        redis.is_up().await;
        redis
    }

    /// Kills it.
    pub async fn kill(&mut self) {
        self.process.kill().await.expect("it runs");
    }

    /// Starts it again, empty unless it was told to keep something.
    pub async fn restart(&mut self) {
        self.restart_with(&[]).await;
    }

    /// The same with further arguments.
    pub async fn restart_with(&mut self, arguments: &[&str]) {
        self.process = spawn(&self.program, &self.dir, self.addr, arguments);
        self.is_up().await;
    }

    /// Removes what it has on the disk.
    pub fn forget(&self) {
        for entry in self.dir.path().read_dir().expect("a directory").flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => std::fs::remove_dir_all(&path).expect("it can be removed"),
                false if path != self.socket() => std::fs::remove_file(&path).expect("it can be removed"),
                false => {}
            }
        }
    }

    /// Sends it a signal.
    pub async fn signal(&self, signal: Signal) {
        signal.send(self.process.id().expect("it runs")).await;
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

    /// Where it listens, if it was started with a port.
    pub fn addr(&self) -> SocketAddr {
        self.addr.expect("it listens on a port")
    }

    /// Sends a command, over its Unix socket. Its answer, as it comes.
    pub async fn ask(&self, command: &[&str]) -> String {
        self.try_ask(command).await.expect("Redis answers")
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    async fn is_up(&self) {
        until("Redis to start", async || {
            let answer = self.try_ask(&["PING"]).await;
            answer.filter(|answer| answer.starts_with("+PONG")).map(drop)
        })
        .await;
    }

    async fn try_ask(&self, command: &[&str]) -> Option<String> {
        let mut socket = UnixStream::connect(self.socket()).await.ok()?;
        let mut bytes = format!("*{}\r\n", command.len());
        command.iter().for_each(|word| bytes.push_str(&format!("${}\r\n{word}\r\n", word.len())));
        socket.write_all(bytes.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        while !is_whole(&answer) {
            if within("Redis to answer", socket.read_buf(&mut answer)).await.ok()? == 0 {
                return None;
            }
        }
        Some(String::from_utf8_lossy(&answer).into_owned())
    }
}

/// Whether this is a whole answer: a line, or a text of the length that its first line says.
fn is_whole(answer: &[u8]) -> bool {
    let Some(line) = answer.windows(2).position(|end| end == b"\r\n") else { return false };
    let length = answer.strip_prefix(b"$").and_then(|rest| std::str::from_utf8(&rest[..line - 1]).ok());
    let length = length.and_then(|length| length.parse::<usize>().ok());
    length.is_none_or(|length| answer.len() >= line + 2 + length + 2)
}

fn spawn(program: &PathBuf, dir: &TempDir, addr: Option<SocketAddr>, arguments: &[&str]) -> Child {
    let mut command = Command::new(program);
    match addr {
        Some(addr) => command.args(["--bind", &addr.ip().to_string(), "--port", &addr.port().to_string()]),
        None => command.args(["--port", "0"]),
    };
    command
        .args(["--save", "", "--appendonly", "no", "--unixsocket"])
        .arg(dir.path().join("socket"))
        .arg("--dir")
        .arg(dir.path())
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("it can be started")
}
