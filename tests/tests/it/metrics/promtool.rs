//! What Prometheus's own linter says about `/metrics`.

use std::io::Write;
use std::process::{Command, Stdio};

use ws_server::config::EngineType;
use ws_tests::prelude::*;
use ws_tests::require;

use crate::durable::directory;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "promtool"), ignore = "promtool is missing")]
async fn promtool_finds_nothing_to_complain_about() {
    // The engine with the most metrics.
    let server = Server::with(|config| {
        config.engine.r#type = EngineType::Sqlite;
        config.engine.sqlite.dir = directory("promtool");
    })
    .await;
    let mut client = server.connect().await;
    client.ask("subscribe", json!({"channel": "a"})).await;
    client.ask("publish", json!({"channel": "a", "data": 1})).await;
    client.event("publication").await;
    let text = http::get(server.addr(), "/metrics").await.text().to_owned();
    assert!(text.contains("ws_engine_commit_seconds_count 1\n"), "{text}");
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
