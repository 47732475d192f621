//! The programs of docs/BACKENDS.md as they stand, against a server whose first answer is lost and which is overloaded
//! after that.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use ws_tests::api::{self, Api, with_key};
use ws_tests::prelude::*;

use super::document;
use super::likeness::Words;

const DOCUMENT: &str = "docs/BACKENDS.md";

/// How long Go may take to compile its library, the first time.
const COMPILING: Duration = Duration::from_secs(300);

const OVERLOADED: &str = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n\
     Content-Type: application/json\r\nContent-Length: 67\r\n\r\n\
     {\"error\":{\"code\":\"overloaded\",\"message\":\"busy\",\"retryable\":true}}  ";

/// The block in this language.
fn block(language: &str) -> String {
    let text = document(DOCUMENT);
    let (_, after) = text.split_once(&format!("\n```{language}\n")).expect("a block");
    after.split_once("```").expect("its end").0.to_owned()
}

/// A request, from its head to the end of its body.
async fn read_request(from: &mut TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split("content-length: ").nth(1).and_then(|after| after.lines().next()?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return request;
            }
        }
        let more = within("a request", from.read_buf(&mut request)).await.expect("it is read");
        assert!(more > 0, "a whole request: {text}");
    }
}

/// A proxy in front of a server. Nobody gets the answer to its first request, and the second is answered by
/// [`OVERLOADED`]. The third request goes to the sender, and on, as everything after it.
async fn unlucky(server: SocketAddr) -> (SocketAddr, oneshot::Receiver<String>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("an address");
    let (third, is_third) = oneshot::channel();
    let proxy = tokio::spawn(async move {
        let accept = async || listener.accept().await.expect("a connection").0;
        let (mut lost, mut behind) = (accept().await, TcpStream::connect(server).await.expect("the server listens"));
        behind.write_all(&read_request(&mut lost).await).await.expect("it is sent");
        within("the answer", behind.read_u8()).await.expect("an answer");
        drop(lost);
        let mut refused = accept().await;
        read_request(&mut refused).await;
        refused.write_all(OVERLOADED.as_bytes()).await.expect("it is sent");
        refused.shutdown().await.expect("it is sent");
        let mut repeated = accept().await;
        let request = read_request(&mut repeated).await;
        third.send(String::from_utf8_lossy(&request).into_owned()).expect("the test waits");
        behind = TcpStream::connect(server).await.expect("the server listens");
        behind.write_all(&request).await.expect("it is sent");
        let mut relays = tokio::task::JoinSet::new();
        loop {
            relays.spawn(async move { drop(copy_bidirectional(&mut repeated, &mut behind).await) });
            repeated = accept().await;
            behind = TcpStream::connect(server).await.expect("the server listens");
        }
    });
    (addr, is_third, proxy)
}

/// What a program does, and what it prints.
#[derive(Debug)]
struct Ran {
    printed: String,
    /// The request that was repeated in the end.
    repeated: String,
    /// The `msg_id`s in the channel.
    published: Vec<Value>,
}

/// Runs a program with one WebSocket of the user `ann` open.
async fn run(mut program: Command) -> Ran {
    let server = Server::with(|config| {
        with_key(config);
        token::accept(config);
    })
    .await;
    let mut ann = Client::with_token(server.addr(), &token::of("ann", &json!({}))).await;
    let (addr, repeated, proxy) = unlucky(server.addr()).await;
    program.env("WS_URL", format!("http://{addr}")).env("WS_KEY", api::KEY).env("WS_SECRET", token::SECRET);
    let output = program.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = within("the program to end", output).await.expect("the program starts");
    let [printed, errors] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{}: {printed}{errors}", output.status);
    assert_eq!(ann.event("subscribed").await["channel"], "orders");
    assert_eq!(ann.closed().await.0, 4503);
    let token = printed.lines().find_map(|line| line.strip_prefix("token: ")).expect("a token");
    let mut again = Client::with_token(server.addr(), token).await;
    again.ask("subscribe", json!({"channel": "orders"})).await;
    let history = Api::connect(server.addr()).await.ok("GET", "/channels/orders/publications", Value::Null).await;
    let published = history["publications"].as_array().expect("a list").iter().map(|entry| entry["msg_id"].clone());
    proxy.abort();
    Ran { printed, repeated: repeated.await.expect("a third request"), published: published.collect() }
}

/// The same for a program that prints what the document shows, and says how old its repeat is.
async fn check(program: Command) {
    let ran = run(program).await;
    assert_eq!(ran.published, ["order-17", "order-18"], "each exactly once: {ran:?}");
    let body: Value = serde_json::from_str(ran.repeated.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON");
    assert!(body["age_ms"].as_u64().is_some_and(|age_ms| age_ms >= 1000), "the repeat says its age: {body}");
    let shown = block("text");
    assert_eq!(ran.printed.lines().count(), shown.lines().count(), "{}", ran.printed);
    for (shown, said) in shown.lines().zip(ran.printed.lines()) {
        assert!(Words::default().learn(shown, said), "the document shows\n{shown}\nwhere this is printed\n{said}");
    }
}

/// A file with the block in this language, in a folder that lasts as long as the test.
fn save(language: &str, name: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join(name);
    fs::write(&path, block(language)).expect("a file");
    (dir, path)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "python"), ignore = "Python is missing, or the packages of tests/py/requirements.txt")]
async fn python() {
    let (_dir, path) = save("python", "backend.py");
    let mut program = Command::new(require::found("python"));
    program.arg(path);
    check(program).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "node"), ignore = "Node.js is missing, or npm ci in tests/js")]
async fn node() {
    let (_dir, path) = save("js", "backend.mjs");
    let mut program = Command::new(require::found("node"));
    program.arg(path);
    check(program).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "go"), ignore = "Go is missing")]
async fn go() {
    let (dir, path) = save("go", "backend.go");
    let program = dir.path().join("backend");
    let mut build = Command::new(require::found("go"));
    build.arg("build").arg("-o").arg(&program).arg(path).stdin(Stdio::null()).kill_on_drop(true);
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
    build.env("GOCACHE", cache).env("GOTOOLCHAIN", "local").env("GOPROXY", "off");
    let built = tokio::time::timeout(COMPILING, build.output()).await.expect("it compiles in time").expect("go starts");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    check(Command::new(program)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(all(found = "curl", found = "openssl")), ignore = "curl or OpenSSL is missing")]
async fn curl() {
    assert!(require::found("curl").is_relative() && require::found("openssl").is_relative(), "the shell finds them");
    let (_dir, path) = save("bash", "backend.sh");
    let mut program = Command::new("bash");
    program.arg(path);
    let ran = run(program).await;
    assert_eq!(ran.published, ["order-17"], "{ran:?}");
    assert!(ran.printed.contains("\"duplicate\":true"), "{ran:?}");
    assert!(ran.printed.ends_with("{\"connections\":1}\n"), "{ran:?}");
}
