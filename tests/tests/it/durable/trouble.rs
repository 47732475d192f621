//! A full disk: publishers get errors, the server survives, and recovers when there is room.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::*;

/// The initial limit on the size of the server's files, in bytes.
const FILE_BYTES_MAX: u64 = 400 * 1024;

/// Limits the size of the server's files, like a disk that becomes full or is cleared.
fn limit_files(server: &Process, bytes: &str) {
    let limit = format!("--fsize={bytes}:unlimited");
    let ran = Command::new(require::found("prlimit")).args(["--pid", &server.id().to_string(), &limit]).status();
    assert!(ran.expect("util-linux has prlimit").success(), "prlimit {limit}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "prlimit"), ignore = "prlimit (util-linux) is missing")]
async fn a_full_disk_is_reported_and_survived() {
    let dir = directory("full");
    let server = start(host(), &dir).await;
    let mut client = connect(&server).await;
    let mut reader = connect(&server).await;
    reader.ask("subscribe", json!({"channel": "log"})).await;
    limit_files(&server, &FILE_BYTES_MAX.to_string());
    let fill = "x".repeat(8000);
    let mut stored = 0;
    let refused = loop {
        let answer = client.request("p", "publish", json!({"channel": "log", "data": fill})).await;
        if answer["type"] == "error" {
            break answer;
        }
        stored += 1;
        assert!(stored < 1000, "it becomes full");
    };
    let error = &refused["error"];
    assert_eq!((&error["code"], &error["retryable"]), (&json!("engine_unavailable"), &json!(true)), "{refused}");
    assert!(!refused.to_string().contains("durable"), "clients are told no paths: {refused}");
    let ready = http::get(server.addr(), "/ready").await;
    assert_eq!((ready.status, ready.error_code().as_str()), (503, "engine_unavailable"), "{ready:?}");
    assert_eq!(http::get(server.addr(), "/health").await.status, 200);
    let metrics = http::metrics(server.addr()).await;
    assert_eq!(metrics.get("ws_engine_healthy"), 0.0);
    assert!(metrics.get("ws_engine_failures_total") >= 1.0);

    // Channels without history still work, and stored publications can be read.
    assert_eq!(client.ask("echo", json!({"message": 1})).await["echo"], 1);
    assert_eq!(history(&mut client, "log").await.len(), stored);
    for _ in 0..stored {
        reader.event("publication").await;
    }

    limit_files(&server, "unlimited");
    until("the server is ready again", async || (http::get(server.addr(), "/ready").await.status == 200).then_some(()))
        .await;
    let answer = client.ask("publish", json!({"channel": "log", "data": "after"})).await;
    assert_eq!(answer["offset"], stored + 1, "{answer}");
    let event = reader.event("publication").await;
    assert_eq!((&event["offset"], &event["data"]), (&json!(stored + 1), &json!("after")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "prlimit"), ignore = "prlimit is missing")]
async fn a_full_disk_is_found_before_anybody_publishes() {
    let dir = directory("full-canary");
    let server = start_with(host(), &dir, &[("WS_SERVER__CANARY__INTERVAL", "100ms")]).await;
    limit_files(&server, &INDEX_BYTES.to_string());
    let ready = until("the server is not ready", async || {
        let ready = http::get(server.addr(), "/ready").await;
        (ready.status == 503).then_some(ready)
    })
    .await;
    assert_eq!(ready.error_code(), "engine_unavailable", "{ready:?}");
    limit_files(&server, "unlimited");
    let is_ready = async || (http::get(server.addr(), "/ready").await.status == 200).then_some(());
    until("the server is ready by itself", is_ready).await;
}

/// The limit at a restart, in bytes: as much as the index of the write-ahead log needs, which has its space already.
const INDEX_BYTES: u64 = 32 * 1024;

/// Starts a server whose write-ahead log cannot grow, as on a disk that is full from the start.
async fn start_full(dir: &Path) -> Process {
    let script = dir.with_extension("sh");
    let text = format!("#!/bin/sh\nexec prlimit --fsize={INDEX_BYTES}:unlimited {SERVER} \"$@\"\n");
    std::fs::write(&script, text).expect("a script");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("it can be made to run");
    start_program(host(), script.to_str().expect("a path in UTF-8"), dir, &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "prlimit"), ignore = "prlimit is missing")]
async fn a_restart_on_a_full_disk_serves_what_is_there() {
    for fsync in ["commit", "interval"] {
        let dir = directory(&format!("full-{fsync}"));
        let variables = [("WS_SERVER__ENGINE__SQLITE__FSYNC", fsync)];
        let server = start_with(host(), &dir, &variables).await;
        let mut client = connect(&server).await;
        let before = client.ask("publish", json!({"channel": "log", "data": 1})).await;
        while std::fs::metadata(dir.join("ws.db-wal")).expect("a log").len() <= INDEX_BYTES {
            client.ask("publish", json!({"channel": "fill", "data": 1})).await;
        }
        server.kill().await;

        let server = start_full(&dir).await;
        assert_eq!(http::get(server.addr(), "/ready").await.status, 503);
        let mut client = connect(&server).await;
        assert_eq!(history(&mut client, "log").await, [(1, json!(1))], "it is read");
        let publish = json!({"channel": "log", "data": 2});
        assert_eq!(client.refusal("publish", publish.clone()).await, "engine_unavailable");
        limit_files(&server, "unlimited");
        let is_ready = async || (http::get(server.addr(), "/ready").await.status == 200).then_some(());
        until("the server is ready by itself", is_ready).await;
        let after = client.ask("publish", publish).await;
        assert_eq!((&after["epoch"], &after["offset"]), (&before["epoch"], &json!(2)), "{after}");
        server.kill().await;

        let server = start_with(host(), &dir, &variables).await;
        assert_eq!(history(&mut connect(&server).await, "log").await.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_are_removed_are_reported() {
    let dir = directory("taken");
    let server = start(host(), &dir).await;
    let mut client = connect(&server).await;
    client.ask("publish", json!({"channel": "log", "data": 1})).await;
    std::fs::remove_file(dir.join("ws.db")).expect("it is there");
    let refused = client.request("p", "publish", json!({"channel": "log", "data": 2})).await;
    assert_eq!(refused["error"]["code"], "engine_unavailable", "not one is acknowledged: {refused}");
    let ready = http::get(server.addr(), "/ready").await;
    assert_eq!((ready.status, ready.error_code().as_str()), (503, "engine_unavailable"), "{ready:?}");
    assert_eq!(history(&mut client, "log").await.len(), 1, "what is open can be read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_database_is_not_served() {
    let dir = directory("damaged");
    std::fs::create_dir_all(&dir).expect("a directory");
    std::fs::write(dir.join("ws.db"), "no database ".repeat(1000)).expect("a file");
    let args = ["--addr", "127.0.0.1:0", "--data-dir", dir.to_str().expect("a path in UTF-8")];
    let output = Command::new(SERVER).args(args).output().expect("the server's binary starts");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(err.contains("not a database of ws-server") && !err.contains("listening"), "{err}");
}
