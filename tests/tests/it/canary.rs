//! The canary in a whole server: it arrives with both engines, nobody sees it, and `/ready` says when it does not.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;

use ws_server::config::{Config, EngineType};
use ws_tests::api::{self, Api};
use ws_tests::prelude::*;

use crate::SERVER;
use crate::durable::directory;
use crate::held::Held;

fn often(config: &mut Config) {
    config.canary.interval = Duration::from_millis(100);
}

async fn durable(dir: &Path) -> Server {
    Server::with(|config| {
        often(config);
        config.engine.r#type = EngineType::Sqlite;
        config.engine.sqlite.dir = dir.to_owned();
    })
    .await
}

/// A process with a data directory.
async fn process(dir: &Path) -> Process {
    let dir = dir.to_str().expect("a path in UTF-8");
    let variables =
        [("WS_SERVER_DATA_DIR", dir), ("WS_SERVER__CANARY__INTERVAL", "1s"), ("WS_SERVER_API_KEY", api::KEY)];
    Process::start(SERVER, &variables).await
}

/// Waits until this many canaries have arrived.
async fn arrived(server: SocketAddr, number: f64) -> Metrics {
    until("the canary", async || {
        let metrics = http::metrics(server).await;
        (metrics.get("ws_canary_arrived_total") >= number).then_some(metrics)
    })
    .await
}

/// Waits until the server is not ready for this reason.
async fn trouble(server: &Server, code: &str, reason: &str) {
    let mut last = None;
    let told = until(reason, async || {
        let ready = http::get(server.addr(), "/ready").await;
        last = Some((ready.status, ready.text().to_owned()));
        (ready.status == 503 && ready.text().contains(reason)).then_some(ready)
    });
    let ready = tokio::select! {
        ready = told => ready,
        () = tokio::time::sleep(DEADLINE / 2) => panic!("not {reason}: {last:?}"),
    };
    assert_eq!(ready.error_code(), code, "{ready:?}");
    assert_eq!(server.metrics().await.get("ws_canary_healthy"), 0.0);
    assert_eq!(http::get(server.addr(), "/health").await.status, 200, "it lives");
}

async fn is_ready(server: &Server) {
    until("the server is ready by itself", async || {
        (http::get(server.addr(), "/ready").await.status == 200).then_some(())
    })
    .await;
}

/// It arrives, and is no connection, channel or publication of anybody.
async fn it_arrives_unseen(server: SocketAddr) {
    let _client = Client::connect(server, "/ws").await;
    let metrics = arrived(server, 3.0).await;
    assert_eq!((metrics.get("ws_canary_healthy"), metrics.get("ws_canary_failures_total")), (1.0, 0.0));
    let seconds = metrics.get("ws_canary_round_trip_seconds");
    assert!(seconds > 0.0 && seconds < DEADLINE.as_secs_f64(), "{seconds}");
    for name in ["ws_publications_total", "ws_deliveries_total", "ws_subscribed_total", "ws_channels"] {
        assert_eq!(metrics.get(name), 0.0, "{name}");
    }
    assert_eq!(metrics.get("ws_connections"), 1.0);
    assert!(metrics.get("ws_engine_publications") <= 1.0, "one at most is kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_arrives_and_nobody_sees_it() {
    let server = Server::with(|config| config.canary.interval = Duration::from_secs(1)).await;
    it_arrives_unseen(server.addr()).await;

    let dir = directory("canary");
    let server = process(&dir).await;
    it_arrives_unseen(server.addr()).await;
    let page = Api::connect(server.addr()).await.ok("GET", "/channels", Value::Null).await;
    assert_eq!(page["channels"], json!([]), "{page}");
    let output = Command::new(SERVER).args(["inspect".as_ref(), dir.as_os_str()]).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.contains("0 channels, 0 publications of 0 bytes") && !text.contains("canary"), "{text}");
    server.kill().await;
    let server = process(&dir).await;
    arrived(server.addr(), 2.0).await;
    assert_eq!(http::get(server.addr(), "/ready").await.status, 200, "the stream of the last run goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_can_be_turned_off() {
    let server = Server::with(|config| config.canary.interval = Duration::ZERO).await;
    assert!(!server.metrics().await.families.contains_key("ws_canary_healthy"));
    assert_eq!(http::get(server.addr(), "/ready").await.status, 200);
    assert_eq!(Config::default().canary.interval, Duration::from_secs(5), "it is on by default");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_hangs_is_told() {
    let engine = Arc::new(Held::new());
    let server = Server::over(engine.clone(), often).await;
    trouble(&server, "engine_unavailable", "s: the engine does not store it").await;
    assert_eq!(engine.held(), 1, "it does not pile them up");
    until("the server is ready again", async || {
        engine.let_go();
        (http::get(server.addr(), "/ready").await.status == 200).then_some(())
    })
    .await;
    engine.set_room(false);
    engine.let_go();
    trouble(&server, "overloaded", "s: publishers wait for room").await;
    engine.set_room(true);
    until("the server is ready again", async || {
        engine.let_go();
        (http::get(server.addr(), "/ready").await.status == 200).then_some(())
    })
    .await;
}

/// Another program that has locked the database for writing. Dropping it unlocks the database.
struct Lock {
    child: Child,
    unlock: Option<ChildStdin>,
}

impl Lock {
    fn take(database: &Path) -> Self {
        let script = "import sqlite3, sys\n\
                      database = sqlite3.connect(sys.argv[1], timeout=20, isolation_level=None)\n\
                      database.execute('BEGIN IMMEDIATE')\n\
                      print('locked', flush=True)\n\
                      sys.stdin.read()\n";
        let mut command = Command::new(require::found("sqlite3"));
        command.args(["-c", script]).arg(database).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        assert_eq!(line, "locked\n");
        let unlock = child.stdin.take();
        Lock { child, unlock }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        drop(self.unlock.take());
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "sqlite3"), ignore = "python3 with sqlite3 is missing")]
async fn a_database_that_stalls_is_told() {
    let dir: PathBuf = directory("stalled");
    let server = durable(&dir).await;
    arrived(server.addr(), 1.0).await;
    let lock = tokio::task::spawn_blocking(move || Lock::take(&dir.join("ws.db"))).await.expect("it is locked");
    // Long before the engine itself gives up.
    trouble(&server, "engine_unavailable", "s: the engine does not store it").await;
    assert_eq!(server.metrics().await.get("ws_engine_healthy"), 1.0);
    drop(lock);
    is_ready(&server).await;
}
