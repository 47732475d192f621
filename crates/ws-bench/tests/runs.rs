//! Whole runs of the program against a small server: what it measures, what it detects, how it ends.
//!
//! The figures themselves are not judged, only what must be so at any speed.

#![allow(clippy::unwrap_used)]

use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use server::{Fault, Server};

mod channels;
mod publish;
mod server;

fn command(line: &str, url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ws-bench"));
    command.args(line.split(' ')).arg(url).arg("--quiet");
    command
}

struct Run {
    code: Option<i32>,
    report: Value,
    stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Run {
        Run {
            code: output.status.code(),
            report: serde_json::from_slice(&output.stdout).unwrap_or_default(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Run {
    fn problems(&self) -> String {
        self.report["problems"].to_string()
    }
}

/// A run that ends by itself, soon; what it measures depends on the machine.
fn run(line: &str, url: &str) -> Run {
    command(line, url).args(["--json", "--warmup", "0s", "--duration", "100ms"]).output().unwrap().into()
}

/// A run that is ended with Ctrl-C when the server has heard `count` requests and Closes, unless it ends by
/// itself: on a machine of any speed this measures something.
fn run_until(count: usize, line: &str, fault: Fault) -> Run {
    let server = Server::start(fault);
    let mut command = command(line, &server.url);
    command.args(["--json", "--warmup", "0s", "--duration", "1m"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    server.hear(count, || child.try_wait().unwrap().is_some());
    if child.try_wait().unwrap().is_none() {
        let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(kill.success());
    }
    child.wait_with_output().unwrap().into()
}

const FANOUT: &str = "fanout --connections 5 --in-flight 4";

#[test]
fn echo_measures_requests() {
    let run = run_until(100, "echo --connections 4 --in-flight 3", Fault::None);
    assert_eq!((run.code, run.problems().as_str()), (Some(0), "[]"), "{}", run.stderr);
    assert!(run.report["requests"].as_u64() > Some(0));
    assert!(run.report["latency_us"]["p50"].as_f64() <= run.report["latency_us"]["max"].as_f64());
}

#[test]
fn echo_works_with_messages_of_any_length() {
    for payload in [0, 100, 30_000] {
        let run = run_until(20, &format!("echo --connections 2 --payload {payload}"), Fault::None);
        assert_eq!((run.code, run.problems().as_str()), (Some(0), "[]"), "{}", run.stderr);
    }
}

#[test]
fn echo_fails_on_errors_wrong_answers_and_missing_ones() {
    for (fault, problems) in [
        (Fault::Refuse, ["error answers", "overloaded: not today"]),
        (Fault::Garble, ["wrong answers", "?"]),
        (Fault::Ignore, ["out of turn", "1 requests were never answered"]),
    ] {
        let run = run_until(20, "echo --connections 1 --in-flight 2", fault);
        assert_eq!(run.code, Some(1));
        assert!(problems.iter().all(|problem| run.problems().contains(problem)), "{}", run.problems());
    }
}

#[test]
fn fanout_measures_deliveries() {
    for line in [FANOUT, "fanout --connections 5 --in-flight 1", "fanout --connections 3 --rate 500 --threads 2"] {
        let run = run_until(20, line, Fault::None);
        assert_eq!((run.code, run.problems().as_str()), (Some(0), "[]"), "{}", run.stderr);
        assert!(run.report["deliveries"].as_u64() > Some(0));
        assert_eq!([&run.report["lost"], &run.report["gaps"]], [0, 0]);
    }
}

#[test]
fn fanout_detects_what_the_server_did_wrong() {
    for (fault, figure) in [(Fault::Lose, "lost"), (Fault::Repeat, "duplicated"), (Fault::Swap, "reordered")] {
        let run = run_until(20, FANOUT, fault);
        assert_eq!(run.code, Some(1), "{fault:?}");
        for key in ["lost", "duplicated", "reordered", "gaps"] {
            assert_eq!(run.report[key], u64::from(key == figure), "{fault:?} {key}: {}", run.report);
        }
        assert_eq!(run.problems(), format!("[\"1 deliveries {figure}\"]"));
    }
}

#[test]
fn fanout_detects_the_loss_of_the_only_message_in_flight() {
    let run = run_until(3, "fanout --connections 2 --in-flight 1", Fault::Lose);
    assert_eq!((run.code, run.problems().as_str()), (Some(1), "[\"1 deliveries lost\"]"));
}

#[test]
fn fanout_accepts_a_loss_that_a_gap_announces() {
    let run = run_until(20, FANOUT, Fault::Announce);
    assert_eq!((run.code, run.problems().as_str()), (Some(0), "[]"));
    assert_eq!([&run.report["gaps"], &run.report["gap_messages"], &run.report["lost"]], [1, 1, 0]);
}

#[test]
fn fanout_reports_connections_that_the_server_ended() {
    let run = run_until(20, FANOUT, Fault::Close);
    assert_eq!(run.code, Some(1));
    assert_eq!(run.problems(), "[\"1 connections ended, the first: closed by the server: 4001 too slow\"]");
}

#[test]
fn fanout_reports_refused_broadcasts() {
    let run = run_until(20, "fanout --connections 2 --in-flight 1", Fault::Refuse);
    assert_eq!(run.code, Some(1));
    assert!(run.problems().contains("error answers, the first: overloaded: not today"), "{}", run.problems());
    assert_eq!(run.report["lost"], 0);
}

#[test]
fn idle_reads_memory_and_answers_pings() {
    let line = format!("idle --connections 20 --pid {}", std::process::id());
    let run = run(&line, &Server::start(Fault::PingFirst).url);
    assert_eq!((run.code, run.problems().as_str()), (Some(0), "[]"), "{}", run.stderr);
    assert_eq!((&run.report["handshakes"], &run.report["pings"]), (&20.into(), &20.into()));
    for key in ["server_rss_kib_per_connection_after_echo", "server_idle_cpu_us_per_s_per_connection"] {
        assert!(run.report[key].is_number(), "{key}");
    }
}

#[test]
fn connect_measures_handshakes() {
    let run = run_until(20, "connect --concurrency 4", Fault::None);
    assert_eq!((run.code, run.problems().as_str()), (Some(0), "[]"), "{}", run.stderr);
    assert!(run.report["handshakes"].as_u64() > Some(0));
}

#[test]
fn every_scenario_says_what_is_wrong_with_the_address() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let not_found = Server::start(Fault::NotFound);
    for scenario in ["echo", "fanout", "idle", "connect", "channels", "recover", "slow", "publish"] {
        for (url, why) in [
            (format!("ws://{unused}/ws"), "connection refused"),
            (not_found.url.clone(), "not a WebSocket: HTTP/1.1 404 Not Found"),
        ] {
            let run = run(scenario, &url);
            assert_eq!(run.code, Some(1), "{scenario}");
            assert!(run.stderr.contains(why), "{scenario}: {}", run.stderr);
        }
    }
}

#[test]
fn usage_errors_end_with_2() {
    for (url, why) in [("wss://127.0.0.1/ws", "not supported yet"), ("127.0.0.1:3000", "not a URL")] {
        let run = run("echo", url);
        assert_eq!(run.code, Some(2));
        assert!(run.stderr.contains(why), "{}", run.stderr);
    }
}

#[test]
fn more_connections_than_files_are_refused_with_the_number_that_fits() {
    let server = Server::start(Fault::None);
    let run = run("idle --connections 10000000", &server.url);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("connections fit") || run.stderr.contains("do not fit"), "{}", run.stderr);
}

#[test]
fn the_table_is_the_default() {
    let server = Server::start(Fault::None);
    let output = command("echo --connections 1 --duration 20ms --warmup 0s", &server.url).output().unwrap();
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(table.starts_with(&format!("echo {}\n", server.url)) && table.contains("latency"), "{table}");
}

#[test]
fn ctrl_c_ends_a_run_with_what_was_measured() {
    let run = run_until(20, "echo --connections 1", Fault::None);
    assert_eq!((run.code, run.problems().as_str()), (Some(0), "[]"), "{}", run.stderr);
    assert!(run.report["notes"].to_string().contains("interrupted"), "{}", run.report);
    assert!(run.report["requests"].as_u64() > Some(0));
}

#[test]
fn attack_measures_the_good_ones_calm_and_attacked() {
    let server = Server::start(Fault::None);
    let line = "attack --clients 4 --rate 400 --half-open 3 --slow-drip 2 --malformed 2 --malformed-pause 10ms \
                --one-host 3 --one-host-pause 10ms --newcomers 20";
    let run = run(line, &server.url);
    assert_eq!((run.code, run.problems().as_str()), (Some(0), "[]"), "{}", run.stderr);
    for key in [
        "requests_calm",
        "requests_attacked",
        "half_open_sockets",
        "slow_handshakes",
        "floods",
        "host_sockets",
        "newcomers_came",
    ] {
        assert!(run.report[key].as_u64() > Some(0), "{key}: {}", run.report);
    }
    assert!(run.report["p99_ratio"].as_f64() > Some(0.0));
}
