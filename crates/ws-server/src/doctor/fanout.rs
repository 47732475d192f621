//! How fast this machine delivers: one publisher and 100 subscribers over loopback, with a server of their own in this
//! process. Server and clients share the CPUs, so a server alone does more. It is a first figure, to compare machines;
//! `ws-bench` measures properly.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Barrier, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::report::Check;
use super::socket::Socket;
use crate::app::App;
use crate::config::Config;

const WHAT: &str = "fan-out";

const SUBSCRIBERS: usize = 100;

/// Publications that the publisher has in flight.
const IN_FLIGHT: usize = 32;

/// With the setup, which takes some hundred milliseconds, about 3 s.
const MEASURED: Duration = Duration::from_millis(2500);
const SETUP_MAX: Duration = Duration::from_secs(5);

const SUBSCRIBE: &str = r#"{"id":"1","type":"request","action":"subscribe","payload":{"channel":"doctor"}}"#;
const PUBLISH: &str = r#"{"id":"1","type":"request","action":"publish","payload":{"channel":"doctor","data":{"text":"Hello, everybody!"}}}"#;

pub(super) async fn check() -> Check {
    match measure().await {
        Ok(per_second) => Check::fine(
            WHAT,
            format!("{per_second} messages per second to {SUBSCRIBERS} subscribers, clients on the same machine"),
        ),
        Err(why) => Check::problem(WHAT, format!("could not be measured: {why}"), None),
    }
}

async fn measure() -> Result<u64, String> {
    let mut config = Config { addr: vec![SocketAddr::from(([127, 0, 0, 1], 0)).into()], ..Config::default() };
    config.drain.grace = Duration::ZERO;
    let app = App::bind(&config).await.map_err(|error| error.to_string())?;
    let addr = app.local_addrs().first().copied().ok_or("no address")?;
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(app.run(async { drop(stopped.await) }));
    let per_second = deliver(&format!("ws://{addr}/ws")).await;
    drop(stop);
    server.await.map_err(|error| error.to_string())?;
    per_second
}

/// Deliveries per second, once all have subscribed.
async fn deliver(url: &str) -> Result<u64, String> {
    let (delivered, ready) = (Arc::new(AtomicU64::new(0)), Arc::new(Barrier::new(SUBSCRIBERS + 1)));
    // Dropping the set ends all clients.
    let mut clients = JoinSet::new();
    for _ in 0..SUBSCRIBERS {
        clients.spawn(subscriber(url.to_owned(), ready.clone(), delivered.clone()));
    }
    let failed = async { clients.join_next().await.and_then(Result::ok).unwrap_or_default() };
    tokio::select! {
        all = timeout(SETUP_MAX, ready.wait()) => {
            all.map_err(|_| "the subscribers took too long")?;
        }
        why = failed => return Err(why),
    }
    clients.spawn(publisher(url.to_owned()));
    let (began, before) = (Instant::now(), delivered.load(Ordering::Relaxed));
    tokio::select! {
        () = sleep(MEASURED) => {}
        ended = clients.join_next() => return Err(ended.and_then(Result::ok).unwrap_or_default()),
    }
    let delivered = delivered.load(Ordering::Relaxed) - before;
    if delivered == 0 {
        return Err("nothing was delivered".to_owned());
    }
    Ok((delivered as f64 / began.elapsed().as_secs_f64()) as u64)
}

/// Subscribes, then counts what arrives. Ends only with its connection, and says why.
async fn subscriber(url: String, ready: Arc<Barrier>, delivered: Arc<AtomicU64>) -> String {
    let mut socket = match open(&url).await {
        Ok(socket) => socket,
        Err(why) => return why,
    };
    if socket.send(SUBSCRIBE).await.is_err() || socket.next().await.is_none() {
        return "the subscription failed".to_owned();
    }
    ready.wait().await;
    while socket.next().await.is_some() {
        delivered.fetch_add(1, Ordering::Relaxed);
    }
    "a subscriber lost its connection".to_owned()
}

/// Publishes as fast as it is answered. Ends only with its connection, and says why.
async fn publisher(url: String) -> String {
    let mut socket = match open(&url).await {
        Ok(socket) => socket,
        Err(why) => return why,
    };
    for _ in 0..IN_FLIGHT {
        if socket.send(PUBLISH).await.is_err() {
            break;
        }
    }
    while socket.next().await.is_some() && socket.send(PUBLISH).await.is_ok() {}
    "the publisher lost its connection".to_owned()
}

/// Opens a connection and takes the greeting.
async fn open(url: &str) -> Result<Socket, String> {
    let mut socket = Socket::open(url).await?;
    socket.next().await.ok_or("a connection was refused")?;
    Ok(socket)
}
