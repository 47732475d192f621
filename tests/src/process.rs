//! The real binary in a separate process, to test signals, exit codes and the log.

use std::net::SocketAddr;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinHandle;

use crate::wait::within;

/// A process of `ws-server`. Dropping it kills the process.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Taken by the task that reads the whole log.
    log: Option<Lines<BufReader<ChildStderr>>>,
    addr: SocketAddr,
}

/// Signals that a test sends.
#[derive(Debug, Clone, Copy)]
pub enum Signal {
    /// SIGTERM.
    Term,
    /// SIGINT.
    Int,
    /// SIGHUP.
    Hup,
    /// SIGSTOP: it stands still.
    Stop,
    /// SIGCONT: it goes on.
    Cont,
}

impl Signal {
    /// Sends it to a process of the test.
    pub(crate) async fn send(self, id: u32) {
        let name = match self {
            Signal::Term => "-TERM",
            Signal::Int => "-INT",
            Signal::Hup => "-HUP",
            Signal::Stop => "-STOP",
            Signal::Cont => "-CONT",
        };
        let sent = Command::new("kill").args([name, &id.to_string()]).status().await.expect("there is a kill");
        assert!(sent.success(), "kill {name} {id}");
    }
}

impl Process {
    /// Starts `program` on a port that the system chooses, with these variables, and waits until it listens.
    pub async fn start(program: &str, variables: &[(&str, &str)]) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), program, variables).await
    }

    /// The same at a given address, which must be free.
    pub async fn start_at(addr: SocketAddr, program: &str, variables: &[(&str, &str)]) -> Self {
        Self::with_args(program, &["--addr", &addr.to_string()], variables).await
    }

    /// The same with these arguments, which must say where to listen: first on an IP address.
    pub async fn with_args(program: &str, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program);
        command.args(args).env("RUST_LOG", "info").envs(variables.iter().copied());
        Self::spawned(command).await
    }

    /// The same for a command that executes the server in the end, with the arguments that it is given here.
    pub async fn run(mut command: Command, addr: SocketAddr) -> Self {
        command.args(["--addr", &addr.to_string()]);
        Self::spawned(command).await
    }

    async fn spawned(mut command: Command) -> Self {
        let mut child = command
            .args(["--log-format", "json"])
            .env_remove("WEBSOCKET_ADDR")
            .env_remove("ANTHROPIC_BASE_URL")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the server's binary starts");
        let mut log = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let addr = within("the line that says where the server listens", address(&mut log)).await;
        Process { child, log: Some(log), addr }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id().expect("the process runs")
    }

    /// How many files it has open.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).expect("Linux").count()
    }

    /// Sends it a signal.
    pub async fn signal(&self, signal: Signal) {
        signal.send(self.id()).await;
    }

    /// Kills it, and waits until it is gone.
    pub async fn kill(mut self) {
        within("the process to be gone", self.child.kill()).await.expect("a child of ours");
    }

    /// Waits for a line of the log with this in it.
    pub async fn logged(&mut self, what: &str) -> String {
        within(what, async {
            let log = self.log.as_mut().expect("nobody else reads the log");
            while let Some(line) = log.next_line().await.expect("the log is text") {
                if line.contains(what) {
                    return line;
                }
            }
            panic!("the process ended without logging {what:?}");
        })
        .await
    }

    /// The reading end of the log: while it is kept, nobody reads; when it is dropped, the reader is gone.
    pub fn take_log(&mut self) -> impl Sized + use<> {
        self.log.take()
    }

    /// Reads the rest of the log, until the process ends.
    pub fn follow_log(&mut self) -> JoinHandle<Vec<String>> {
        let mut log = self.log.take().expect("nobody else reads the log");
        tokio::spawn(async move {
            let mut lines = Vec::new();
            while let Ok(Some(line)) = log.next_line().await {
                lines.push(line);
            }
            lines
        })
    }

    /// Waits for its exit code; `None` if a signal ended it.
    pub async fn exit_code(mut self) -> Option<i32> {
        // A full pipe would keep it from ending.
        let mut log = self.log.take();
        let drained = async { while let Some(Ok(Some(_))) = optional(log.as_mut().map(Lines::next_line)).await {} };
        let (status, ()) = within("the process to end", async { tokio::join!(self.child.wait(), drained) }).await;
        status.expect("a child of ours").code()
    }
}

async fn optional<F: Future>(future: Option<F>) -> Option<F::Output> {
    match future {
        Some(future) => Some(future.await),
        None => None,
    }
}

async fn address(log: &mut Lines<BufReader<ChildStderr>>) -> SocketAddr {
    while let Some(line) = log.next_line().await.expect("the log is text") {
        let entry: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("a JSON log: {line}"));
        let addr = entry["addr"].as_str().or(entry["fields"]["addr"].as_str());
        if let Some(addr) = addr {
            return addr.parse().unwrap_or_else(|_| panic!("an address: {line}"));
        }
    }
    panic!("the process ended without listening");
}
