//! Clients of other people: npm `ws` and Python's `websockets` run the seed's examples.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;
use ws_tests::prelude::*;

use crate::seed::EXAMPLES;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Runs a script with the server's URL and the seed's requests, each with the answer that it must get when one is connected.
async fn run(program: PathBuf, script: PathBuf) {
    let server = Server::start().await;
    let expect =
        |(text, id, data): (&str, &str, &str)| json!([text, {"id": id, "type": "response", "data": one(data)}]);
    let examples = Value::Array(EXAMPLES.into_iter().map(expect).collect());
    let command = Command::new(program)
        .arg(script)
        .args([format!("ws://{}/ws", server.addr()), examples.to_string()])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = within("the script to end", command).await.expect("the script starts");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{}: {said:?}", output.status);
    assert_eq!(said[0].trim(), format!("{} examples", EXAMPLES.len()));
    server.wait_for_metric("ws_connections", 0.0).await;
    assert_eq!(server.metrics().await.get(r#"ws_connections_closed_total{code="1000"}"#), 1.0, "a clean close");
}

/// The data of an answer when one is connected instead of three.
fn one(data: &str) -> Value {
    serde_json::from_str(&data.replace('3', "1")).expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn npm_ws() {
    let found = require::program(&["node"], &["--version"]).filter(|_| folder("js/node_modules/ws").is_dir());
    let Some(node) = require::or_skip(found, "node with `npm ci` done in tests/js") else { return };
    run(node, folder("js/seed.mjs")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_websockets() {
    let chosen = std::env::var("WS_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = require::program(&[&chosen, "python"], &["-c", "import websockets.sync.client"]);
    let what = "Python (WS_TEST_PYTHON, python3) with the packages of tests/py/requirements.txt";
    let Some(python) = require::or_skip(found, what) else { return };
    run(python, folder("py/seed.py")).await;
}
