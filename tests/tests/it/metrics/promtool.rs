//! What Prometheus's own linter says about `/metrics`.

use std::io::Write;
use std::process::{Command, Stdio};

use ws_server::config::EngineType;
use ws_tests::prelude::*;
use ws_tests::redis::Redis;
use ws_tests::require;

use crate::durable::directory;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "promtool"), ignore = "promtool is missing")]
async fn promtool_finds_nothing_to_complain_about() {
    // A durable engine.
    let server = Server::with(|config| {
        config.engine.r#type = EngineType::Sqlite;
        config.engine.sqlite.dir = directory("promtool");
    })
    .await;
    let text = busy(&server).await;
    assert!(text.contains("ws_engine_commit_seconds_count 1\n"), "{text}");
    check(&text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(all(found = "promtool", found = "redis-server")), ignore = "promtool or redis-server is missing")]
async fn nor_in_a_cluster() {
    let redis = Redis::start().await;
    let text = busy(&Server::with(|config| redis.configure(config)).await).await;
    assert!(text.contains("ws_engine_written_total 1\n"), "{text}");
    check(&text);
}

/// The page of a server that has published something.
async fn busy(server: &Server) -> String {
    let mut client = server.connect().await;
    client.ask("subscribe", json!({"channel": "a"})).await;
    client.ask("publish", json!({"channel": "a", "data": 1})).await;
    client.event("publication").await;
    http::get(server.addr(), "/metrics").await.text().to_owned()
}

fn check(text: &str) {
    let mut promtool = Command::new(require::found("promtool"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    promtool.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads all of it");
    let output = promtool.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}
