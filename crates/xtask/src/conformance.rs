//! Conformance to RFC 6455: builds the echo example of ws-transport, starts it on a free port and runs a
//! conformance suite against it.
//!
//! A suite is a folder with two programs. `install ENV` prepares a folder once. `run URL --env ENV --exclude
//! GLOBS [--cases GLOBS]` tests the server at that URL, exits with 0 when nothing failed, and its last line
//! says `N passed, M failed, …`. The run only passes if both agree. The server is stopped at the end, whatever the
//! end is: success, failure, Ctrl-C or SIGTERM.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

/// Run a WebSocket conformance suite against the echo example of ws-transport
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of the suite, with its `install` and `run`
    #[arg(long, value_name = "DIR")]
    suite: PathBuf,
    /// Where the suite is installed, or will be [default: conformance in cargo's target folder]
    #[arg(long, value_name = "DIR", env = "CONFORMANCE_ENV")]
    env: Option<PathBuf>,
    /// Only these cases, as '6.*' or '1.*,2.1?'
    #[arg(long, value_name = "GLOBS")]
    cases: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{what}: {error}")]
    Io { what: String, error: io::Error },
    #[error("{what} failed: {status}")]
    Failed { what: &'static str, status: ExitStatus },
    #[error("cargo named no executable for the example `{EXAMPLE}`")]
    NoExecutable,
    #[error("the server did not say where it listens{}", .0.as_ref().map(|line| format!(", but: {line}")).unwrap_or_default())]
    NotListening(Option<String>),
    #[error("took longer than {} s: {what}", .limit.as_secs())]
    Late { what: &'static str, limit: Duration },
    #[error("the suite reported no count of failures")]
    NoCount,
    #[error("the suite reported {0} failed")]
    CasesFailed(u64),
    #[error("interrupted")]
    Interrupted,
}

const EXAMPLE: &str = "echo";

/// Sections 12 and 13 are permessage-deflate, which the server does not offer.
const EXCLUDED: &str = "12.*,13.*";

const BUILD_MAX: Duration = Duration::from_secs(1200);
const INSTALL_MAX: Duration = Duration::from_secs(600);
const START_MAX: Duration = Duration::from_secs(30);
const RUN_MAX: Duration = Duration::from_secs(1800);

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(at("the runtime"))?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(at("signals"))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(at("signals"))?;
        // Dropping the other branch kills the processes that it has started.
        tokio::select! {
            done = build_and_test(args) => done,
            _ = terminate.recv() => Err(Error::Interrupted),
            _ = interrupt.recv() => Err(Error::Interrupted),
        }
    })
}

async fn build_and_test(args: &Args) -> Result<(), Error> {
    let executable = build().await?;
    let target = executable.ancestors().nth(3).unwrap_or(Path::new("."));
    let env = args.env.clone().unwrap_or_else(|| target.join("conformance"));
    install(&args.suite, &env).await?;
    let mut server = command(&executable);
    server.args(["--addr", "127.0.0.1:0"]);
    test(server, &args.suite, &env, &args.cases).await
}

/// Builds the example; cargo reports the path.
async fn build() -> Result<PathBuf, Error> {
    let mut cargo = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "-p", "ws-transport", "--example", EXAMPLE]);
    cargo
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(crate::workspace::root())
        .stderr(Stdio::inherit());
    let output = within(BUILD_MAX, "building the server", cargo.output()).await?.map_err(at("cargo"))?;
    succeeded("cargo build", output.status)?;
    String::from_utf8_lossy(&output.stdout).lines().rev().find_map(executable).ok_or(Error::NoExecutable)
}

/// The example's path, if `line` is cargo's message about it.
fn executable(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let target = message.get("target")?;
    let is_it = target["name"] == EXAMPLE && target["kind"][0] == "example";
    is_it.then(|| message["executable"].as_str().map(PathBuf::from))?
}

/// Installs the suite, unless an earlier run has completed that.
async fn install(suite: &Path, env: &Path) -> Result<(), Error> {
    let done = env.join("installed");
    if done.exists() {
        return Ok(());
    }
    let mut install = command(suite.join("install"));
    // Suites patch Python packages in place. Python compares compiled files with their sources by second and size, which
    // may both be the same for files that pip has just made; with this variable it compares a checksum.
    install.env("SOURCE_DATE_EPOCH", "315532800");
    let status = within(INSTALL_MAX, "installing the suite", install.arg(env).status()).await?;
    succeeded("installing the suite", status.map_err(at(suite.join("install")))?)?;
    std::fs::write(&done, "").map_err(at(&done))
}

