//! A resource that waits and takes a body, over a socket of loopback and paused time.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::reply::Reply;
use super::{Answer, Body, Routes, serve};
use crate::limits::HTTP_BODY_TIMEOUT;
use crate::proxy::ProxyOptions;
use crate::stream::Stream;

const BODY_BYTES_MAX: usize = 1000;
const HEAD_TIMEOUT: Duration = Duration::from_secs(3);

/// Sends the body back; on `/later`, when it is told to.
#[derive(Default)]
struct Echo(Notify);

impl Routes for Echo {
    type Upgrade = ();

    async fn answer(&self, request: Request<Body>, _: IpAddr) -> Answer<()> {
        if request.uri().path() == "/later" {
            self.0.notified().await;
        }
        let body = request.into_body().read(BODY_BYTES_MAX).await;
        Answer::Reply(body.map_or_else(|refused| refused, |body| Reply::ok("text/plain", body)))
    }
}

/// A client of a server that serves one connection.
async fn connect() -> (TcpStream, Arc<Echo>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("port 0 can be bound");
    let client = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("it listens");
    let (stream, peer) = listener.accept().await.expect("a connection");
    let routes = Arc::new(Echo::default());
    let served = routes.clone();
    tokio::spawn(async move {
        let proxy = ProxyOptions::default();
        serve(Stream::Plain(stream), proxy.peer(peer.ip()), &proxy, &*served, HEAD_TIMEOUT).await.is_some()
    });
    (client, routes)
}

fn post(path: &str, length: usize) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n").into_bytes()
}

async fn rest(client: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.expect("it is not reset");
    String::from_utf8(answer).expect("text")
}

#[tokio::test(start_paused = true)]
async fn bodies_arrive_and_the_connection_goes_on() {
    let (mut client, _) = connect().await;
    client.write_all(&[post("/", 5), b"hello".to_vec(), post("/", 0), post("/", 3)].concat()).await.expect("room");
    client.write_all(b"bye").await.expect("room");
    client.shutdown().await.expect("it is open");
    let answers = rest(&mut client).await;
    let bodies: Vec<_> = answers.split("HTTP/1.1 200 OK").skip(1).map(|one| one.split("\r\n\r\n").last()).collect();
    assert_eq!(bodies, [Some("hello"), Some(""), Some("bye")], "{answers}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_take_its_time() {
    let (mut client, routes) = connect().await;
    let began = Instant::now();
    client.write_all(&[post("/later", 5), b"hello".to_vec()].concat()).await.expect("room");
    tokio::time::sleep(10 * HEAD_TIMEOUT).await;
    routes.0.notify_one();
    assert!(rest(&mut client).await.ends_with("hello"));
    assert!(began.elapsed() >= 10 * HEAD_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_ends_by_the_deadline() {
    let (mut client, _) = connect().await;
    let began = Instant::now();
    client.write_all(&post("/", 500)).await.expect("room");
    let (mut read, mut write) = client.split();
    let mut answer = String::new();
    let drip = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if write.write_all(b"x").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        read = read.read_to_string(&mut answer) => drop(read.expect("it is not reset")),
        () = drip => {}
    }
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains(r#""code":"malformed""#), "{answer}");
    assert!(began.elapsed() >= HTTP_BODY_TIMEOUT && began.elapsed() < 2 * HTTP_BODY_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_large_body_is_refused_before_it_is_sent() {
    let (mut client, _) = connect().await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length:";
    client.write_all(format!("{head} 1001\r\n\r\n").as_bytes()).await.expect("room");
    let answer = rest(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("connection: close\r\n"), "{answer}");

    let (mut client, _) = connect().await;
    client.write_all(format!("{head} 3\r\n\r\n").as_bytes()).await.expect("room");
    let mut wanted = [0; 25];
    client.read_exact(&mut wanted).await.expect("an answer");
    assert_eq!(&wanted, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"bye").await.expect("room");
    assert!(rest(&mut client).await.ends_with("bye"));
}
