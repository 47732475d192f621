//! The JavaScript client: its own tests (`tests/js/client`), run by Node.js, those of what the test page makes of it, and
//! what only a browser shows.

mod pages;

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;
use ws_tests::prelude::*;

use crate::SERVER;

/// Runs a file of tests with Node.js.
async fn node(file: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("js");
    let output = Command::new(require::found("node"))
        // The hooks import React and Vue from where they are linked.
        // Not under a runner, whose processes would survive it.
        .args(["--preserve-symlinks", "--test-reporter=tap", &format!("client/{file}.test.mjs")])
        .current_dir(folder)
        .env("WS_SERVER", SERVER)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = within("the tests to end", output).await.expect("Node.js starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("\n# fail 0\n"), "{said}");
    assert!(!said.contains("\n# pass 0\n"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "node"), ignore = "Node.js is missing, or npm ci in tests/js")]
async fn sleep_tokens_and_components() {
    node("time").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "node"), ignore = "Node.js is missing, or npm ci in tests/js")]
async fn traces_of_the_rust_client() {
    node("traces").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "node"), ignore = "Node.js is missing, or npm ci in tests/js")]
async fn stores_that_fail_and_indexeddb() {
    node("store").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "node"), ignore = "Node.js is missing, or npm ci in tests/js")]
async fn hooks_of_react_and_vue() {
    node("hooks").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "node"), ignore = "Node.js is missing, or npm ci in tests/js")]
async fn size_types_and_package() {
    node("package").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "node"), ignore = "Node.js is missing, or npm ci in tests/js")]
async fn connection_and_channels_of_the_test_page() {
    node("page").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "node"), ignore = "Node.js is missing, or npm ci in tests/js")]
async fn a_server_that_is_killed_again_and_again() {
    node("server").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "node"), ignore = "Node.js is missing, or npm ci in tests/js")]
async fn claude_from_a_script() {
    node("claude").await;
}
