//! A Sentinel that watches a primary.

use std::fs::{self, File};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::server::{Redis, ask_over, free};
use crate::wait::until;

/// Where it writes its log, beside its configuration.
const LOG: &str = "log";

/// The name under which it watches the primary.
const NAME: &str = "main";

/// It takes its primary for dead after two seconds, and ends with its handle. Sooner it would, on a busy machine, take one for
/// dead that it has just promoted.
#[derive(Debug)]
pub struct Sentinel {
    _process: Child,
    /// Its files.
    dir: TempDir,
    port: u16,
}

impl Sentinel {
    /// Starts one, and waits until it could promote this replica.
    pub async fn start(primary: &Redis, replica: &Redis) -> Self {
        let (dir, port) = (tempfile::tempdir().expect("a directory"), free([127, 0, 0, 1]).port());
        let file = dir.path().join("sentinel.conf");
        let watched = primary.addr();
        let lines = [
            format!("port {port}"),
            "bind 127.0.0.1".to_owned(),
            format!("dir {}", dir.path().display()),
            format!("sentinel monitor {NAME} {} {} 1", watched.ip(), watched.port()),
            format!("sentinel down-after-milliseconds {NAME} 2000"),
            format!("sentinel failover-timeout {NAME} 3000"),
        ];
        fs::write(&file, lines.join("\n")).expect("room");
        let process = Command::new(&primary.program)
            .arg(&file)
            .arg("--sentinel")
            .stdout(File::create(dir.path().join(LOG)).expect("room"))
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("it can be started");
        let sentinel = Sentinel { _process: process, dir, port };
        sentinel.knows(replica).await;
        sentinel
    }

    /// Waits until it could promote this replica.
    pub async fn knows(&self, replica: &Redis) {
        let port = replica.addr().port().to_string();
        until("the Sentinel to know the replica", async || {
            let known = self.ask(&["SENTINEL", "REPLICAS", NAME]).await?;
            let is_usable = known.contains(&port) && known.contains("master-link-status\r\n$2\r\nok");
            (is_usable && !known.contains("s_down")).then_some(())
        })
        .await;
    }

    /// Has it promote the replica.
    pub async fn fail_over(&self) {
        until("the failover to begin", async || {
            let answer = self.ask(&["SENTINEL", "FAILOVER", NAME]).await?;
            answer.starts_with("+OK").then_some(())
        })
        .await;
    }

    async fn ask(&self, command: &[&str]) -> Option<String> {
        ask_over(TcpStream::connect(("127.0.0.1", self.port)).await.ok()?, command).await
    }

    /// What it has done so far, in its own words.
    pub fn log(&self) -> Vec<String> {
        let log = fs::read_to_string(self.dir.path().join(LOG)).expect("text");
        log.lines().map(str::to_owned).collect()
    }

    /// What leads through it to the primary.
    pub fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/{NAME}", self.port)
    }
}
