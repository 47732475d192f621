//! The examples of `docs/OPERATIONS.md`, as an operator copies them: nginx, HAProxy and Caddy in front of a real server.
//! Only addresses, files and the numbers of limits are other ones here.

mod cluster;
mod document;
mod program;

use std::net::{IpAddr, Ipv4Addr};

use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;
use ws_tests::prelude::*;
use ws_tests::tls::Trust;

use self::document::HOST;
use self::program::Proxy;
use super::logged_address;
use crate::SERVER;

/// What a browser sends on a page of the host, and what a liar adds.
const BROWSER: [(&str, &str); 3] =
    [("Origin", "https://chat.example.org"), ("X-Forwarded-For", "6.6.6.6"), ("Forwarded", "for=6.6.6.6")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "nginx"), ignore = "needs nginx")]
async fn nginx() {
    let server = server("### nginx").await;
    let proxy = program::nginx(server.addr());
    // It counts requests, and reads their bodies itself.
    proxy.limits_connections(&head("POST", "/health", &[("Content-Length", "9")])).await;
    proxy.serves(server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "haproxy"), ignore = "needs HAProxy")]
async fn haproxy() {
    let server = server("### HAProxy").await;
    let proxy = program::haproxy(server.addr());
    // It counts sockets.
    proxy.limits_connections("GET").await;
    proxy.serves(server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "caddy"), ignore = "needs Caddy")]
async fn caddy() {
    // It is configured as for nginx, which the document says.
    let server = server("### nginx").await;
    program::caddy(server.addr()).serves(server).await;
}

/// A server with the configuration of this section, and at most two connections per address.
async fn server(section: &str) -> Process {
    let (_file, variables) = configuration(section);
    let limit = [("WS_SERVER__LIMITS__CONNECTIONS_PER_IP_MAX", "2")];
    Process::start(SERVER, &[&as_text(&variables)[..], &limit].concat()).await
}

/// The configuration of this section in a file, and the variables for it.
fn configuration(section: &str) -> (NamedTempFile, Vec<(&'static str, String)>) {
    let config = document::block(section, "toml");
    let config = document::replaced(&config, &[("127.0.0.1:9300", "127.0.0.1:0")]);
    let file = NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), config).expect("room");
    let path = file.path().to_str().expect("a path in UTF-8").to_owned();
    let variables = vec![
        ("WS_SERVER__LOG_CONNECTIONS", "all".to_owned()),
        ("WS_SERVER__AUTH__KEYS__0__SECRET", token::SECRET.to_owned()),
        ("WS_SERVER_CONFIG", path),
    ];
    (file, variables)
}

fn as_text<'a>(variables: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

fn client(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 9, 9, last).into()
}

impl Proxy {
    /// A TLS session of a client with this address.
    async fn connect(&self, from: IpAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        Trust::new(&self.certificate).over(socket.connect(self.addr).await?).await
    }

    /// Sends the head of a request, and reads that of the answer. Gives the status, and what belongs to it.
    async fn ask(&self, from: IpAddr, head: &str) -> (u16, TlsStream<TcpStream>) {
        let mut stream = self.connect(from).await.expect("the proxy listens");
        stream.write_all(head.as_bytes()).await.expect("room");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(within("an answer", stream.read_u8()).await.expect("a whole head"));
        }
        let status = String::from_utf8_lossy(&answer).get(9..12).and_then(|status| status.parse().ok());
        (status.unwrap_or_else(|| panic!("a status: {answer:?}")), stream)
    }

    async fn get(&self, path: &str) -> u16 {
        self.ask(client(1), &head("GET", path, &[("Connection", "close")])).await.0
    }

    async fn handshake(&self, from: IpAddr, query: &str, more: &[(&str, &str)]) -> (u16, TlsStream<TcpStream>) {
        let headers = [&raw::handshake_headers()[..], more].concat();
        self.ask(from, &head("GET", &format!("/ws{query}"), &headers)).await
    }

    /// Waits until it serves.
    async fn ready(&self) {
        until("the proxy to serve", async || {
            self.connect(client(1)).await.ok()?;
            (self.get("/health").await == 200).then_some(())
        })
        .await;
    }

    /// Requests of which only this was sent hold connections. One more than the limit is refused.
    async fn limits_connections(&self, begun: &str) {
        self.ready().await;
        let mut held = Vec::new();
        for _ in 0..3 {
            let mut stream = self.connect(client(2)).await.expect("the proxy listens");
            stream.write_all(begun.as_bytes()).await.expect("room");
            held.push(stream);
        }
        let request = head("GET", "/health", &[("Connection", "close")]);
        until("the fourth to be one too many", async || (self.ask(client(2), &request).await.0 == 429).then_some(()))
            .await;
        assert_eq!(self.ask(client(3), &request).await.0, 200, "others have their own share");
    }

    async fn serves(&self, mut server: Process) {
        self.ready().await;
        let token = token::of("ann", &json!({}));
        let query = format!("?token={token}");

        // The log and the limits have the client's address; the WebSocket works.
        let (status, mut first) = self.handshake(client(9), &query, &BROWSER).await;
        assert_eq!(status, 101);
        assert_eq!(logged_address(&mut server, "connection opened").await, client(9).to_string());
        echo(&mut first).await;
        let (status, _second) = self.handshake(client(9), "", &BROWSER).await;
        assert_eq!(status, 101);
        assert_eq!(self.handshake(client(9), "", &BROWSER).await.0, 503, "the limit of the server");
        assert_eq!(logged_address(&mut server, "connection refused").await, client(9).to_string());
        assert_eq!(self.handshake(client(10), "", &BROWSER).await.0, 101, "another address");

        for path in ["/metrics", "/metrics/", "/metrics/x", "/api", "/api/v1/channels"] {
            assert_eq!(self.get(path).await, 403, "{path}");
        }
        let from_elsewhere = [("Origin", "https://evil.example")];
        assert_eq!(self.handshake(client(11), "", &from_elsewhere).await.0, 403);

        // While the server is down, the proxy has errors to log.
        server.kill().await;
        let status = self.handshake(client(12), &query, &BROWSER).await.0;
        assert!([502, 503].contains(&status), "{status}");
        let logs = until("the last line of the log", async || {
            Some(self.logs()).filter(|logs| logs.contains(&status.to_string()))
        })
        .await;
        assert!(logs.contains("/ws"), "{logs}");
        assert!(!logs.contains("token") && !logs.contains(&token), "{logs}");
    }
}

/// The head of a request.
fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let request = raw::request(method, path, headers);
    document::replaced(&request, &[("Host: localhost", &format!("Host: {HOST}"))])
}

/// Sends a request, and reads until its answer.
async fn echo(stream: &mut TlsStream<TcpStream>) {
    let request = json!({"id": "1", "type": "request", "action": "echo", "payload": {"message": "through"}});
    stream.write_all(&raw::text(&request.to_string())).await.expect("room");
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(r#""echo":"through""#) {
        let bytes = within("the answer", stream.read_buf(&mut read)).await.expect("it is open");
        assert!(bytes > 0, "it ended: {}", String::from_utf8_lossy(&read));
    }
}
