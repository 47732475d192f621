//! The smallest client that does what PROTOCOL says about `since`, `msg_id` and `age_ms`, one request at a time: the
//! contract is enough to live with a bad network.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};
use ws_tests::oracle::{Outcome, Published, Seen};
use ws_tests::prelude::*;

use super::stage::{CHANNELS, Epochs, PUBLISHERS, SUBSCRIBERS, Stage, Tops};

/// How long to wait for an answer, and for any sign of life.
const PATIENCE: Duration = Duration::from_secs(2);

/// Between two attempts.
const BACKOFF: Duration = Duration::from_millis(10);

/// A connection that may break at any time: everything is an error then, and nothing a panic.
struct Plain(WebSocketStream<TcpStream>);

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}

impl Plain {
    async fn connect(addr: SocketAddr) -> io::Result<Self> {
        let connecting = async {
            let stream = TcpStream::connect(addr).await?;
            let (socket, _) = client_async(format!("ws://{addr}/ws"), stream).await.map_err(broken)?;
            let mut plain = Plain(socket);
            assert_eq!(plain.json().await?["data"]["event"], "connected");
            Ok(plain)
        };
        timeout(PATIENCE, connecting).await?
    }

    async fn send(&mut self, action: &str, payload: Value) -> io::Result<()> {
        let request = json!({"id": action, "type": "request", "action": action, "payload": payload}).to_string();
        timeout(PATIENCE, self.0.send(Message::text(request))).await?.map_err(broken)
    }

    async fn json(&mut self) -> io::Result<Value> {
        loop {
            match timeout(PATIENCE, self.0.next()).await? {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).expect("JSON")),
                Some(Ok(Message::Ping(_))) => {}
                Some(Ok(other)) => return Err(io::Error::other(format!("{other:?}"))),
                Some(Err(error)) => return Err(broken(error)),
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }
}

/// Publishes one after the other until it is told to stop; each until its outcome is known.
async fn publish(addr: SocketAddr, nth: usize, stop: watch::Receiver<bool>) -> Vec<Published> {
    let (mut told, mut connection) = (Vec::new(), None);
    while !*stop.borrow() {
        let n = told.len();
        let (channel, data) = (CHANNELS[n % CHANNELS.len()], json!([nth, n]));
        let mut payload = json!({"channel": channel, "data": data, "msg_id": format!("{nth}-{n}")});
        let mut first_sent = None;
        let outcome = loop {
            let mut plain: Plain = match connection.take() {
                Some(plain) => plain,
                None => connect(addr).await,
            };
            if let Some(first_sent) = first_sent {
                // The way of the repeat takes its time too.
                payload["age_ms"] = json!((Instant::elapsed(&first_sent) + PATIENCE).as_millis() as u64);
            }
            first_sent.get_or_insert_with(Instant::now);
            let answer = async {
                plain.send("publish", payload.clone()).await?;
                plain.json().await
            };
            if let Ok(answer) = answer.await {
                connection = Some(plain);
                break outcome(&answer);
            }
        };
        told.push(Published { channel: channel.to_owned(), data, outcome });
    }
    told
}

fn outcome(answer: &Value) -> Outcome {
    match (answer["data"]["offset"].as_u64(), answer["error"]["code"].as_str()) {
        (Some(offset), _) => Outcome::Acked(offset),
        (None, Some("unknown_outcome")) => Outcome::Unknown,
        _ => panic!("{answer}"),
    }
}

async fn connect(addr: SocketAddr) -> Plain {
    let connecting = async {
        loop {
            match Plain::connect(addr).await {
                Ok(plain) => return plain,
                Err(_) => tokio::time::sleep(BACKOFF).await,
            }
        }
    };
    within("a connection", connecting).await
}

/// Reads all channels from their beginning to these offsets.
async fn subscribe(addr: SocketAddr, epochs: Epochs, tops: watch::Receiver<Option<Tops>>) -> Vec<Seen> {
    let (mut seen, mut at) = (Vec::new(), CHANNELS.map(|channel| (channel, 0)).into_iter().collect::<Tops>());
    loop {
        let mut plain = connect(addr).await;
        if let Ok(()) = read(&mut plain, &epochs, tops.clone(), &mut seen, &mut at).await {
            return seen;
        }
    }
}

async fn read(
    plain: &mut Plain,
    epochs: &Epochs,
    mut tops: watch::Receiver<Option<Tops>>,
    seen: &mut Vec<Seen>,
    at: &mut Tops,
) -> io::Result<()> {
    for (channel, epoch) in epochs.iter() {
        let since = json!({"epoch": epoch, "offset": at[channel]});
        plain.send("subscribe", json!({"channel": channel, "since": since})).await?;
    }
    loop {
        let has_all = |tops: &Tops| tops.iter().all(|(channel, top)| at[channel] >= *top);
        if tops.borrow().as_ref().is_some_and(has_all) {
            return Ok(());
        }
        let mut frame = tokio::select! {
            changed = tops.changed() => {
                changed.expect("the test goes on");
                continue;
            }
            frame = plain.json() => frame?,
        };
        let data = frame["data"].take();
        let name = data["channel"].as_str().unwrap_or_else(|| panic!("a channel: {frame} {data}")).to_owned();
        let last = at.iter_mut().find(|(channel, _)| **channel == name).map(|(_, last)| last).expect("one of ours");
        let gap = if frame["type"] == "response" { &data["gap"] } else { &data };
        if let (Some(from), Some(to)) = (gap["from"].as_u64(), gap["to"].as_u64()) {
            *last = to;
            seen.push(Seen::Gap { channel: name, from, to });
        } else if data["event"] == "publication" {
            *last = data["offset"].as_u64().expect("an offset");
            seen.push(Seen::Publication { channel: name, offset: *last, data: data["data"].clone() });
        } else {
            assert_eq!((&frame["type"], &data["recovered"]), (&json!("response"), &json!(true)), "{data}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_is_enough() {
    let stage = Stage::begin().await;
    let addr = stage.proxy().addr();
    let (mut publishing, mut reading) = (JoinSet::new(), JoinSet::new());
    (0..PUBLISHERS).for_each(|nth| drop(publishing.spawn(publish(addr, nth, stage.stop()))));
    (0..SUBSCRIBERS).for_each(|_| drop(reading.spawn(subscribe(addr, stage.epochs(), stage.tops()))));
    stage.end(publishing, reading).await;
}
