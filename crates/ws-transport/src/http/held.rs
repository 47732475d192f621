//! The socket under hyper. It keeps the 101 back, so that it leaves together with the first WebSocket frames: one
//! system call and one packet less for every connection. And it gives the answers that hyper makes by itself, to what is
//! no request, the body that all our errors have.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use serde_json::json;

use crate::stream::Stream;

const TOO_LARGE: &str = "the head of the request has more than 16 KiB or 64 headers";

const SWITCHING: &[u8] = b"HTTP/1.1 101 ";

/// How hyper ends the head of an answer that it makes by itself; ours have a body.
const EMPTY: &str = "content-length: 0\r\n";

/// The socket under hyper.
#[derive(Debug)]
pub(super) struct HeldIo {
    io: TokioIo<Stream>,
    held: Vec<u8>,
    /// What has been written here and not there.
    unsent: Vec<u8>,
}

impl HeldIo {
    pub(super) fn new(stream: Stream) -> Self {
        HeldIo { io: TokioIo::new(stream), held: Vec::new(), unsent: Vec::new() }
    }

    /// The socket, and what has to be written to it first.
    pub(super) fn into_parts(self) -> (Stream, Vec<u8>) {
        (self.io.into_inner(), self.held)
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

impl Read for HeldIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl Write for HeldIo {
    /// hyper joins a head and a body that is there into one write, as this is not vectored.
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.starts_with(SWITCHING) {
            self.held.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        ready!(self.poll_unsent(cx))?;
        if let Some(answer) = with_body(bytes) {
            self.unsent = answer;
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_unsent(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_unsent(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// An answer of hyper's own as one of ours; nothing for those that are.
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
