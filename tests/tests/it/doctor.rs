//! `ws-server doctor`, as an operator runs it: before the start, beside a running server, and through proxies.

use std::net::SocketAddr;
use std::path::Path;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use ws_tests::prelude::*;
use ws_tests::redis::Redis;

use crate::SERVER;

/// Runs it with these arguments, without the fan-out; gives the exit code and the JSON.
async fn doctor(args: &[&str]) -> (Option<i32>, Value) {
    doctor_with(args, &[]).await
}

/// The same with these variables.
async fn doctor_with(args: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, Value) {
    let args = [&["doctor", "--json", "--no-fanout"], args].concat();
    let mut command = Command::new(SERVER);
    command.args(&args).env_remove("WEBSOCKET_ADDR").envs(variables.iter().copied());
    let output = within("doctor", command.output()).await;
    let output = output.expect("the server's binary starts");
    let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("JSON: {output:?}"));
    (output.status.code(), json)
}

/// What a check says: its verdict and what was found.
fn said<'a>(report: &'a Value, what: &str) -> (&'a str, &'a str) {
    let checks = report["checks"].as_array().expect("checks").iter();
    let mut found = checks.filter(|check| check["check"] == what);
    let check = found.next().unwrap_or_else(|| panic!("{what} is in {report:#}"));
    (check["verdict"].as_str().expect("a word"), check["found"].as_str().expect("a text"))
}

/// Whether Redis is as it should be. A busy machine may be slow to answer.
fn is_fine(report: &Value) -> bool {
    let mut checks = report["checks"].as_array().expect("checks").iter();
    let redis = checks.find(|check| check["check"] == "Redis").expect("Redis is checked");
    let is_slow = redis["advice"].as_str().is_some_and(|advice| advice.contains("put the servers near Redis"));
    redis["verdict"] == "ok" || (redis["verdict"] == "warning" && is_slow)
}

/// A port that was free a moment ago.
async fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address")
}

