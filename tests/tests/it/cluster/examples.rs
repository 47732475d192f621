//! `docs/examples/cluster`, as an operator uses it: the script runs, and everything in the compose file is what the
//! programs in it take.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::*;
use crate::SERVER;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/cluster").join(name)
}

/// The compose file.
fn compose() -> Value {
    let text = std::fs::read(example("compose.yaml")).expect("it is there");
    let mut python = Command::new(require::found("yaml"))
        .args(["-c", "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    python.stdin.take().expect("a pipe").write_all(&text).expect("it reads all of it");
    let output = python.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn environment(service: &Value) -> Vec<(String, String)> {
    let variables = service["environment"].as_object().expect("variables").iter();
    variables.map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned())).collect()
}

fn is_fine(output: &Output) {
    assert!(output.status.success(), "{output:?}");
}

#[test]
#[cfg_attr(not(found = "yaml"), ignore = "Python with PyYAML is missing")]
fn the_servers_of_the_compose_file_take_their_configuration() {
    let compose = compose();
    let services = compose["services"].as_object().expect("services");
    let is_server = |service: &&Value| service["image"] == "ws-server";
    assert_eq!(services.values().filter(is_server).count(), 3);
    for server in services.values().filter(is_server) {
        let variables = environment(server);
        let output = Command::new(SERVER).arg("check-config").env_clear().envs(variables.clone()).output();
        is_fine(&output.expect("the server's binary starts"));
        let value = |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!(value("WS_SERVER__ENGINE__REDIS__URL"), Some("redis://redis:6379"));
        assert!(services.contains_key("redis"), "what the URL names");
        assert_eq!(value("WS_SERVER__ADDR"), Some("0.0.0.0:3000"), "where the proxy looks for it");
    }
}

#[test]
#[cfg_attr(not(all(found = "yaml", found = "haproxy")), ignore = "Python with PyYAML or HAProxy is missing")]
fn the_proxy_of_the_compose_file_takes_its_configuration() {
    let compose = compose();
    let proxy = &compose["services"]["proxy"];
    let variables = environment(proxy);
    let file = proxy["volumes"][0].as_str().and_then(|volume| volume.split(':').next()).expect("a file");
    let mut haproxy = Command::new(require::found("haproxy"));
    let output = haproxy.args(["-c", "-f"]).arg(example(file)).envs(variables.clone()).output();
    is_fine(&output.expect("it starts"));
    let servers = variables.iter().filter(|(name, _)| name.starts_with("SERVER_"));
    for (_, server) in servers {
        let name = server.strip_suffix(":3000").expect("the port of the servers");
        assert_eq!(compose["services"][name]["image"], "ws-server", "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(all(found = "yaml", found = "redis-server")), ignore = "Python with PyYAML or Redis is missing")]
async fn the_redis_of_the_compose_file_is_one_that_doctor_likes() {
    let compose = compose();
    let command = compose["services"]["redis"]["command"].as_array().expect("a command").iter();
    let mut args = command.map(|word| word.as_str().expect("a text"));
    assert_eq!(args.next(), Some("redis-server"));
    let redis = Redis::start_with(&args.collect::<Vec<_>>()).await;
    let url = redis.url();
    let output = tokio::process::Command::new(SERVER)
        .args(["doctor", "--no-fanout", "--addr", "127.0.0.1:0"])
        .envs([("WS_SERVER__ENGINE__TYPE", "redis"), ("WS_SERVER__ENGINE__REDIS__URL", url.as_str())])
        .output();
    let output = within("doctor", output).await.expect("it starts");
    let table = String::from_utf8_lossy(&output.stdout);
    let mut lines = table.lines().skip_while(|line| !line.starts_with("Redis"));
    let line = lines.next().unwrap_or_else(|| panic!("a line: {table}"));
    let is_liked = match line.split_whitespace().nth(1) {
        Some("ok") => true,
        // A busy machine may be slow to answer.
        Some("warning") => lines.next().is_some_and(|advice| advice.contains("put the servers near Redis")),
        _ => false,
    };
    assert!(is_liked && line.contains(" appendonly"), "{table}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(all(found = "redis-server", found = "haproxy")), ignore = "redis-server or HAProxy is missing")]
async fn the_script_starts_a_cluster_and_ends_all_of_it() {
    // An address of loopback that nobody else uses.
    let addr = SocketAddr::from(([127, 0, 77, 8], 3000));
    let tmp = TempDir::new().expect("a directory");
    let mut script = tokio::process::Command::new(example("local.sh"))
        .envs([("HOST", "127.0.77.8"), ("WS_SERVER", SERVER)])
        .env("TMPDIR", tmp.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(script.stdout.take().expect("a pipe")).lines();
    let mut processes = Vec::new();
    while processes.len() < 5 {
        let line = within("its words", lines.next_line()).await.expect("text").expect("five processes");
        processes.push(line.rsplit_once("process ").expect("a process").1.parse::<u32>().expect("a number"));
    }
    until("the cluster", async || {
        tokio::net::TcpStream::connect(addr).await.ok()?;
        (http::get(addr, "/ready").await.status == 200).then_some(())
    })
    .await;
    let (mut publisher, mut reader) = (Client::connect(addr, "/ws").await, Client::connect(addr, "/ws").await);
    reader.ask("subscribe", json!({"channel": "c"})).await;
    publisher.ask("publish", json!({"channel": "c", "data": 1})).await;
    assert_eq!(next(&mut reader).await, 1);
    drop((publisher, reader));

    let id = script.id().expect("it runs").to_string();
    // As Ctrl-C does, which a shell ignores that was started in the background.
    let sent = Command::new("kill").args(["-TERM", &id]).status().expect("there is a kill");
    assert!(sent.success());
    let status = within("the script to end", script.wait()).await.expect("a child of ours");
    assert!(status.success(), "{status}");
    for process in processes {
        assert!(!Path::new(&format!("/proc/{process}")).exists(), "{process} has ended");
    }
    assert_eq!(std::fs::read_dir(tmp.path()).expect("it is there").count(), 0, "nothing is left");
}
