//! The documents under `/schema`, for programs of others: AsyncAPI's own parser, a validator of OpenAPI, schemathesis
//! against a running server, and JSON Schema for every frame and every example.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use futures_util::StreamExt;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::timeout;
use ws_server::config::{ApiRights, Channels, Config};
use ws_tests::api::key;
use ws_tests::prelude::*;

/// How long schemathesis may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

fn tests() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn schema(name: &str) -> PathBuf {
    tests().join(format!("../static/schema/{name}.json"))
}

/// What a program that succeeds prints.
async fn run(command: &mut Command) -> String {
    // Python would leave files beside its sources.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(PATIENCE, output).await.expect("the program ends").expect("the program starts");
    let [printed, errors] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{}:\n{printed}{errors}", output.status);
    printed
}

#[tokio::test]
#[cfg_attr(not(found = "asyncapi"), ignore = "Node.js is missing, or npm ci in tests/js")]
async fn asyncapi_is_valid() {
    let mut node = Command::new(require::found("asyncapi"));
    let printed = run(node.arg(tests().join("js/asyncapi.mjs")).arg(schema("asyncapi"))).await;
    let found: Value = serde_json::from_str(&printed).expect("JSON");
    let operations = found["operations"].as_array().expect("a list");
    for action in ws_proto::action::NAMES.iter().chain(&["notify", "refuse", "send_ping", "answer_ping"]) {
        assert!(operations.contains(&json!(action)), "{action}: {found}");
    }
    assert_eq!((&found["version"], &found["security"]), (&json!("3.0.0"), &json!(["http", "httpApiKey"])));
}

#[tokio::test]
#[cfg_attr(not(found = "schemathesis"), ignore = "Python is missing, or the packages of tests/py/requirements.txt")]
async fn openapi_is_valid() {
    let mut python = Command::new(require::found("schemathesis"));
    let printed = run(python.args(["-m", "openapi_spec_validator"]).arg(schema("openapi"))).await;
    assert!(printed.ends_with(": OK\n"), "{printed}");
}

#[tokio::test]
#[cfg_attr(not(found = "schemathesis"), ignore = "Python is missing, or the packages of tests/py/requirements.txt")]
async fn the_examples_of_the_documents_are_valid() {
    let documents = ["README.md", "docs/README.zh-CN.md", "docs/PROTOCOL.md", "docs/API.md", "docs/GUIDE.md"];
    let mut python = Command::new(require::found("schemathesis"));
    python.arg("tests/py/examples.py").args(documents).current_dir(tests().join(".."));
    let printed = run(&mut python).await;
    let count = printed.strip_suffix(" examples\n").and_then(|count| count.parse::<usize>().ok());
    assert!(count.is_some_and(|count| count > 90), "{printed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "schemathesis"), ignore = "Python is missing, or the packages of tests/py/requirements.txt")]
async fn every_frame_is_as_the_schema_says() {
    let server = Server::with(|config| {
        token::accept(config);
        config.channels.join_leave = true;
        let mut namespace = |name: &str, history_size| {
            config.namespaces.insert(name.to_owned(), Channels { history_size, ..Channels::default() });
        };
        namespace("plain", 0);
        namespace("short", 2);
    })
    .await;
    let mut python = Command::new(require::found("schemathesis"));
    python.arg(tests().join("py/frames.py")).arg(format!("ws://{}/ws", server.addr())).arg(token::SECRET);
    assert_eq!(run(&mut python).await, "27 kinds of frames\n");
}

/// A server with keys and users, whose connections come back when they are closed.
async fn server_with_users() -> (Server, JoinSet<()>) {
    let server = Server::with(|config: &mut Config| {
        token::accept(config);
        config.api.keys = vec![key("admin", ApiRights::Admin), key("read", ApiRights::Read)];
    })
    .await;
    let mut users = JoinSet::new();
    for user in ["ann", "bob", "cid"] {
        let (addr, token) = (server.addr(), token::of(user, &json!({"channels": ["news", "chat"]})));
        users.spawn(async move {
            loop {
                let mut socket = Client::with_token(addr, &token).await.into_inner();
                while let Some(Ok(_)) = socket.next().await {}
            }
        });
    }
    server.wait_for_metric("ws_connections", 3.0).await;
    (server, users)
}

/// schemathesis, with one of the keys or none, must find nothing.
async fn schemathesis(key: &str, phases: &str) {
    let (server, _users) = server_with_users().await;
    let dir = tempfile::tempdir().expect("a folder");
    let mut python = Command::new(require::found("schemathesis"));
    python.args(["-m", "schemathesis.cli", "--config-file"]).arg(tests().join("py/schemathesis.toml"));
    let url = format!("http://{}", server.addr());
    python.arg("run").arg(schema("openapi")).args(["--url", &url]);
    // What follows a handshake is no answer of HTTP: `foreign` and `http` have tests of it. A stream of frames does not
    // end: `api::frames` has its tests.
    python.args(["--exclude-path", "/ws", "--exclude-path", "/api/v1/connections/{id}/frames"]);
    python.args(["--phases", phases, "--no-color"]);
    python
        .env("SCHEMATHESIS_HOOKS", tests().join("py/hooks.py"))
        .env("RIGHTS", key)
        .env("URL", &url)
        .current_dir(dir.path());
    if key != "none" {
        python.args(["--header", &format!("Authorization: Bearer {key}")]);
    }
    let printed = run(&mut python).await;
    assert!(printed.contains("No issues found"), "{printed}");
    let metrics = server.metrics().await;
    for (route, status) in reached(key) {
        let count = metrics.get(&format!(r#"ws_api_requests_total{{key="{key}",route="{route}",status="{status}"}}"#));
        assert!(count > 0.0, "{route} {status}");
    }
}

/// What is reached with this key: not only refusals. Without a key nobody looks at the path.
fn reached(key: &str) -> &'static [(&'static str, u16)] {
    match key {
        "admin" => &[
            ("/channels/{channel}/publications", 200),
            ("/channels/{channel}/publications", 409),
            ("/channels/{channel}/presence", 200),
            ("/connections/{id}", 200),
            ("/connections/{id}", 404),
            ("/connections/{id}/subscriptions/{channel}", 200),
            ("/users/{user}/subscriptions/{channel}", 200),
            ("/batch", 200),
        ],
        "read" => &[("/channels/{channel}/publications", 200), ("/channels/{channel}/publications", 403)],
        _ => &[("other", 401)],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "schemathesis"), ignore = "Python is missing, or the packages of tests/py/requirements.txt")]
async fn schemathesis_with_all_rights() {
    schemathesis("admin", "examples,coverage,fuzzing,stateful").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "schemathesis"), ignore = "Python is missing, or the packages of tests/py/requirements.txt")]
async fn schemathesis_with_a_key_that_reads() {
    schemathesis("read", "examples,coverage").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "schemathesis"), ignore = "Python is missing, or the packages of tests/py/requirements.txt")]
async fn schemathesis_without_a_key() {
    schemathesis("none", "examples,coverage").await;
}
