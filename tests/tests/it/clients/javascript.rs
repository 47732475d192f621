//! The JavaScript client and the Rust one together behind a bad network, judged by the same witness: half of the publishers
//! and half of the subscribers are processes of Node.js (`tests/js/client/soak.mjs`).

use std::path::Path;
use std::process::Stdio;

use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use ws_client::Outbox;
use ws_tests::oracle::{Published, Seen};
use ws_tests::prelude::*;

use super::judged;
use super::stage::{CHANNELS, Epochs, PUBLISHERS, SUBSCRIBERS, Stage, Tops};

/// A process that is told one line, and tells what its client was told, a line of JSON each.
struct Soak<T> {
    child: Child,
    input: ChildStdin,
    told: JoinHandle<Vec<T>>,
}

impl<T: DeserializeOwned + Send + 'static> Soak<T> {
    fn start(args: &[String]) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("js");
        let mut command = Command::new(require::found("node"));
        command.arg("client/soak.mjs").args(args).current_dir(folder).kill_on_drop(true);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Node.js starts");
        let (input, output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let told = tokio::spawn(async move {
            let (mut lines, mut told) = (BufReader::new(output).lines(), Vec::new());
            while let Some(line) = lines.next_line().await.expect("text") {
                told.push(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")));
            }
            told
        });
        Soak { child, input, told }
    }

    /// Says the line, and waits for the end.
    async fn end(mut self, line: &str) -> Vec<T> {
        self.input.write_all(format!("{line}\n").as_bytes()).await.expect("it reads");
        let told = self.told.await.expect("what it says is JSON");
        let status = self.child.wait().await.expect("a child of ours");
        assert!(status.success(), "the process ended with {status}");
        told
    }
}

async fn publish(url: String, nth: usize, mut stop: watch::Receiver<bool>) -> Vec<Published> {
    let mut args = vec!["publish".to_owned(), url, nth.to_string()];
    args.extend(CHANNELS.map(str::to_owned));
    let soak = Soak::start(&args);
    stop.wait_for(|stop| *stop).await.expect("the test goes on");
    soak.end("stop").await
}

async fn subscribe(url: String, epochs: Epochs, mut tops: watch::Receiver<Option<Tops>>) -> Vec<Seen> {
    let epochs = serde_json::to_string(&*epochs).expect("it serializes");
    let soak = Soak::start(&["read".to_owned(), url, epochs]);
    let tops = tops.wait_for(Option::is_some).await.expect("the test goes on").clone();
    soak.end(&serde_json::to_string(&tops).expect("it serializes")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "node"), ignore = "Node.js is missing, or npm ci in tests/js")]
async fn what_users_of_both_clients_are_told_is_true() {
    let stage = Stage::begin().await;
    let url = stage.proxy().url();
    let (mut publishing, mut reading) = (JoinSet::new(), JoinSet::new());
    for nth in 0..PUBLISHERS {
        if nth % 2 == 0 {
            publishing.spawn(publish(url.clone(), nth, stage.stop()));
        } else {
            publishing.spawn(judged::publish(judged::client(&url, Outbox::memory()), nth, stage.stop()));
        }
    }
    for nth in 0..SUBSCRIBERS {
        if nth % 2 == 0 {
            reading.spawn(subscribe(url.clone(), stage.epochs(), stage.tops()));
        } else {
            let client = judged::client(&url, Outbox::memory());
            reading.spawn(judged::subscribe(client, stage.epochs(), stage.tops()));
        }
    }
    stage.end(publishing, reading).await;
}
