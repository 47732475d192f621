//! The examples of ws-client do what they say, against a server.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use ws_tests::prelude::*;

const CHAT: &str = env!("CARGO_BIN_EXE_ws-client-chat");
const BRIDGE: &str = env!("CARGO_BIN_EXE_ws-client-bridge");
const WORKER: &str = env!("CARGO_BIN_EXE_ws-client-worker");

/// An example that runs.
struct Example {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Example {
    fn start(program: &str, args: &[&str], folder: &Path) -> Self {
        let mut command = Command::new(program);
        command.args(args).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("it starts");
        let (input, output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        Example { child, input, lines: BufReader::new(output).lines() }
    }

    async fn says(&mut self, line: &str) {
        within(line, async { while self.lines.next_line().await.expect("text").expect("it runs") != line {} }).await;
    }

    async fn type_line(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.expect("it reads");
    }

    async fn kill(mut self) {
        within("the process to be gone", self.child.kill()).await.expect("a child of ours");
    }
}

async fn server() -> Server {
    Server::with(|config| config.channels.history_size = 1_000).await
}

fn url(server: &Server) -> String {
    format!("ws://{}/ws", server.addr())
}

/// Reads a channel from its beginning.
async fn reader(server: &Server, channel: &str) -> Client {
    let mut client = server.connect().await;
    client.ask("subscribe", json!({"channel": channel})).await;
    client
}

async fn publish(client: &mut Client, channel: &str, data: Value, msg_id: &str) {
    let payload = json!({"channel": channel, "data": data, "msg_id": msg_id});
    client.text(json!({"id": "p", "type": "request", "action": "publish", "payload": payload}).to_string()).await;
}

async fn published(client: &mut Client) -> Value {
    client.event("publication").await["data"].take()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_in_the_terminal() {
    let (server, folder) = (server().await, tempfile::tempdir().expect("a directory"));
    let url = url(&server);
    let mut ann = Example::start(CHAT, &[&url, "lobby", "ann"], folder.path());
    ann.says("(Connected)").await;
    let mut bob = Example::start(CHAT, &[&url, "lobby", "bob"], folder.path());
    bob.type_line("hello").await;
    ann.says("bob: hello").await;
    ann.type_line("hello bob").await;
    bob.says("ann: hello bob").await;
    // The end of input: what was typed last still arrives.
    bob.type_line("bye").await;
    drop(bob.input);
    ann.says("bob: bye").await;
    assert!(within("the end", bob.child.wait()).await.expect("a child of ours").success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_copies_each_publication_once() {
    const EACH: u64 = 30;
    let (from, to, folder) = (server().await, server().await, tempfile::tempdir().expect("a directory"));
    let (mut source, mut copies) = (from.connect().await, reader(&to, "news").await);
    let (from_url, to_url) = (url(&from), url(&to));
    let start = || Example::start(BRIDGE, &[&from_url, &to_url, "news"], folder.path());
    let mut bridge = start();
    until("the bridge to subscribe", async || (from.metrics().await.get("ws_subscriptions") == 1.0).then_some(()))
        .await;
    for run in 0..3 {
        for n in run * EACH..(run + 1) * EACH {
            publish(&mut source, "news", json!(n), &format!("m{n}")).await;
        }
        // Killed in the middle of it: the next one goes on.
        assert_eq!(published(&mut copies).await, run * EACH);
        bridge.kill().await;
        bridge = start();
        for n in run * EACH + 1..(run + 1) * EACH {
            assert_eq!(published(&mut copies).await, n);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_does_each_job_once() {
    const EACH: i64 = 20;
    let (server, folder) = (server().await, tempfile::tempdir().expect("a directory"));
    let (mut boss, mut results) = (server.connect().await, reader(&server, "results").await);
    let url = url(&server);
    let start = || Example::start(WORKER, &[&url, "jobs", "results"], folder.path());
    let mut worker = start();
    until("the worker to subscribe", async || (server.metrics().await.get("ws_subscriptions") == 2.0).then_some(()))
        .await;
    for run in 0..3 {
        for n in run * EACH..(run + 1) * EACH {
            publish(&mut boss, "jobs", json!({"numbers": [n, 1]}), &format!("j{n}")).await;
        }
        assert_eq!(published(&mut results).await, json!({"sum": run * EACH + 1}));
        worker.kill().await;
        worker = start();
        for n in run * EACH + 1..(run + 1) * EACH {
            assert_eq!(published(&mut results).await, json!({"sum": n + 1}));
        }
    }
}