/// Starts `server`, runs the suite against it, and stops it.
async fn test(mut server: Command, suite: &Path, env: &Path, cases: &[String]) -> Result<(), Error> {
    let mut server = server.stdout(Stdio::piped()).spawn().map_err(at("the server"))?;
    let tested = async {
        let mut said = lines(server.stdout.take())?;
        let url = within(START_MAX, "starting the server", url(&mut said)).await??;
        within(RUN_MAX, "the suite", judge(suite, env, cases, &url)).await?
    };
    let tested = tested.await;
    let stopped = server.kill().await.map_err(at("stopping the server"));
    tested.and(stopped)
}

/// Reads until the server prints `listening on URL`.
async fn url(said: &mut Lines<BufReader<ChildStdout>>) -> Result<String, Error> {
    let mut last = None;
    while let Some(line) = said.next_line().await.map_err(at("the server"))? {
        match line.strip_prefix("listening on ") {
            Some(url) => return Ok(url.trim().to_owned()),
            None => last = Some(line),
        }
    }
    Err(Error::NotListening(last))
}

/// Runs the suite, passes on its output, and compares its status with its count.
async fn judge(suite: &Path, env: &Path, cases: &[String], url: &str) -> Result<(), Error> {
    let mut run = command(suite.join("run"));
    run.arg(url).arg("--env").arg(env).args(["--exclude", EXCLUDED]);
    run.args(cases.iter().flat_map(|globs| ["--cases", globs]));
    let mut run: Child = run.stdout(Stdio::piped()).spawn().map_err(at(suite.join("run")))?;
    let mut said = lines(run.stdout.take())?;
    let mut count = None;
    while let Some(line) = said.next_line().await.map_err(at("the suite"))? {
        println!("{line}");
        count = failures(&line).or(count);
    }
    let status = run.wait().await.map_err(at("the suite"))?;
    match count {
        Some(0) => succeeded("the suite", status),
        Some(count) => Err(Error::CasesFailed(count)),
        None => succeeded("the suite", status).and(Err(Error::NoCount)),
    }
}

/// M of a line `N passed, M failed, …`.
fn failures(line: &str) -> Option<u64> {
    let mut parts = line.split(", ").map(|part| part.split_once(' '));
    let (passed, "passed") = parts.next()?? else { return None };
    let (failed, "failed") = parts.next()?? else { return None };
    passed.parse::<u64>().ok()?;
    failed.parse().ok()
}

fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

fn lines<R: AsyncRead + Unpin>(output: Option<R>) -> Result<Lines<BufReader<R>>, Error> {
    let output = output.ok_or_else(|| at("a pipe")(io::ErrorKind::BrokenPipe.into()))?;
    Ok(BufReader::new(output).lines())
}

async fn within<F: Future>(limit: Duration, what: &'static str, work: F) -> Result<F::Output, Error> {
    timeout(limit, work).await.map_err(|_| Error::Late { what, limit })
}

fn succeeded(what: &'static str, status: ExitStatus) -> Result<(), Error> {
    if status.success() { Ok(()) } else { Err(Error::Failed { what, status }) }
}

