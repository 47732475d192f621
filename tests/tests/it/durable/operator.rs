//! What an operator does with a data directory.

use std::process::{Command, Output};

use super::*;

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(SERVER).args(args).env("RUST_LOG", "info").output().expect("the server's binary starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

fn path(dir: &Path) -> &str {
    dir.to_str().expect("a path in UTF-8")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_server_is_inspected_and_exported() {
    let dir = directory("inspected");
    let server = start(host(), &dir).await;
    let mut client = connect(&server).await;
    for n in 1..=3 {
        let payload = json!({"channel": "log", "data": {"n": n}, "msg_id": n.to_string(), "tags": {"a": "b"}});
        client.ask("publish", payload).await;
    }
    let (code, out, err) = run(&["inspect", path(&dir)]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.lines().any(|line| line.ends_with("  log") && line.contains(" 3 ")), "{out}");
    assert!(out.contains("1 channels, 3 publications"), "{out}");

    let (code, out, _) = run(&["export", path(&dir), "log"]);
    let entries: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((code, entries.len()), (Some(0), 3));
    let page = client.ask("get_history", json!({"channel": "log"})).await;
    assert_eq!(page["publications"], json!(entries), "a line is an entry of the history");
    let (_, out, _) = run(&["export", path(&dir), "log", "--after", "2"]);
    assert_eq!(out.lines().count(), 1);

    let (code, out, err) = run(&["export", path(&dir), "nobody"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("no channel \"nobody\""), "{err}");
}

/// Data is kept as it was published, including line breaks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publication_is_one_line_of_an_export() {
    let dir = directory("lines");
    let server = start(host(), &dir).await;
    let mut client = connect(&server).await;
    let data = "{\n  \"a\": [1,\r\n 2],\r \"b\": \"x\\ny\"\n}";
    let publish = r#"{"id":"p","type":"request","action":"publish","payload":{"channel":"log","data":DATA}}"#;
    client.text(publish.replace("DATA", data)).await;
    assert_eq!(client.answer("p").await["type"], "response");
    let (code, out, _) = run(&["export", path(&dir), "log"]);
    assert_eq!((code, out.matches('\n').count(), out.matches('\r').count()), (Some(0), 1, 0), "{out:?}");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux");
    let ran = Command::new(SERVER).args(["export", path(&dir), "log"]).stdout(full).output().expect("it starts");
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.code() == Some(1) && told.contains("the output cannot be written"), "{told}");
    let entry: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(entry["data"], json!({"a": [1, 2], "b": "x\ny"}), "{out}");
}

#[test]
fn a_directory_without_a_database_is_reported() {
    let (code, _, err) = run(&["inspect", path(&directory("nothing"))]);
    assert_eq!(code, Some(1));
    assert!(err.contains("there is no database in"), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_is_refused() {
    let dir = directory("second");
    let server = start(host(), &dir).await;
    let (code, _, err) = run(&["--addr", "127.0.0.1:0", "--data-dir", path(&dir)]);
    assert_eq!(code, Some(1));
    let process = format!("in use by another server (process {})", server.id());
    assert!(err.contains(&process), "{err}");
    assert!(!err.contains("listening"), "no port was bound: {err}");
}

#[test]
fn a_directory_that_cannot_be_used_is_reported_before_a_port_is_bound() {
    let (code, _, err) = run(&["--addr", "127.0.0.1:0", "--data-dir", "/proc/data"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("/proc/data cannot be used"), "{err}");
    assert!(!err.contains("listening"), "{err}");
    // A restart does not turn a file into a directory.
    for dir in ["/dev/null", "/dev/null/data"] {
        let (code, _, err) = run(&["--addr", "127.0.0.1:0", "--data-dir", dir]);
        assert_eq!(code, Some(78), "{dir}");
        assert!(err.contains("--data-dir: engine.sqlite.dir: found ") && err.contains("not a directory"), "{err}");
    }
}

/// The documented way: SQLite's own, while the server runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "sqlite3"), ignore = "python3 is missing")]
async fn a_backup_of_a_running_server_is_complete() {
    let (dir, restored) = (directory("backed-up"), directory("restored"));
    let server = start(host(), &dir).await;
    let mut client = connect(&server).await;
    let epoch = client.ask("subscribe", json!({"channel": "log"})).await["epoch"].take();
    let publish = |n: u64| request("p", "publish", json!({"channel": "log", "data": n}));
    client.texts((1..=500).map(publish)).await;
    for _ in 1..=100 {
        client.answer("p").await;
    }
    std::fs::create_dir_all(&restored).expect("a directory");
    let script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('VACUUM INTO ?', [sys.argv[2]])";
    let files = [dir.join("ws.db"), restored.join("ws.db")];
    let python = require::found("sqlite3");
    let ran = Command::new(python).args(["-c", script]).args(&files).output().expect("python3 starts");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));

    assert_eq!(run(&["renew-epochs", path(&dir)]).0, Some(1), "it is in use");
    assert_eq!(run(&["renew-epochs", path(&restored)]).0, Some(0));
    let server = start(host(), &restored).await;
    let mut client = connect(&server).await;
    let since = json!({"epoch": epoch, "offset": 50});
    let answer = client.ask("subscribe", json!({"channel": "log", "since": since})).await;
    let top = answer["offset"].as_u64().expect("an offset");
    assert_eq!((&answer["recovered"], &answer["gap"]), (&json!(false), &json!({"epoch": epoch})), "{answer}");
    assert!((100..=500).contains(&top), "{answer}");
    let all = history(&mut client, "log").await;
    assert!(all.iter().map(|(offset, _)| *offset).eq(1..=top), "without a hole");
}
