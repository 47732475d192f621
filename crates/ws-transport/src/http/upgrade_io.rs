//! The socket under hyper. It withholds the 101, which then leaves together with the first WebSocket frames: one system
//! call and one packet less for every connection. It also gives hyper's own answers to malformed requests the body that
//! all our errors have.
//!
//! Writes are vectored, so that hyper keeps no copy of a body: it would stay with the connection.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::pace::Activity;
use crate::limits::HTTP_ANSWER_MAX;
use crate::stream::Stream;

const TOO_LARGE: &str = "the head of the request has more than 16 KiB or 64 headers";

const SWITCHING: &[u8] = b"HTTP/1.1 101 ";

/// The end of the head of hyper's own answers; ours have a body.
const EMPTY: &str = "content-length: 0\r\n";

/// The socket under hyper.
#[derive(Debug)]
pub(super) struct UpgradeIo {
    io: TokioIo<Heard>,
    activity: Arc<Activity>,
    /// The 101.
    withheld: Vec<u8>,
    /// Bytes that hyper has written and the socket has not taken.
    unsent: Vec<u8>,
    /// The socket took only a part of the last write: the next one does not begin with a head.
    is_partial: bool,
    /// Time in which the peer must take something of an answer.
    answer_timeout: Duration,
    /// Runs while the socket takes nothing of an answer.
    deadline: Option<Pin<Box<Sleep>>>,
    /// When the peer must have taken the whole answer.
    end: Option<Instant>,
}

impl UpgradeIo {
    /// `answer_timeout`: time in which the peer must take something of an answer. hyper has no such timeout.
    pub(super) fn new(stream: Stream, activity: Arc<Activity>, answer_timeout: Duration) -> Self {
        UpgradeIo {
            io: TokioIo::new(Heard { stream, activity: activity.clone() }),
            activity,
            withheld: Vec::new(),
            unsent: Vec::new(),
            is_partial: false,
            answer_timeout,
            deadline: None,
            end: None,
        }
    }

    /// The socket, and the 101 that has to be written to it first.
    pub(super) fn into_parts(self) -> (Stream, Vec<u8>) {
        (self.io.into_inner().stream, self.withheld)
    }

    /// Turns a pending `poll` into an error once the peer's time is over.
    fn in_time<T>(&mut self, poll: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if poll.is_pending() {
            let now = Instant::now();
            let end = *self.end.get_or_insert(now + HTTP_ANSWER_MAX.max(self.answer_timeout));
            let due = end.min(now + self.answer_timeout);
            ready!(self.deadline.get_or_insert_with(|| Box::pin(sleep_until(due))).as_mut().poll(cx));
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
        self.unsent = Vec::new();
        Poll::Ready(Ok(()))
    }

    /// Keeps a head that does not go out as it is: the 101, and hyper's own answers. False: it goes out.
    fn take(&mut self, head: &[u8]) -> bool {
        if self.is_partial {
            return false;
        }
        if self.activity.is_switching() && head.starts_with(SWITCHING) {
            self.withheld.extend_from_slice(head);
            return true;
        }
        let Some(answer) = with_body(head).filter(|_| self.activity.may_be_refused()) else { return false };
        self.unsent = answer;
        true
    }
}

impl Read for UpgradeIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl Write for UpgradeIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    /// hyper hands over a head and its body, as far as it is there, in one call; the head is the first slice.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let unsent = self.poll_unsent(cx);
        ready!(self.in_time(unsent, cx))?;
        let head = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
        if self.take(head) {
            return Poll::Ready(Ok(head.len()));
        }
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        let written = ready!(self.in_time(written, cx))?;
        self.deadline = None;
        self.is_partial = written < slices.iter().map(|slice| slice.len()).sum();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let unsent = self.poll_unsent(cx);
        ready!(self.in_time(unsent, cx))?;
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        ready!(self.in_time(flushed, cx))?;
        self.deadline = None;
        self.end = None;
        self.activity.flushed();
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

/// The socket, which says when bytes have arrived.
#[derive(Debug)]
struct Heard {
    stream: Stream,
    activity: Arc<Activity>,
}

impl AsyncRead for Heard {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.activity.heard();
        }
        polled
    }
}

impl AsyncWrite for Heard {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