fn at(what: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Error {
    move |error| Error::Io { what: what.as_ref().display().to_string(), error }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("xtask-conformance-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    fn script(folder: &Path, program: &str, script: &str) {
        let path = folder.join(program);
        std::fs::write(&path, format!("#!/bin/sh\ncd {folder:?}\n{script}\n")).expect("a script");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
    }

    /// A suite and a server made of shell scripts, in a temporary folder.
    async fn outcome(name: &str, server: &str, suite: &str) -> (Result<(), String>, PathBuf) {
        let folder = folder(name);
        script(&folder, "server", server);
        script(&folder, "run", suite);
        let mut server = Command::new("/bin/sh");
        server.arg(folder.join("server")).stdin(Stdio::null()).kill_on_drop(true);
        let done = test(server, &folder, Path::new("ENV"), &["1.*".to_owned()]).await;
        (done.map_err(|error| error.to_string()), folder)
    }

    async fn check(name: &str, server: &str, suite: &str, expect: Result<(), &str>) {
        let (done, folder) = outcome(name, server, suite).await;
        std::fs::remove_dir_all(folder).expect("removes");
        assert_eq!(done.as_ref().map_err(String::as_str).copied(), expect, "{name}");
    }

    const SERVER: &str = "echo starting; echo 'listening on ws://127.0.0.1:1'; exec sleep 60";
    const GOOD: &str = "echo '2 passed, 0 failed, 0 nonstrict, 0 unimplemented'";

    /// One test: a program cannot be started while another thread, just forked, still has it open for writing.
    #[tokio::test]
    async fn suites_and_servers() {
        an_install_that_failed_is_made_again().await;
        status_and_count_must_agree().await;
        a_server_that_does_not_start_is_told().await;
        the_server_is_stopped_and_the_suite_gets_its_arguments().await;
    }

    async fn an_install_that_failed_is_made_again() {
        let folder = folder("install");
        script(&folder, "install", "mkdir -p $1; echo >>$1/tries; [ $(wc -l <$1/tries) = 2 ]");
        let env = folder.join("env");
        let mut outcomes = Vec::new();
        for _ in 0..3 {
            outcomes.push(install(&folder, &env).await.map_err(|error| error.to_string()));
        }
        let tries = std::fs::read_to_string(env.join("tries")).expect("tries");
        std::fs::remove_dir_all(folder).expect("removes");
        assert_eq!(outcomes, [Err("installing the suite failed: exit status: 1".to_owned()), Ok(()), Ok(())]);
        assert_eq!(tries.lines().count(), 2);
    }

    async fn status_and_count_must_agree() {
        check("good", SERVER, GOOD, Ok(())).await;
        check("status", SERVER, &format!("{GOOD}; exit 2"), Err("the suite failed: exit status: 2")).await;
        check("silent", SERVER, "exit 0", Err("the suite reported no count of failures")).await;
        check("mute", SERVER, "exit 1", Err("the suite failed: exit status: 1")).await;
        let failed = "echo '1 passed, 3 failed, 0 nonstrict, 0 unimplemented'; exit 1";
        check("failed", SERVER, failed, Err("the suite reported 3 failed")).await;
        let lying = "echo '1 passed, 3 failed, 0 nonstrict'";
        check("lying", SERVER, lying, Err("the suite reported 3 failed")).await;
    }

    async fn a_server_that_does_not_start_is_told() {
        let said = "the server did not say where it listens";
        check("gone", "exit 1", GOOD, Err(said)).await;
        check("busy", "echo 'address in use'; exit 1", GOOD, Err(&format!("{said}, but: address in use"))).await;
    }

    async fn the_server_is_stopped_and_the_suite_gets_its_arguments() {
        for (name, suite) in [("stopped", GOOD), ("stopped-too", "exit 1")] {
            let server = format!("echo $$ >pid; {SERVER}");
            let (_, folder) = outcome(name, &server, &format!("echo \"$*\" >args; {suite}")).await;
            let args = std::fs::read_to_string(folder.join("args")).expect("args");
            assert_eq!(args, "ws://127.0.0.1:1 --env ENV --exclude 12.*,13.* --cases 1.*\n");
            let pid = std::fs::read_to_string(folder.join("pid")).expect("pid");
            assert!(!Path::new("/proc").join(pid.trim()).exists(), "the server is still there");
            std::fs::remove_dir_all(folder).expect("removes");
        }
    }

    #[test]
    fn counts_are_found_in_the_last_line_alone() {
        let check = |line: &str, expect: Option<u64>| assert_eq!(failures(line), expect, "{line}");
        check("510 passed, 7 failed, 0 nonstrict, 0 unimplemented", Some(7));
        check("0 passed, 0 failed", Some(0));
        check("section 1   16 passed, 0 failed, 0 nonstrict, 0 unimplemented, 0.1 s  (Framing)", None);
        check("failed cases: 1.1.1 2.3", None);
        check("", None);
    }

    #[test]
    fn cargo_says_where_the_example_is() {
        let check =
            |line: &str, expect: Option<&str>| assert_eq!(executable(line), expect.map(PathBuf::from), "{line}");
        let artifact = |name: &str, kind: &str, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","target":{{"name":"{name}","kind":["{kind}"]}},"executable":{executable}}}"#
            )
        };
        check(&artifact("echo", "example", r#""/t/release/examples/echo""#), Some("/t/release/examples/echo"));
        check(&artifact("echo", "lib", "null"), None);
        check(&artifact("other", "example", r#""/t/release/examples/other""#), None);
        check(r#"{"reason":"build-finished","success":true}"#, None);
        check("warning: no JSON", None);
    }
}
