//! One Redis, or one Valkey.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use ws_server::config::{Config, EngineType, Sources};

use crate::process::Signal;
use crate::require;
use crate::tls::Certificate;
use crate::wait::{until, within};

/// How often a port is chosen: somebody else may take it before it is used.
const PORTS: usize = 5;

/// Where those listen that are killed and started again: an address of loopback that no other test uses, so that nobody
/// takes the port of one that does not run.
const HOST: [u8; 4] = [127, 0, 0, 7];

/// One on a Unix socket, and on a port where it needs one. It keeps nothing on the disk unless it is told to, and ends with
/// its handle.
#[derive(Debug)]
pub struct Redis {
    dir: TempDir,
    pub(super) program: PathBuf,
    /// Where it listens besides its socket, as it is told.
    place: Vec<String>,
    addr: SocketAddr,
    process: Child,
}

impl Redis {
    /// Starts Redis on a Unix socket.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with further arguments, which a restart has too.
    pub async fn start_with(arguments: &[&str]) -> Self {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let place = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self::try_start("redis-server", nowhere, place, &[]).await.expect("Redis starts")
    }

    /// Starts `redis-server` or `valkey-server` on a port too, with further arguments, which a restart does not have.
    pub async fn listening(program: &str, arguments: &[&str]) -> Self {
        for _ in 0..PORTS {
            let addr = free(HOST);
            let (host, port) = (addr.ip().to_string(), addr.port().to_string());
            let place = ["--bind", &host, "--port", &port, "--replica-announce-ip", &host].map(str::to_owned);
            if let Some(redis) = Self::try_start(program, addr, place.to_vec(), arguments).await {
                return redis;
            }
        }
        panic!("{program} does not start");
    }

    /// Starts one that replicas and Sentinels can reach.
    pub async fn primary() -> Self {
        Self::on_port("redis-server", |port| format!("--port {port}")).await
    }

    /// A replica of one that replicas can reach; it has everything.
    pub async fn replica_of(primary: &Redis) -> Self {
        let of = format!("--replicaof 127.0.0.1 {}", primary.addr.port());
        let replica = Self::on_port("redis-server", |port| format!("--port {port} {of}")).await;
        replica.has_all_of(primary).await;
        replica
    }

    /// Waits until this replica has everything.
    pub async fn has_all_of(&self, primary: &Redis) {
        until("the link to be up", async || {
            let answer = self.try_ask(&["INFO", "replication"]).await;
            answer.filter(|answer| answer.contains("master_link_status:up")).map(drop)
        })
        .await;
        // That is some time before it carries what is written from then on.
        until("something to be written", async || primary.try_ask(&["SET", "written", "1", "PX", "60000"]).await).await;
        until("the replica to have what is written", async || {
            self.try_ask(&["EXISTS", "written"]).await.filter(|answer| answer == ":1\r\n").map(drop)
        })
        .await;
    }

    /// Starts one that speaks TLS on a port, with this certificate.
    pub async fn over_tls(certificate: &Certificate) -> Self {
        let (cert, key) = (certificate.cert_file(), certificate.key_file());
        let files =
            format!("--tls-cert-file {0} --tls-key-file {1} --tls-ca-cert-file {0}", cert.display(), key.display());
        Self::on_port("redis-server", |port| format!("--tls-port {port} {files} --tls-auth-clients no")).await
    }

    pub(super) async fn on_port(program: &str, arguments: impl Fn(u16) -> String) -> Self {
        for _ in 0..PORTS {
            let addr = free([127, 0, 0, 1]);
            let place = arguments(addr.port()).split(' ').map(str::to_owned).collect();
            if let Some(redis) = Self::try_start(program, addr, place, &[]).await {
                return redis;
            }
        }
        panic!("{program} does not start");
    }

