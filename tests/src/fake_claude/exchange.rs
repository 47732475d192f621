//! One connection: requests one after the other (RFC 9112), each with the answer of its script, as long as the client
//! stays.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;
use tokio::time::{Instant, sleep};

use super::gate::Gate;
use super::judge::{BODY_BYTES_MAX, judge};
use super::request::Request;
use super::script::{Ending, Script, Step};
use super::shared::Shared;
use super::split::Split;

const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Serves one connection until one of the two ends it.
pub(super) async fn serve(mut socket: TcpStream, connection: u64, shared: Arc<Shared>) {
    let _ = socket.set_nodelay(true);
    let mut read = Vec::new();
    while let Some(request) = receive(&mut socket, &mut read, connection).await {
        let (nth, script) = shared.take(request);
        match answer(&mut socket, nth, &script).await {
            Outcome::Next => shared.lock().requests[nth].is_ended = true,
            Outcome::Over => {
                shared.lock().requests[nth].is_ended = true;
                break;
            }
            Outcome::ClosedByClient => {
                shared.lock().requests[nth].closed = Some(Instant::now());
                break;
            }
        }
    }
    shared.lock().open -= 1;
}

/// What comes after an answer.
enum Outcome {
    Next,
    Over,
    ClosedByClient,
}

/// Reads one request. `read` has what was read of the next one already.
async fn receive(socket: &mut TcpStream, read: &mut Vec<u8>, connection: u64) -> Option<Request> {
    let head_len = loop {
        if let Some(at) = read.windows(4).position(|end| end == b"\r\n\r\n") {
            break at + 4;
        }
        if read.len() > HEAD_BYTES_MAX || socket.read_buf(read).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&read[..head_len]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ').map(str::to_owned);
    let (method, path) = (first.next()?, first.next()?);
    let fields = lines.filter_map(|line| line.split_once(':'));
    let headers: BTreeMap<_, _> =
        fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let body_len: usize = headers.get("content-length").and_then(|len| len.parse().ok()).unwrap_or(0);
    while read.len() < head_len + body_len {
        if body_len > BODY_BYTES_MAX || socket.read_buf(read).await.ok()? == 0 {
            return None;
        }
    }
    let body: Option<Value> = serde_json::from_slice(&read[head_len..head_len + body_len]).ok();
    read.drain(..head_len + body_len);
    let refused = judge(&method, &path, &headers, body.as_ref()).err();
    let body = body.unwrap_or_default();
    Some(Request { method, path, headers, body, connection, refused, closed: None, is_ended: false })
}

async fn answer(socket: &mut TcpStream, nth: usize, script: &Script) -> Outcome {
    match script.end {
        Ending::NoHead => return Outcome::Over,
        Ending::SilentHead => {
            closed(&mut socket.split().0).await;
            return Outcome::ClosedByClient;
        }
        Ending::Whole | Ending::Cut | Ending::Reset | Ending::Stall => {}
    }
    let mut head = format!("HTTP/1.1 {} {}\r\n", script.status, reason(script.status));
    for (name, value) in &script.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !script.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("request-id")) {
        head.push_str(&format!("request-id: req_{nth:04}\r\n"));
    }
    head.push_str("transfer-encoding: chunked\r\n\r\n");
    if socket.write_all(head.as_bytes()).await.is_err() {
        return Outcome::ClosedByClient;
    }
    for step in steps(script) {
        let is_open = match step {
            Sent::Piece(piece) => send(socket, &piece).await,
            Sent::Wait(time) => until_closed(socket, sleep(time)).await,
            Sent::Until(gate) => until_closed(socket, gate.opened()).await,
        };
        if !is_open {
            return Outcome::ClosedByClient;
        }
    }
    match script.end {
        Ending::Whole if socket.write_all(b"0\r\n\r\n").await.is_ok() => Outcome::Next,
        Ending::Whole => Outcome::ClosedByClient,
        Ending::Reset => {
            let _ = socket.set_zero_linger();
            Outcome::Over
        }
        Ending::Stall => {
            closed(&mut socket.split().0).await;
            Outcome::ClosedByClient
        }
        Ending::Cut | Ending::NoHead | Ending::SilentHead => Outcome::Over,
    }
}

/// What is done, one after the other.
enum Sent {
    Piece(Vec<u8>),
    Wait(Duration),
    Until(Gate),
}

/// The steps of a script, the events between two waits cut into pieces.
fn steps(script: &Script) -> Vec<Sent> {
    let (mut done, mut events) = (Vec::new(), Vec::new());
    let cut = |events: &mut Vec<Vec<u8>>, split: Split| {
        split.pieces(&std::mem::take(events)).into_iter().filter(|piece| !piece.is_empty()).map(Sent::Piece)
    };
    for step in &script.steps {
        let wait = match step {
            Step::Event(bytes) => {
                events.push(bytes.clone());
                continue;
            }
            Step::Wait(time) => Sent::Wait(*time),
            Step::Until(gate) => Sent::Until(gate.clone()),
        };
        done.extend(cut(&mut events, script.split));
        done.push(wait);
    }
    done.extend(cut(&mut events, script.split));
    done
}

/// Sends a chunk; false when the client has closed the connection.
async fn send(socket: &mut TcpStream, piece: &[u8]) -> bool {
    let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
    chunk.extend_from_slice(piece);
    chunk.extend_from_slice(b"\r\n");
    let (mut read, mut write) = socket.split();
    tokio::select! {
        biased;
        () = closed(&mut read) => false,
        sent = write.write_all(&chunk) => sent.is_ok(),
    }
}

/// Waits; false when the client closes the connection before.
async fn until_closed(socket: &mut TcpStream, wait: impl Future<Output = ()>) -> bool {
    let (mut read, _) = socket.split();
    tokio::select! {
        biased;
        () = closed(&mut read) => false,
        () = wait => true,
    }
}

/// Returns when the client has closed the connection.
async fn closed(read: &mut ReadHalf<'_>) {
    if matches!(read.peek(&mut [0]).await, Ok(1)) {
        // A client that sends its next request before the answer has ended: none here does.
        std::future::pending::<()>().await;
    }
}

fn reason(status: u16) -> &'static str {
    if status == 200 { "OK" } else { "Not OK" }
}
