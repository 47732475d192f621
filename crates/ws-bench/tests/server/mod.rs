//! A tiny server of the protocol, on a free loopback port: echo, broadcast, channels, and one chosen
//! fault.
//!
//! It knows nothing of the code under test. It lives until the test process ends.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use channels::Channels;

mod channels;

/// What the server does wrong. Deliveries go wrong for the second connection's first broadcast, for
/// the first publication to a channel's second subscriber, and for the first that is recovered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    None,
    Lose,
    /// Loses it, and says so.
    Announce,
    Repeat,
    /// Delivers the second broadcast before the first.
    Swap,
    /// Closes the second connection with 4001 instead.
    Close,
    /// Answers every request with an error.
    Refuse,
    /// Echoes something else, and acknowledges at no level that there is.
    Garble,
    /// Does not answer the first request.
    Ignore,
    /// Holds every echo back until a Ping was answered.
    PingFirst,
    /// Is no WebSocket server.
    NotFound,
    /// Leaves offset 2 of every channel out.
    Skip,
    /// Gives offset 1 of every channel twice.
    Stay,
    /// Says of a channel's second publication that it was there before.
    Again,
    /// Acknowledges every second publication of a channel at another level.
    Mix,
    /// Has no history, so no offsets.
    Forget,
}

/// Time between two looks whether a client still runs.
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) url: String,
    /// One for each request, and for each Close of a client.
    heard: mpsc::Receiver<()>,
}

impl Server {
    pub(crate) fn start(fault: Fault) -> Server {
        let (listening, address) = mpsc::channel();
        let (hears, heard) = mpsc::channel();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("runtime");
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                listening.send(listener.local_addr().expect("address")).expect("the test waits");
                let hub = Arc::new(Hub::new(fault, hears));
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(connection(stream, hub.clone()));
                }
            });
        });
        let address = address.recv().expect("the server listens");
        Server { url: format!("ws://{address}/ws"), heard }
    }

    /// Waits until clients sent `count` requests and Closes in all, or there is nobody any more who could.
    pub(crate) fn hear(&self, count: usize, mut is_over: impl FnMut() -> bool) {
        let mut left = count;
        while left > 0 && !is_over() {
            match self.heard.recv_timeout(LOOK_EVERY) {
                Ok(()) => left -= 1,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => panic!("the server ended"),
            }
        }
    }
}

struct Hub {
    fault: Fault,
    channels: Channels,
    hears: mpsc::Sender<()>,
    requests: AtomicUsize,
    connections: Mutex<Vec<UnboundedSender<Vec<u8>>>>,
    /// Broadcasts so far; the lock keeps them in one order for all.
    broadcasts: Mutex<Vec<Vec<u8>>>,
}

impl Hub {
    fn new(fault: Fault, hears: mpsc::Sender<()>) -> Hub {
        let channels = Channels::new(fault);
        Hub {
            fault,
            channels,
            hears,
            requests: AtomicUsize::new(0),
            connections: Mutex::default(),
            broadcasts: Mutex::default(),
        }
    }

    fn answer(&self, request: &Value, sender: &UnboundedSender<Vec<u8>>) -> Option<Value> {
        let _ = self.hears.send(());
        let id = &request["id"];
        let first = self.requests.fetch_add(1, SeqCst) == 0;
        match (self.fault, request["action"].as_str()) {
            (Fault::Ignore, _) if first => None,
            (Fault::Refuse, _) => {
                let error = json!({"code": "overloaded", "message": "not today", "retryable": true});
                Some(json!({"id": id, "type": "error", "error": error}))
            }
            (Fault::Garble, Some("echo")) => Some(json!({"id": id, "type": "response", "data": {"echo": "?"}})),
            (_, Some("echo")) => {
                Some(json!({"id": id, "type": "response", "data": {"echo": request["payload"]["message"]}}))
            }
            (_, Some("broadcast")) => {
                let recipients = self.broadcast(&request["payload"]["message"]);
                Some(json!({"id": id, "type": "response", "data": {"recipients": recipients}}))
            }
            (_, Some(action)) => {
                self.channels.answer(action, request, sender);
                None
            }
            other => panic!("no request that a load tool sends: {other:?}"),
        }
    }