/// A proxy that passes on bytes, and cuts a connection after this long.
async fn proxy(to: SocketAddr, cut_after: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = TcpStream::connect(to).await.expect("the server listens");
                let _ = tokio::time::timeout(cut_after, copy_bidirectional(&mut client, &mut server)).await;
            });
        }
    });
    addr
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_says_what_it_found() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path().join("data");
    let addr = free_port().await.to_string();
    let args = ["doctor", "--addr", &addr, "--data-dir", dir.to_str().expect("UTF-8")];
    let output = within("doctor", Command::new(SERVER).args(args).output()).await.expect("it starts");
    let table = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{table}");
    for line in [
        "open files      ok       ",
        &format!("address         ok       {addr} is free\n"),
        "data directory  ",
        "configuration   warning  no authentication: ",
        "fan-out         ok       ",
        "clock           ",
        "0 problems, ",
    ] {
        assert!(table.contains(line), "{line:?} is in\n{table}");
    }
    assert!(!Path::new(&dir).exists(), "nothing is left behind");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_server_is_recognised_and_another_program_is_a_problem() {
    let server = Process::start(SERVER, &[]).await;
    let (code, report) = doctor(&["--addr", &server.addr().to_string()]).await;
    let expect = format!("{} is used by ws-server {}, which answers", server.addr(), env!("CARGO_PKG_VERSION"));
    assert_eq!((code, said(&report, "address")), (Some(0), ("ok", expect.as_str())));

    let other = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = other.local_addr().expect("an address");
    tokio::spawn(async move { while other.accept().await.is_ok() {} });
    let (code, report) = doctor(&["--addr", &addr.to_string()]).await;
    assert_eq!((code, said(&report, "address").0, &report["ok"]), (Some(1), "problem", &json!(false)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_directory_that_cannot_be_is_a_problem() {
    let (code, report) = doctor(&["--addr", "127.0.0.1:0", "--data-dir", "/proc/ws-server"]).await;
    assert_eq!((code, said(&report, "data directory").0), (Some(1), "problem"));
    let (code, report) = doctor(&["--addr", "127.0.0.1:0"]).await;
    assert_eq!((code, said(&report, "data directory").0), (Some(0), "skipped"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "redis-server"), ignore = "redis-server is missing")]
async fn a_redis_is_looked_at_and_left_as_it_is() {
    let redis = Redis::start().await;
    let url = redis.url();
    let variables = [("WS_SERVER__ENGINE__TYPE", "redis"), ("WS_SERVER__ENGINE__REDIS__URL", url.as_str())];
    let args = ["--addr", "127.0.0.1:0"];
    let (code, report) = doctor_with(&args, &variables).await;
    let (verdict, found) = said(&report, "Redis");
    assert_eq!((code, verdict), (Some(0), "warning"), "it has no limit of memory: {found}");
    assert!(found.contains(": Redis ") && found.contains(", noeviction, ") && found.ends_with(" ms"), "{found}");
    assert_eq!(redis.ask(&["DBSIZE"]).await, ":0\r\n", "nothing is left behind");
    redis.ask(&["CONFIG", "SET", "maxmemory", "100mb"]).await;
    let report = doctor_with(&args, &variables).await.1;
    assert!(is_fine(&report), "{report:#}");
    redis.ask(&["SET", "ws:setup", "partitions=8"]).await;
    let (code, report) = doctor_with(&args, &variables).await;
    let (verdict, found) = said(&report, "Redis");
    assert_eq!((code, verdict), (Some(1), "problem"), "a start would fail: {found}");
    assert!(found.contains("was set up with partitions=8"), "{found}");
    redis.ask(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    let (code, report) = doctor_with(&args, &variables).await;
    let (verdict, found) = said(&report, "Redis");
    assert_eq!((code, verdict), (Some(1), "problem"), "{found}");
    assert!(found.contains("its maxmemory-policy is allkeys-lru"), "{found}");
    drop(redis);
    let (code, report) = doctor_with(&args, &variables).await;
    let (verdict, found) = said(&report, "Redis");
    assert_eq!((code, verdict), (Some(1), "problem"), "{found}");
    assert!(found.contains("cannot be reached"), "{found}");
    assert_eq!(said(&doctor(&args).await.1, "Redis"), ("skipped", "the engine does not use it"));
}

/// Without a server: doctor listens itself, so the whole time is measured.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_idle_cut_of_a_proxy_is_measured() {
    let addr = free_port().await;
    let url = format!("ws://{}/ws", proxy(addr, Duration::from_secs(3)).await);
    let (code, report) = doctor(&["--addr", &addr.to_string(), "--url", &url]).await;
    let (verdict, found) = said(&report, "idle cut");
    // The handshake is over a moment after the proxy began to count.
    let cut = found.strip_prefix("cut after ").and_then(|rest| rest.split_once(" s of silence; "));
    let (after, rest) = cut.unwrap_or_else(|| panic!("a cut: {found}"));
    assert!((1.0..8.0).contains(&after.parse::<f64>().expect("a number")), "{found}");
    assert_eq!((code, verdict, rest), (Some(1), "problem", "heartbeat.interval is 25.0 s"));

    let patient = format!("ws://{}/ws", proxy(addr, DEADLINE).await);
    let (code, report) = doctor(&["--addr", &addr.to_string(), "--url", &patient, "--idle-max", "100ms"]).await;
    assert_eq!((code, said(&report, "idle cut")), (Some(0), ("ok", "not cut within 0.1 s of silence")));
}

/// Beside a server, with a heartbeat before the proxy's patience ends, and after.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_server_s_heartbeat_ends_the_silence() {
    let check = async |interval: &str, cut_after, expect: (Option<i32>, &str, &str)| {
        let server = Process::start(SERVER, &[("WS_SERVER__HEARTBEAT__INTERVAL", interval)]).await;
        let url = format!("ws://{}/ws", proxy(server.addr(), cut_after).await);
        let (code, report) = doctor(&["--addr", &server.addr().to_string(), "--url", &url]).await;
        let (verdict, found) = said(&report, "idle cut");
        assert_eq!((code, verdict, found.starts_with(expect.2)), (expect.0, expect.1, true), "{found}");
    };
    check("200ms", DEADLINE, (Some(0), "ok", "not cut before the server's heartbeat")).await;
    check("25s", Duration::from_secs(3), (Some(1), "problem", "cut after ")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_reached_is_a_problem() {
    let nobody = format!("ws://{}/ws", free_port().await);
    let (code, report) = doctor(&["--addr", "127.0.0.1:0", "--url", &nobody]).await;
    let (verdict, found) = said(&report, "idle cut");
    assert_eq!((code, verdict), (Some(1), "problem"), "{found}");
    assert!(found.contains("Connection refused"), "{found}");
    let (code, report) = doctor(&["--addr", "127.0.0.1:0", "--url", "http://127.0.0.1/ws"]).await;
    let found = said(&report, "idle cut").1;
    assert!(code == Some(1) && found.ends_with("a URL begins with ws:// or wss://"), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_are_those_of_the_start() {
    let run =
        async |args: &[&str]| within("doctor", Command::new(SERVER).args(args).output()).await.expect("it starts");
    let output = run(&["doctor", "--addr", ":80"]).await;
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    let output = run(&["doctor", "--url", "ws://127.0.0.1/ws", "--idle-max", "soon"]).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && told.contains("--idle-max \"soon\""), "{told}");
}