    async fn try_start(program: &str, addr: SocketAddr, place: Vec<String>, arguments: &[&str]) -> Option<Self> {
        let (dir, program) = (tempfile::tempdir().expect("a directory"), require::found(program));
        let process = spawn(&program, &dir, &place, arguments);
        let mut redis = Redis { dir, program, place, addr, process };
        redis.is_up().await.then_some(redis)
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
        self.process = spawn(&self.program, &self.dir, &self.place, arguments);
        assert!(self.is_up().await, "it starts again");
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
        configure(config, &[("URL", &self.url())]);
    }

    /// Where it is, for servers of their own.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// Where it listens; port 0: on its Unix socket alone.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Sends a command, over its Unix socket. Its answer, as it comes.
    pub async fn ask(&self, command: &[&str]) -> String {
        self.try_ask(command).await.expect("Redis answers")
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    /// Waits until it answers; false: it has ended.
    async fn is_up(&mut self) -> bool {
        until("Redis to start", async || {
            // One with a password refuses it, and is there.
            let is_answer = |answer: String| answer.starts_with("+PONG") || answer.starts_with("-NOAUTH");
            let is_up = self.try_ask(&["PING"]).await.is_some_and(is_answer);
            let has_ended = self.process.try_wait().expect("a child of ours").is_some();
            (is_up || has_ended).then_some(is_up)
        })
        .await
    }

    /// The same; `None`: the connection has ended.
    pub async fn try_ask(&self, command: &[&str]) -> Option<String> {
        ask_over(UnixStream::connect(self.socket()).await.ok()?, command).await
    }
}

/// Sends a command. Its answer, as it comes; `None`: the connection has ended.
pub(super) async fn ask_over(mut socket: impl AsyncRead + AsyncWrite + Unpin, command: &[&str]) -> Option<String> {
    let mut bytes = format!("*{}\r\n", command.len());
    command.iter().for_each(|word| bytes.push_str(&format!("${}\r\n{word}\r\n", word.len())));
    socket.write_all(bytes.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    while whole(&answer).is_none() {
        if within("Redis to answer", socket.read_buf(&mut answer)).await.ok()? == 0 {
            return None;
        }
    }
    Some(String::from_utf8_lossy(&answer).into_owned())
}

/// The length of the answer that this begins with; `None`: it is not whole.
fn whole(answer: &[u8]) -> Option<usize> {
    let line = answer.windows(2).position(|end| end == b"\r\n")?;
    let count = std::str::from_utf8(&answer[1..line]).ok().and_then(|count| count.parse::<usize>().ok());
    let first = line + 2;
    match (answer[0], count) {
        (b'$', Some(bytes)) => (answer.len() >= first + bytes + 2).then_some(first + bytes + 2),
        (b'*', Some(values)) => (0..values).try_fold(first, |at, _| Some(at + whole(&answer[at..])?)),
        _ => Some(first),
    }
}

fn spawn(program: &Path, dir: &TempDir, place: &[String], arguments: &[&str]) -> Child {
    Command::new(program)
        .args(["--port", "0", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        // A replica has everything at once.
        .args(["--repl-diskless-sync-delay", "0", "--unixsocket"])
        .arg(dir.path().join("socket"))
        .arg("--dir")
        .arg(dir.path())
        .args(place)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("it can be started")
}

/// Has a server use the Redis engine, with these keys of its section as an environment has them.
pub fn configure(config: &mut Config, keys: &[(&str, &str)]) {
    let variable = |(key, value): &(&str, &str)| (format!("WS_SERVER__ENGINE__REDIS__{key}").into(), (*value).into());
    let env = keys.iter().map(variable).chain([("WS_SERVER__ENGINE__TYPE".into(), "redis".into())]).collect();
    let loaded = Config::load(&Sources { env, ..Sources::default() }).expect("valid keys");
    (config.engine.r#type, config.engine.redis) = (EngineType::Redis, loaded.engine.redis);
}

/// A port that nobody uses at the moment.
pub(super) fn free(host: [u8; 4]) -> SocketAddr {
    let listener = TcpListener::bind(SocketAddr::from((host, 0)));
    listener.and_then(|listener| listener.local_addr()).expect("a port of loopback")
}
