//! The startup of a real process: signals end it, and a secret in a URL is not logged.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use ws_tests::prelude::*;

use crate::SERVER;

/// A server that fetches its keys from this test before it listens.
async fn starting(query: &str) -> (Child, TcpListener) {
    let provider = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/keys{query}", provider.local_addr().expect("an address"));
    let child = Command::new(SERVER)
        .args(["--addr", "127.0.0.1:0"])
        .envs([
            ("WS_SERVER__AUTH__JWKS_URL", url.as_str()),
            ("WS_SERVER__AUTH__AUDIENCE", "chat"),
            ("RUST_LOG", "trace"),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    (child.expect("the server's binary starts"), provider)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_ends_the_start() {
    for name in ["-TERM", "-INT"] {
        let (child, provider) = starting("").await;
        let _unanswered = within("the server to ask for keys", provider.accept()).await.expect("a socket");
        let id = child.id().expect("it runs").to_string();
        assert!(Command::new("kill").args([name, &id]).status().await.expect("there is a kill").success());
        let output = within("the process to end", child.wait_with_output()).await.expect("a child of ours");
        let log = String::from_utf8_lossy(&output.stderr);
        // If it had waited for the keys, it would have exited with 1.
        assert_eq!(output.status.code(), Some(0), "{log}");
        assert!(log.contains("ended during the start") && !log.contains("listening"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_begins_with_the_version_and_warns_of_nothing_but_the_open_door() {
    let mut command = Command::new(SERVER);
    command.args(["--addr", "127.0.0.1:0"]).env_clear().stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("the server's binary starts");
    let mut log = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut lines = Vec::new();
    while !lines.last().is_some_and(|line: &String| line.contains("engine: memory")) {
        lines.push(within("a line", log.next_line()).await.expect("text").expect("it goes on"));
    }
    assert!(lines[0].contains(&format!("ws-server {}, protocol 1", ws_server::app::VERSION)), "{lines:#?}");
    let warnings: Vec<_> = lines.iter().filter(|line| !line.contains(" INFO ")).collect();
    assert!(matches!(warnings[..], [door] if door.contains("no authentication")), "{lines:#?}");
    assert!(
        lines.iter().any(|line| line.contains("open_files_max=") && line.contains("connections_max=")),
        "{lines:#?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_in_the_url_of_the_keys_is_in_no_line() {
    let (child, provider) = starting("?api_key=swordfish").await;
    let (mut socket, _) = within("the server to ask for keys", provider.accept()).await.expect("a socket");
    let mut asked = [0; 4096];
    let bytes = within("the question", socket.read(&mut asked)).await.expect("bytes");
    assert!(asked[..bytes].starts_with(b"GET /keys?api_key=swordfish "), "the provider gets it");
    socket.write_all(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n").await.expect("it is answered");
    let output = within("the process to end", child.wait_with_output()).await.expect("a child of ours");
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(log.contains("/keys?… cannot be fetched") && !log.contains("swordfish"), "{log}");
    // The same if nobody answers, because the library's errors contain the URL.
    drop(provider);
    let (child, provider) = starting("?api_key=swordfish").await;
    drop(within("the server to ask for keys", provider.accept()).await.expect("a socket"));
    let output = within("the process to end", child.wait_with_output()).await.expect("a child of ours");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("cannot be fetched") && !log.contains("swordfish"), "{log}");
}