    fn broadcast(&self, message: &Value) -> usize {
        let mut broadcasts = self.broadcasts.lock().expect("hub");
        broadcasts.push(text(&json!({"type": "notification", "data": {"event": "broadcast", "message": message}})));
        let number = broadcasts.len() - 1;
        let connections = self.connections.lock().expect("hub");
        for (index, connection) in connections.iter().enumerate() {
            for frame in self.deliveries(index, number, &broadcasts) {
                let _ = connection.send(frame);
            }
        }
        connections.len()
    }

    /// What connection `index` gets for broadcast `number`.
    fn deliveries(&self, index: usize, number: usize, broadcasts: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let this = broadcasts[number].clone();
        let gap = json!({"type": "notification", "data": {"event": "gap", "broadcast": true, "missed": 1}});
        match (self.fault, number) {
            _ if index != 1 => vec![this],
            (Fault::Lose | Fault::Swap, 0) => vec![],
            (Fault::Swap, 1) => vec![this, broadcasts[0].clone()],
            (Fault::Announce, 0) => vec![text(&gap)],
            (Fault::Repeat, 0) => vec![this.clone(), this],
            (Fault::Close, 0) => vec![frame(0x88, b"\x0f\xa1too slow")],
            (Fault::Close, _) => vec![],
            _ => vec![this],
        }
    }
}

async fn connection(mut stream: TcpStream, hub: Arc<Hub>) {
    stream.set_nodelay(true).expect("nodelay");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    if hub.fault == Fault::NotFound {
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
        return;
    }
    // The answer to the sample key of RFC 6455, which is the one that the client sends.
    let upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let hello = json!({"type": "notification", "data": {"event": "connected", "connection_id": "c"}});
    let (sender, frames) = unbounded_channel();
    let _ = sender.send([upgrade.as_bytes(), &text(&hello)].concat());
    hub.connections.lock().expect("hub").push(sender.clone());
    let (reading, writing) = stream.into_split();
    tokio::spawn(write(writing, frames));
    let _ = read(reading, &hub, &sender).await;
}

async fn write(mut stream: OwnedWriteHalf, mut frames: UnboundedReceiver<Vec<u8>>) {
    while let Some(bytes) = frames.recv().await {
        let close = bytes[0] == 0x88;
        if stream.write_all(&bytes).await.is_err() || close {
            return;
        }
    }
}

async fn read(mut stream: OwnedReadHalf, hub: &Hub, sender: &UnboundedSender<Vec<u8>>) -> std::io::Result<()> {
    let mut held_back = VecDeque::new();
    loop {
        let (opcode, payload) = read_frame(&mut stream).await?;
        match opcode {
            0x81 => {
                // What is no JSON ends the connection: only attackers send that.
                let request: Value = serde_json::from_slice(&payload)?;
                let Some(answer) = hub.answer(&request, sender) else { continue };
                if hub.fault == Fault::PingFirst {
                    held_back.push_back(answer);
                    let _ = sender.send(frame(0x89, b"alive?"));
                } else {
                    let _ = sender.send(text(&answer));
                }
            }
            0x8a => {
                assert_eq!(payload, b"alive?");
                let _ = sender.send(text(&held_back.pop_front().expect("an answer held back")));
            }
            0x88 => {
                let _ = hub.hears.send(());
                let _ = sender.send(frame(0x88, &payload));
                return Ok(());
            }
            other => panic!("an unexpected frame: {other:x}"),
        }
    }
}

async fn read_frame(stream: &mut OwnedReadHalf) -> std::io::Result<(u8, Vec<u8>)> {
    let (first, second) = (stream.read_u8().await?, stream.read_u8().await?);
    assert!(second & 0x80 != 0, "a client masks its frames");
    let length = match second & 0x7f {
        126 => u64::from(stream.read_u16().await?),
        127 => stream.read_u64().await?,
        short => u64::from(short),
    };
    let mask = stream.read_u32().await?.to_be_bytes();
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).await?;
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    Ok((first, payload))
}

fn text(message: &Value) -> Vec<u8> {
    frame(0x81, message.to_string().as_bytes())
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..=125 => bytes.push(short as u8),
        long => {
            bytes.push(126);
            bytes.extend_from_slice(&u16::try_from(long).expect("a short message").to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}
