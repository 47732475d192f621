//! What the environment says: `SSL_CERT_FILE`, `HTTPS_PROXY`, `NO_PROXY`. It is read by a process of its own, this test
//! binary again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use ws_tests::tls::Certificate;

use super::*;

const URL: &str = "WS_TEST_CLAUDE_URL";

/// Not a test by itself: asks the URL in the environment and says what came of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the other tests of this file"]
async fn asks() {
    let url = std::env::var(URL).expect("set by the test that runs this");
    let upstream = Upstream::new(Settings { retries_max: 0, ..settings(&url) }).expect("a client");
    let (text, _, answer) = finish(upstream.ask(question("Hi"))).await;
    println!("\nsaid {text:?} {:?}", answer.end);
}

/// Runs it with these variables, and no others about proxies and certificates.
async fn ask(url: &str, variables: &[(&str, String)]) -> String {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args(["--exact", "claude_api::environment::asks", "--ignored", "--nocapture"]);
    for name in ["SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_ascii_lowercase());
    }
    command.env(URL, url).envs(variables.iter().map(|(name, value)| (name, value))).kill_on_drop(true);
    let output = within("the other process", command.output()).await.expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().find(|line| line.starts_with("said "));
    line.unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&output.stderr))).to_owned()
}

/// HTTPS in front of the fake.
async fn https(claude: &FakeClaude, certificate: &Certificate) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (addr, to, acceptor) = (listener.local_addr().expect("bound"), claude.addr(), certificate.acceptor());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut client = acceptor.accept(socket).await.ok()?;
                let mut server = TcpStream::connect(to).await.ok()?;
                copy_bidirectional(&mut client, &mut server).await.ok()
            });
        }
    });
    addr
}

/// A proxy that connects everybody to `to`. Also returns how many it has connected.
async fn proxy(to: SocketAddr) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (addr, count) = (listener.local_addr().expect("bound"), Arc::<AtomicUsize>::default());
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && client.read_buf(&mut head).await.is_ok_and(|len| len > 0) {}
            assert!(head.starts_with(b"CONNECT localhost:1 "), "{}", String::from_utf8_lossy(&head));
            counted.fetch_add(1, Ordering::Relaxed);
            let mut server = TcpStream::connect(to).await.expect("it listens");
            client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.expect("writable");
            tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
        }
    });
    (format!("http://{addr}"), count)
}

const SAID: &str = "said \"Hello, world.\" Complete";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_trusted_as_the_environment_says() {
    let (claude, certificate) = (FakeClaude::start().await, Certificate::new());
    let url = format!("https://localhost:{}", https(&claude, &certificate).await.port());
    let trusted = [("SSL_CERT_FILE", certificate.cert_file().display().to_string())];
    assert_eq!(ask(&url, &trusted).await, SAID);
    let other = Certificate::new();
    let said = ask(&url, &[("SSL_CERT_FILE", other.cert_file().display().to_string())]).await;
    assert!(said.contains("cannot be reached"), "{said}");
    assert_eq!(claude.requests().len(), 1, "nothing was sent to a server that is not trusted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxies_are_used_as_the_environment_says() {
    let (claude, certificate) = (FakeClaude::start().await, Certificate::new());
    let https = https(&claude, &certificate).await;
    let (proxy, count) = proxy(https).await;
    let variables = [
        ("SSL_CERT_FILE", certificate.cert_file().display().to_string()),
        ("HTTPS_PROXY", proxy.clone()),
        ("HTTP_PROXY", proxy),
        ("NO_PROXY", "example.com".to_owned()),
    ];
    // Nothing listens there: only the proxy knows the way.
    assert_eq!(ask("https://localhost:1", &variables).await, SAID);
    assert_eq!(count.load(Ordering::Relaxed), 1);
    let mut without = variables.clone();
    without[3].1 = "example.com,localhost".to_owned();
    assert_eq!(ask(&format!("https://localhost:{}", https.port()), &without).await, SAID);
    // It could read along.
    assert_eq!(ask(&claude.url(), &variables).await, SAID);
    assert_eq!((count.load(Ordering::Relaxed), claude.requests().len()), (1, 3));
}
