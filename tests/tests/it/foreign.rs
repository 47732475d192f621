//! Clients written by others: npm `ws` and Python's `websockets` run the examples of the first version, and lose no
//! publication when they lose their connection.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;
use ws_tests::prelude::*;

use crate::seed::EXAMPLES;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Runs a script with the server's URL and these arguments, and returns its output. All its connections must end, `clean` of
/// them with a close frame.
async fn run(program: PathBuf, script: &str, arguments: &[String], clean: u32) -> String {
    run_against(&Server::start().await, program, script, arguments, clean).await
}

/// The same, against a running server.
async fn run_against(server: &Server, program: PathBuf, script: &str, arguments: &[String], clean: u32) -> String {
    let command = Command::new(program)
        .arg(folder(script))
        .arg(format!("ws://{}/ws", server.addr()))
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = within("the script to end", command).await.expect("the script starts");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{}: {said:?}", output.status);
    server.wait_for_metric("ws_connections", 0.0).await;
    let closed = server.metrics().await.get(r#"ws_connections_closed_total{code="1000"}"#);
    assert_eq!(closed, f64::from(clean), "a clean close");
    said[0].trim().to_owned()
}

/// The first version's requests, each with the answer that it must get when one client is connected.
async fn seed(program: PathBuf, script: &str) {
    let expect =
        |(text, id, data): (&str, &str, &str)| json!([text, {"id": id, "type": "response", "data": one(data)}]);
    let examples = Value::Array(EXAMPLES.into_iter().map(expect).collect());
    let said = run(program, script, &[examples.to_string()], 1).await;
    assert_eq!(said, format!("{} examples", EXAMPLES.len()));
}

/// The data of an answer when one is connected instead of three.
fn one(data: &str) -> Value {
    serde_json::from_str(&data.replace('3', "1")).expect("JSON")
}

/// Publications before, while and after a subscriber is away; the history has everything that it missed.
async fn recovery(program: PathBuf, script: &str) {
    let arguments = ["news-é", "10", "100", "20"].map(str::to_owned);
    assert_eq!(run(program, script, &arguments, 2).await, "130 publications");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "node"), ignore = "Node.js is missing, or npm ci in tests/js")]
async fn npm_ws() {
    seed(require::found("node"), "js/seed.mjs").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "node"), ignore = "Node.js is missing, or npm ci in tests/js")]
async fn npm_ws_recovers() {
    recovery(require::found("node"), "js/channels.mjs").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "python"), ignore = "Python is missing, or the packages of tests/py/requirements.txt")]
async fn python_websockets() {
    seed(require::found("python"), "py/seed.py").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "python"), ignore = "Python is missing, or the packages of tests/py/requirements.txt")]
async fn python_websockets_recovers() {
    recovery(require::found("python"), "py/channels.py").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "python"), ignore = "Python is missing, or the packages of tests/py/requirements.txt")]
async fn python_jwt() {
    let server = Server::with(|config| {
        token::accept(config);
        let granted = ws_server::config::Channels { subscribe: ws_core::Access::GRANTED, ..config.channels.clone() };
        config.namespaces.insert("room".to_owned(), granted);
    })
    .await;
    let said = run_against(&server, require::found("python"), "py/identity.py", &[token::SECRET.to_owned()], 2).await;
    assert_eq!(said, "7 tokens");
}
