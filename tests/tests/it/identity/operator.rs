//! What an operator and a developer see: keys in files, the command `token`, errors, and a log without secrets.

use std::process::Stdio;

use tokio::process::Command;
use ws_tests::prelude::*;
use ws_tests::process::Signal;

use crate::SERVER;

/// Exit code, standard output and standard error of the server's binary.
pub(super) async fn run(args: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let command = Command::new(SERVER).args(args).envs(variables.iter().copied()).stdin(Stdio::null()).output();
    let output = within("the command to end", command).await.expect("the server's binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("it exits"), text(output.stdout), text(output.stderr))
}

const SECRET: (&str, &str) = ("WS_SERVER__AUTH__KEYS__0__SECRET", token::SECRET);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_for_development() {
    let args = ["token", "--user", "ann", "--ttl", "5m", "--grant", "subscribe:room:*", "--join", "lobby"];
    let (status, token, _) = run(&args, &[SECRET]).await;
    assert_eq!(status, 0);
    let server = Server::with(super::granting).await;
    let mut ann = Client::with_token(server.addr(), token.trim()).await;
    assert_eq!(ann.connected["user"], "ann");
    assert_eq!(ann.event("subscribed").await["channel"], "lobby");
    ann.ask("subscribe", json!({"channel": "room:a"})).await;
    let (status, _, told) = run(&["token", "--user", "ann"], &[]).await;
    assert!(status == 1 && told.contains("there is no secret to sign with"), "{told}");
    let (status, _, told) = run(&["token", "--user", "ann", "--grant", "fly"], &[SECRET]).await;
    assert!(status == 1 && told.contains("RIGHT:PATTERN"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_cannot_be_used_end_the_start() {
    let (status, _, told) = run(&["check-config"], &[("WS_SERVER__AUTH__KEYS__0__SECRET_FILE", "/nowhere")]).await;
    assert_eq!(status, 78);
    let expect =
        "WS_SERVER__AUTH__KEYS__0__SECRET_FILE: auth.keys.0.secret_file: found \"/nowhere\", which cannot be read";
    assert!(told.contains(expect), "{told}");
    let (_, shown, _) = run(&["print-config"], &[SECRET]).await;
    assert!(shown.contains("[[auth.keys]]") && shown.contains("# secret is set and not shown"), "{shown}");
    assert!(!shown.contains(token::SECRET));
}

/// All errors, in the configuration and in the files that it names, are reported together, each with its location.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_in_files_are_reported_with_the_others() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = dir.path().join("ws.toml");
    let text = "bogus = 1\n[[auth.keys]]\nsecret_file = \"/nowhere/1\"\n[[auth.keys]]\n[tls]\ncert_file = \"/nowhere/2\"\n\
                key_file = \"/nowhere/3\"\n[auth]\njwks_url = \"https://me:swordfish@id.example\"\n";
    std::fs::write(&config, text).expect("room");
    let config = config.to_str().expect("UTF-8");
    let (status, _, told) = run(&["--config", config, "check-config"], &[]).await;
    assert_eq!(status, 78);
    let places: Vec<_> = told.lines().filter_map(|line| line.strip_prefix(config)).collect();
    let places: Vec<_> = places.iter().filter_map(|place| place.split(": found").next()).collect();
    let expect = [
        ":1: bogus",
        ":3: auth.keys.0.secret_file",
        ":4: auth.keys.1.algorithm",
        ":6: tls.cert_file",
        ":7: tls.key_file",
        ":9: auth.jwks_url",
    ];
    assert_eq!(places, expect, "{told}");
    assert!(!told.contains("swordfish"), "{told}");
}

/// A token is in no line of the log, however much is logged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_keeps_secrets() {
    let mut server = Process::start(SERVER, &[SECRET, ("RUST_LOG", "trace")]).await;
    let log = server.follow_log();
    let good = token::of("ann", &json!({"subscribe": ["*"]}));
    let bad = format!("{}x", token::of("bob", &json!({})));
    for token in [&good, &bad] {
        for path in [format!("/ws?token={token}"), "/ws".to_owned()] {
            let mut client = Client::unread(server.addr(), &path, Some(token)).await;
            client.json().await;
        }
    }
    let mut client = Client::connect(server.addr(), "/ws").await;
    for token in [&good, &bad] {
        client.request("a", "authenticate", json!({"token": token})).await;
        client.request("s", "subscribe", json!({"channel": "a", "token": token})).await;
    }
    server.signal(Signal::Term).await;
    let log = within("the end of the log", log).await.expect("no panic");
    assert_eq!(within("the process to end", server.exit_code()).await, Some(0));
    assert!(log.iter().any(|line| line.contains("a token was refused")), "much is logged: {} lines", log.len());
    let parts = [good.as_str(), &bad].into_iter().flat_map(|token| token.split('.').skip(1));
    for part in parts.chain([token::SECRET]) {
        assert!(!log.iter().any(|line| line.contains(part)), "{part}");
    }
}
