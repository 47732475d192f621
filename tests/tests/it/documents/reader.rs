//! A reader who follows a document from its first block to its last, in a temporary folder and on a separate port.

use std::fs::{self, File, Permissions};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use ws_tests::prelude::*;

use super::blocks::{Block, Kind, commands, frames};
use super::likeness::Words;
use crate::SERVER;

/// The address in the documents.
const SHOWN: [&str; 2] = ["127.0.0.1:3000", "localhost:3000"];
/// Shorter than the deadline of [`Raw`], whose message would say less.
const PATIENCE: Duration = DEADLINE.saturating_sub(Duration::from_secs(5));

/// Replaces cargo: what the documents build is built already.
const CARGO: &str = r#"#!/bin/sh
case "$*" in
"build --release" | "test --workspace") ;;
"run --release") exec "$SERVER" ;;
"run -q -p ws-proto --example client -- "*) exec "$CLIENT" "$8" ;;
*) echo "the documents say cargo $*, and their test does not know it" >&2; exit 1 ;;
esac
"#;

/// The reader.
#[derive(Debug)]
pub(super) struct Reader {
    dir: PathBuf,
    addr: SocketAddr,
    variables: Vec<(String, String)>,
    words: Words,
    server: Option<Child>,
    /// A program that keeps running, and what it prints.
    program: Option<(Child, Lines<BufReader<ChildStdout>>)>,
    socket: Option<Raw>,
    /// What the server has sent and the document has not shown yet.
    unread: Vec<String>,
}

