//! A socket that keeps the 101 back, so that it leaves together with the first WebSocket frames: one
//! system call and one packet less for every connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;

use crate::stream::Stream;

const SWITCHING: &[u8] = b"HTTP/1.1 101 ";

/// The socket under hyper.
#[derive(Debug)]
pub(super) struct HeldIo {
    io: TokioIo<Stream>,
    held: Vec<u8>,
}

impl HeldIo {
    pub(super) fn new(stream: Stream) -> Self {
        HeldIo { io: TokioIo::new(stream), held: Vec::new() }
    }

    /// The socket, and what has to be written to it first.
    pub(super) fn into_parts(self) -> (Stream, Vec<u8>) {
        (self.io.into_inner(), self.held)
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
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
