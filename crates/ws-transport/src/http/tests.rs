//! A resource that waits and takes a body, over a socket of loopback and paused time.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::Instant;
use ws_core::{AddressShares, Clock};

use super::reply::Reply;
use super::{Answer, Body, Clients, Patience, Routes, serve};
use crate::connection_log::{ConnectionLog, LogConnections};
use crate::limits::{HTTP_BODY_TIMEOUT, HTTP_LIFE, HTTP_REQUESTS_MAX, SOCKET_SLOTS_MAX};
use crate::proxy::ProxyOptions;
use crate::socket::SocketOptions;
use crate::socket_slots::SocketSlots;
use crate::stream::Stream;

const BODY_BYTES_MAX: usize = 1000;
const HEAD_TIMEOUT: Duration = Duration::from_secs(3);
const KEEP_ALIVE: Duration = Duration::from_secs(20);

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

fn options() -> SocketOptions {
    SocketOptions {
        message_bytes_max: 1000,
        outbox_bytes_max: 1000,
        clock: Clock::start(),
        counters: Arc::default(),
        slots: SocketSlots::default(),
        addresses: AddressShares::new(1),
        log: ConnectionLog::new(LogConnections::Off),
    }
}

/// A client of a server that serves one connection.
async fn connect() -> (TcpStream, Arc<Echo>) {
    connect_among(&SocketSlots::default()).await
}

/// The same with a slot of these.
async fn connect_among(slots: &SocketSlots) -> (TcpStream, Arc<Echo>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("port 0 can be bound");
    let client = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("it listens");
    let (stream, peer) = listener.accept().await.expect("a connection");
    let routes = Arc::new(Echo::default());
    let served = routes.clone();
    let patience = Patience { head: HEAD_TIMEOUT, keep_alive: KEEP_ALIVE };
    let mut slot = slots.acquire().expect("one is free");
    tokio::spawn(async move {
        let (proxy, options) = (ProxyOptions::default(), options());
        let clients = Clients::new(proxy.peer(peer.ip()), &proxy, &options);
        serve(Stream::Plain(stream), &clients, &*served, patience, &mut slot).await.is_some()
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
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains(r#""code":"request_timeout""#), "{answer}");
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

/// How long the server waits for the rest after these bytes.
async fn patience(client: &mut TcpStream, first: &[u8], drip: &[u8]) -> Duration {
    let began = Instant::now();
    client.write_all(first).await.expect("room");
    let (mut read, mut write) = client.split();
    let mut answers = Vec::new();
    let dripping = async {
        for byte in drip {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if write.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        // A reset is an end too: the server closes while bytes still trickle in.
        _ = read.read_to_end(&mut answers) => {}
        () = dripping => {}
    }
    began.elapsed()
}

/// Half a second is more than anything but these waits takes; a drip may be in time by a second.
#[track_caller]
fn is_about(found: Duration, expect: Duration) {
    let slack = Duration::from_millis(1500);
    assert!(found + slack > expect && found < expect + slack, "{found:?} is not about {expect:?}");
}

#[tokio::test(start_paused = true)]
async fn a_head_has_its_time_however_slowly_it_comes() {
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    is_about(patience(&mut connect().await.0, b"", b"").await, HEAD_TIMEOUT);
    is_about(patience(&mut connect().await.0, &head[..20], b"").await, HEAD_TIMEOUT);
    is_about(patience(&mut connect().await.0, b"", head).await, HEAD_TIMEOUT);
    // The same after an answer: the longer time ends with the first byte.
    let answered = [post("/", 3), b"bye".to_vec()].concat();
    is_about(patience(&mut connect().await.0, &answered, b"").await, KEEP_ALIVE);
    is_about(patience(&mut connect().await.0, &answered, head).await, HEAD_TIMEOUT + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn each_answer_begins_the_time_for_the_next_request() {
    let (mut client, _) = connect().await;
    let began = Instant::now();
    for _ in 0..5 {
        client.write_all(&post("/", 0)).await.expect("it is open");
        let mut answer = [0; 17];
        client.read_exact(&mut answer).await.expect("an answer");
        while client.read_u8().await.expect("a head") != b'\n' || client.read_u8().await.expect("a head") != b'\r' {}
        client.read_u8().await.expect("the end of the head");
        tokio::time::sleep(KEEP_ALIVE - Duration::from_secs(2)).await;
    }
    assert!(began.elapsed() > 4 * KEEP_ALIVE);
    is_about(patience(&mut client, b"", b"").await, Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_connection_makes_so_many_requests_and_no_more() {
    let (mut client, _) = connect().await;
    client.write_all(&post("/", 0).repeat(HTTP_REQUESTS_MAX as usize + 5)).await.expect("room");
    let answers = rest(&mut client).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), HTTP_REQUESTS_MAX as usize);
    assert_eq!(answers.matches("connection: close").count(), 1, "the last one says so");
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_an_end_however_busy_it_is() {
    let (mut client, _) = connect().await;
    let (began, mut answers) = (Instant::now(), Vec::new());
    while !String::from_utf8_lossy(&answers).contains("connection: close") {
        assert!(began.elapsed() <= HTTP_LIFE + KEEP_ALIVE, "it lives for ever");
        client.write_all(&post("/", 0)).await.expect("it is open");
        client.read_buf(&mut answers).await.expect("an answer");
        tokio::time::sleep(KEEP_ALIVE / 2).await;
    }
    assert!(began.elapsed() >= HTTP_LIFE);
    assert_eq!(rest(&mut client).await, "");
}

#[tokio::test(start_paused = true)]
async fn idle_connections_give_way_and_busy_ones_do_not() {
    let slots = SocketSlots::default();
    let ((mut idle, _), (mut busy, routes), (mut half, _)) =
        (connect_among(&slots).await, connect_among(&slots).await, connect_among(&slots).await);
    for client in [&mut idle, &mut half] {
        client.write_all(&post("/", 0)).await.expect("room");
        assert!(client.read_buf(&mut Vec::with_capacity(4096)).await.is_ok_and(|bytes| bytes > 0));
    }
    busy.write_all(&[post("/later", 5), b"hello".to_vec()].concat()).await.expect("room");
    half.write_all(&post("/", 0)[..10]).await.expect("room");
    let _others: Vec<_> = (3..SOCKET_SLOTS_MAX).map(|_| slots.acquire().expect("there is room")).collect();
    // Until the server has seen that the first one is idle, and that the last one is not.
    let mut newcomer = None;
    while newcomer.is_none() {
        tokio::task::yield_now().await;
        newcomer = slots.acquire();
    }
    assert_eq!(rest(&mut idle).await, "", "it has been idle for longest");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(slots.acquire().is_none(), "half a head and half an answer are no idleness");
    assert_eq!((slots.taken(), slots.evicted()), (SOCKET_SLOTS_MAX, 1));
    routes.0.notify_one();
    half.write_all(&post("/", 0)[10..]).await.expect("it is open");
    half.shutdown().await.expect("it is open");
    assert!(rest(&mut half).await.starts_with("HTTP/1.1 200 OK"));
    assert!(busy.read_buf(&mut Vec::with_capacity(4096)).await.is_ok_and(|bytes| bytes > 0));
    drop(newcomer);
}
