//! Where a connection reads from: a socket, or TLS over it.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::{tcp, unix};
use ws_core::Outlet;

use super::outlet::{TcpOutlet, UnixOutlet};
use super::tls::{self, TlsInput};
use crate::stream::Stream;

/// The reading half of a socket.
#[derive(Debug)]
pub(crate) enum Input {
    Plain(tcp::OwnedReadHalf),
    Tls(Box<TlsInput>),
    Unix(unix::OwnedReadHalf),
}

impl Input {
    /// Splits a socket into its halves.
    pub(super) fn split(stream: Stream) -> (Self, Box<dyn Outlet>) {
        match stream {
            Stream::Plain(socket) => {
                let (read, write) = socket.into_split();
                (Input::Plain(read), Box::new(TcpOutlet(write)))
            }
            Stream::Tls(stream) => {
                let (socket, session) = stream.into_inner();
                let (read, write) = tls::split(socket, session);
                (Input::Tls(Box::new(read)), Box::new(write))
            }
            Stream::Unix(socket) => {
                let (read, write) = socket.into_split();
                (Input::Unix(read), Box::new(UnixOutlet(write)))
            }
        }
    }

    /// Whether bytes have arrived that were not read yet.
    pub(super) fn has_unread(&self) -> bool {
        // Asks the system, as tokio may not have noticed them yet.
        let socket = match self {
            Input::Plain(read) => SockRef::from(read.as_ref()),
            Input::Tls(read) => SockRef::from(read.socket()),
            Input::Unix(read) => SockRef::from(read.as_ref()),
        };
        socket.peek(&mut [MaybeUninit::uninit()]).is_ok_and(|bytes| bytes > 0)
    }

    pub(super) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Input::Plain(read) => read.as_ref().poll_write_ready(cx),
            Input::Tls(read) => read.socket().poll_write_ready(cx),
            Input::Unix(read) => read.as_ref().poll_write_ready(cx),
        }
    }

    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Input::Plain(read) => Pin::new(read).poll_read(cx, buffer),
            Input::Tls(read) => read.poll_read(cx, buffer),
            Input::Unix(read) => Pin::new(read).poll_read(cx, buffer),
        }
    }
}
