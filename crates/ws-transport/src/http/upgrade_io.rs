//! The socket under hyper. It withholds the 101, which then leaves together with the first WebSocket frames: one system
//! call and one packet less for every connection. It also gives hyper's own answers to malformed requests the body that
//! all our errors have.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::time::Sleep;

use crate::stream::Stream;

const TOO_LARGE: &str = "the head of the request has more than 16 KiB or 64 headers";

const SWITCHING: &[u8] = b"HTTP/1.1 101 ";

/// The end of the head of hyper's own answers; ours have a body.
const EMPTY: &str = "content-length: 0\r\n";

/// The socket under hyper.
#[derive(Debug)]
pub(super) struct UpgradeIo {
    io: TokioIo<Stream>,
    /// The 101.
    withheld: Vec<u8>,
    /// Bytes that hyper has written and the socket has not taken.
    unsent: Vec<u8>,
    /// Time for the peer to take an answer.
    answer_timeout: Duration,
    /// Runs while the peer has taken only a part of an answer.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl UpgradeIo {
    /// `answer_timeout`: time for the peer to take a whole answer. hyper has no such timeout.
    pub(super) fn new(stream: Stream, answer_timeout: Duration) -> Self {
        let (withheld, unsent) = (Vec::new(), Vec::new());
        UpgradeIo { io: TokioIo::new(stream), withheld, unsent, answer_timeout, deadline: None }
    }

    /// The socket, and the 101 that has to be written to it first.
    pub(super) fn into_parts(self) -> (Stream, Vec<u8>) {
        (self.io.into_inner(), self.withheld)
    }

    /// Turns a pending `poll` into an error once the peer's time is over.
    fn in_time<T>(&mut self, poll: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if poll.is_pending() {
            let timeout = self.answer_timeout;
            ready!(self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout))).as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        poll
    }

    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, &self.unsent))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => drop(self.unsent.drain(..written)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Read for UpgradeIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl Write for UpgradeIo {
    /// As this is not vectored, hyper joins the head and an available body into one write.
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.starts_with(SWITCHING) {
            self.withheld.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        let unsent = self.poll_unsent(cx);
        ready!(self.in_time(unsent, cx))?;
        if let Some(answer) = with_body(bytes) {
            self.unsent = answer;
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.in_time(written, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let unsent = self.poll_unsent(cx);
        ready!(self.in_time(unsent, cx))?;
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        ready!(self.in_time(flushed, cx))?;
        self.deadline = None;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_unsent(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Gives one of hyper's own answers a body. `None`: the answer is ours and has one.
fn with_body(answer: &[u8]) -> Option<Vec<u8>> {
    let status = answer.strip_prefix(b"HTTP/1.1 4")?.get(..2)?;
    let head = str::from_utf8(answer).ok()?;
    let (code, message) = match status {
        b"14" | b"31" => ("too_large", TOO_LARGE),
        _ => ("malformed", "this is not a request in HTTP/1.1"),
    };
    let body = json!({ "error": { "code": code, "message": message } }).to_string();
    let length =
        format!("content-type: application/json\r\ncache-control: no-store\r\ncontent-length: {}\r\n", body.len());
    head.contains(EMPTY).then(|| (head.replace(EMPTY, &length) + &body).into_bytes())
}