impl Reader {
    pub(super) fn new(dir: PathBuf) -> Self {
        let bin = dir.join("bin");
        fs::create_dir_all(&bin).expect("a folder");
        std::os::unix::fs::symlink(SERVER, bin.join("ws-server")).expect("a link");
        script(bin.join("cargo"), CARGO);
        let listener = TcpListener::bind("127.0.0.1:0");
        let addr = listener.and_then(|listener| listener.local_addr()).expect("a free port");
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
        let variables = [
            ("PATH", path.as_str()),
            ("SERVER", SERVER),
            ("CLIENT", env!("CARGO_BIN_EXE_ws-proto-client")),
            ("WEBSOCKET_ADDR", &addr.to_string()),
            ("PYTHONUNBUFFERED", "1"),
            // The library waits for seconds before it reconnects.
            ("WEBSOCKETS_BACKOFF_INITIAL_DELAY", "0.05"),
            ("WEBSOCKETS_BACKOFF_MIN_DELAY", "0.05"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        Reader {
            dir,
            addr,
            variables: variables.into(),
            words: Words::default(),
            server: None,
            program: None,
            socket: None,
            unread: Vec::new(),
        }
    }

    /// Does what a block says, and compares what it shows.
    pub(super) async fn read(&mut self, block: &Block) {
        let text = SHOWN.iter().fold(block.text.clone(), |text, shown| text.replace(shown, &self.addr.to_string()));
        match block.kind {
            Kind::Frames => self.frames(&text).await,
            Kind::Config => self.configure(&text),
            Kind::Commands => {
                for line in text.lines() {
                    self.command(line).await;
                }
            }
            Kind::Console => self.console(&text).await,
            Kind::Python => self.save(&text),
            Kind::Browser => self.browser(&text).await,
            Kind::Printed => self.printed(&text).await,
            Kind::Stop => self.stop().await,
        }
    }

    /// Checks, at the end of the document or the server, that the server sent nothing that the document does not show.
    pub(super) async fn finish(&mut self) {
        if let Some(socket) = &mut self.socket {
            socket.write(&raw::text(r#"{"type":"ping"}"#)).await;
            self.expect(r#"{"type":"pong"}"#).await;
        }
        self.socket = None;
        self.unread.retain(|frame| !frame.contains(r#""event":"connected""#));
        assert!(self.unread.is_empty(), "not in the document: {:#?}", self.unread);
    }

    fn configure(&self, text: &str) {
        let path = self.dir.join("ws-server.toml");
        let before = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, before + text).expect("a file");
    }

    fn save(&self, text: &str) {
        let name = text.lines().next().and_then(|line| line.strip_prefix("# ")).expect("a comment with a name");
        fs::write(self.dir.join(name), text).expect("a file");
        // Not a symlink: Python finds its packages by the path that it is called with.
        let python = format!("#!/bin/sh\nexec {} \"$@\"\n", require::found("python").display());
        script(self.dir.join("bin/python3"), &python);
    }

    async fn browser(&mut self, text: &str) {
        fs::write(self.dir.join("page.mjs"), text).expect("a file");
        let before = concat!(env!("CARGO_MANIFEST_DIR"), "/js/browser.mjs");
        self.start(&format!("{} --import {before} page.mjs", require::found("node").display())).await;
    }

    async fn console(&mut self, text: &str) {
        for (command, shown) in commands(text) {
            let printed = self.run(&format!("{{ {command}; }} 2>&1")).await;
            let said: Vec<_> = printed.lines().collect();
            assert_eq!(said.len(), shown.len(), "{command}: {printed}");
            for (shown, said) in shown.into_iter().zip(said) {
                self.compare(shown, said);
            }
        }
    }

    async fn printed(&mut self, text: &str) {
        for shown in text.lines() {
            let (_, lines) = self.program.as_mut().expect("a program that runs");
            let line = within("the program to print a line", lines.next_line()).await.expect("text");
            let said = line.unwrap_or_else(|| panic!("the program ended before {shown}"));
            self.compare(shown, &said);
        }
    }

    async fn frames(&mut self, text: &str) {
        if self.socket.is_none() {
            let mut socket = Raw::connect(self.addr).await;
            socket.write(raw::handshake("/ws").as_bytes()).await;
            assert_eq!(socket.response(false).await.status, 101);
            self.socket = Some(socket);
        }
        for frame in frames(text) {
            let value: Option<Value> = serde_json::from_str(frame).ok();
            match (value, &mut self.socket) {
                (Some(value), Some(socket)) if value["type"] == "request" => {
                    socket.write(&raw::text(&self.words.fill(frame))).await;
                }
                _ => self.expect(frame).await,
            }
        }
    }

    /// Waits for a frame. Responses and events come in any order.
    async fn expect(&mut self, shown: &str) {
        loop {
            if let Some(at) = self.unread.iter().position(|said| self.words.learn(shown, said)) {
                self.unread.remove(at);
                return;
            }
            let Ok(frame) = timeout(PATIENCE, self.socket.as_mut().expect("connected").frame()).await else {
                panic!("the document shows\n{shown}\nwhich does not come, but\n{:#?}", self.unread);
            };
            self.unread.push(String::from_utf8(frame.payload).expect("text"));
        }
    }

    /// Runs a shell line: a variable, the server, a program that keeps running, or a command that ends.
    async fn command(&mut self, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["export", ..] => {
                let (name, value) = line["export ".len()..].split_once('=').expect("a value");
                let value = self.run(&format!("printf %s {value}")).await;
                self.variables.retain(|(known, _)| known != name);
                self.variables.push((name.to_owned(), value));
            }
            ["ws-server"] | ["ws-server", "--config", ..] | ["cargo", "run", "--release"] => self.serve(line).await,
            ["python3", ..] => self.start(line).await,
            _ => drop(self.run(line).await),
        }
    }

    /// Kills the server if it runs, which is the hardest way to stop it, and starts it again.
    async fn serve(&mut self, line: &str) {
        self.finish().await;
        if let Some(mut server) = self.server.take() {
            server.kill().await.expect("a child of ours");
        }
        let log = File::create(self.dir.join("server.log")).expect("a file");
        let line = format!("exec {}", line.trim_end_matches(" &"));
        self.server = Some(self.shell(&line).stderr(log).spawn().expect("bash"));
        until("the server to listen", async || TcpStream::connect(self.addr).await.ok()).await;
    }

    /// Starts a program in place of the running one. Where the tests run in the background, Ctrl+C is ignored by whatever they
    /// start, unless it is told otherwise.
    async fn start(&mut self, line: &str) {
        self.stop().await;
        let mut child =
            self.shell(&format!("exec env --default-signal=INT {line}")).stdout(Stdio::piped()).spawn().expect("bash");
        let printed = child.stdout.take().expect("a pipe");
        self.program = Some((child, BufReader::new(printed).lines()));
    }

    /// Ends the program with Ctrl+C. All that it printed is in the document.
    pub(super) async fn stop(&mut self) {
        if let Some((mut program, mut lines)) = self.program.take() {
            let id = program.id().expect("it runs");
            self.run(&format!("kill -INT {id}")).await;
            within("the program to end", program.wait()).await.expect("a child of ours");
            let more = within("the end of its output", lines.next_line()).await.expect("text");
            assert_eq!(more, None, "the program printed more than the document shows");
        }
    }

    /// The output of a command, which must succeed.
    async fn run(&self, line: &str) -> String {
        let output = self.shell(line).stdout(Stdio::piped()).stderr(Stdio::piped()).output();
        let output = within(line, output).await.expect("bash");
        let [printed, errors] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("text"));
        assert!(output.status.success(), "{line}: {printed}{errors}");
        printed
    }

    fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-c", line]).current_dir(&self.dir).envs(self.variables.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        command
    }

    fn compare(&mut self, shown: &str, said: &str) {
        assert!(self.words.learn(shown, said), "the document shows\n{shown}\nwhere this is printed\n{said}");
    }
}

fn script(path: PathBuf, text: &str) {
    fs::write(&path, text).and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o755))).expect("a script");
}
