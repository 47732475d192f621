//! A disk that takes nothing more: publishers are told, the server lives, and goes on when there is room.

use std::process::Command;

use super::*;

/// Bytes that a file of the server may have, at first.
const FILE_BYTES_MAX: u64 = 400 * 1024;

/// Sets how large a file of the server may become, as a disk that is full and is cleared.
fn limit_files(server: &Process, bytes: &str) {
    let limit = format!("--fsize={bytes}:unlimited");
    let ran = Command::new(require::found("prlimit")).args(["--pid", &server.id().to_string(), &limit]).status();
    assert!(ran.expect("util-linux has prlimit").success(), "prlimit {limit}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "prlimit"), ignore = "prlimit (util-linux) is missing")]
async fn a_full_disk_is_told_and_survived() {
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

    // What is not stored goes on working, and what is stored can be read.
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
async fn a_damaged_database_is_not_served() {
    let dir = directory("damaged");
    std::fs::create_dir_all(&dir).expect("a directory");
    std::fs::write(dir.join("ws.db"), "no database ".repeat(1000)).expect("a file");
    let args = ["--addr", "127.0.0.1:0", "--data-dir", dir.to_str().expect("a path in UTF-8")];
    let output = Command::new(SERVER).args(args).output().expect("the server's binary starts");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(err.contains("no database of ws-server") && !err.contains("listening"), "{err}");
}
