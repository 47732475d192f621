//! TLS under a WebSocket. The connection's task reads and writes, and the fan-out writes, through one TLS session
//! behind a short lock. Nobody blocks while holding it: the part of a record that the socket does not take stays in the
//! session and is written before anything else.
//!
//! The lock comes after that of the connection.

use std::cell::Cell;
use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use rustls::ServerConnection;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use ws_core::Outlet;

use crate::limits::{TLS_BUFFER_BYTES_MAX, TLS_READ_BYTES_MAX};

thread_local! {
    /// Records read from a socket, whole or in parts, for the session.
    static RECORDS: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The reading half.
#[derive(Debug)]
pub(crate) struct TlsInput {
    socket: OwnedReadHalf,
    session: Arc<Mutex<ServerConnection>>,
}

/// The writing half. Dropping it sends close_notify and the FIN.
#[derive(Debug)]
pub(super) struct TlsOutlet {
    socket: OwnedWriteHalf,
    session: Arc<Mutex<ServerConnection>>,
}

/// A socket whose writes never block.
struct NonBlocking<'a>(&'a TcpStream);

/// Splits a socket after its handshake. Data that is already decrypted is read first.
pub(super) fn split(socket: TcpStream, session: ServerConnection) -> (TlsInput, TlsOutlet) {
    let (read, write) = socket.into_split();
    let session = Arc::new(Mutex::new(session));
    (TlsInput { socket: read, session: session.clone() }, TlsOutlet { socket: write, session })
}

impl TlsInput {
    pub(super) fn socket(&self) -> &TcpStream {
        self.socket.as_ref()
    }

    /// Reads decrypted data. None: the peer has closed its side, with close_notify or without.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut records = RECORDS.take();
        records.resize(TLS_READ_BYTES_MAX, 0);
        let polled = self.poll_records(cx, buffer, &mut records);
        RECORDS.set(records);
        polled
    }

    fn poll_records(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        records: &mut [u8],
    ) -> Poll<io::Result<()>> {
        // Data that came with the handshake is already decrypted.
        let mut is_closed = take_plain(&mut self.session.lock(), buffer)?;
        while buffer.filled().is_empty() && !is_closed {
            let mut read = ReadBuf::new(records);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut read))?;
            // An end without close_notify. WebSocket frames have lengths, so a truncation does not go unnoticed.
            is_closed = read.filled().is_empty() || self.decrypt(read.filled(), buffer)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Decrypts records, or parts of them. `true`: the peer has sent close_notify.
    fn decrypt(&mut self, mut records: &[u8], buffer: &mut ReadBuf<'_>) -> io::Result<bool> {
        let mut session = self.session.lock();
        let mut is_closed = false;
        while !records.is_empty() && !is_closed {
            session.read_tls(&mut records)?;
            let processed = session.process_new_packets();
            // Answers to what was read, such as an alert.
            send(&mut session, self.socket.as_ref()).or_else(would_block)?;
            processed.map_err(io::Error::other)?;
            is_closed = take_plain(&mut session, buffer)?;
        }
        // Makes the session shrink the buffer that a large record needed.
        let _ = session.read_tls(&mut Empty);
        Ok(is_closed)
    }
}

/// Takes decrypted data. `true`: the peer has sent close_notify.
fn take_plain(session: &mut ServerConnection, buffer: &mut ReadBuf<'_>) -> io::Result<bool> {
    while buffer.remaining() > 0 {
        match session.reader().read(buffer.initialize_unfilled()) {
            Ok(0) => return Ok(true),
            Ok(bytes) => buffer.advance(bytes),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

impl Outlet for TlsOutlet {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut session = self.session.lock();
        // What reading left to be sent.
        send(&mut session, self.socket.as_ref())?;
        let mut taken = 0;
        while taken < bytes.len() && !session.wants_write() {
            let end = bytes.len().min(taken + TLS_BUFFER_BYTES_MAX / 2);
            taken += session.writer().write(&bytes[taken..end])?;
            send(&mut session, self.socket.as_ref()).or_else(would_block)?;
        }
        Ok(taken)
    }

    fn try_flush(&self) -> io::Result<usize> {
        let mut session = self.session.lock();
        let mut sent = 0;
        while session.wants_write() {
            match session.write_tls(&mut NonBlocking(self.socket.as_ref())) {
                Ok(bytes) => sent += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && sent > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    fn has_unsent(&self) -> bool {
        self.session.lock().wants_write()
    }
}

impl Drop for TlsOutlet {
    fn drop(&mut self) {
        let mut session = self.session.lock();
        session.send_close_notify();
        // If the socket is full or closed, the peer gets no close_notify.
        let _ = send(&mut session, self.socket.as_ref());
    }
}

/// Sends the session's records, as far as the socket takes them.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] when the socket is full; other errors when it is broken.
fn send(session: &mut ServerConnection, socket: &TcpStream) -> io::Result<()> {
    while session.wants_write() {
        session.write_tls(&mut NonBlocking(socket))?;
    }
    Ok(())
}

/// Ignores that the socket is full: the rest goes out later.
fn would_block(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::WouldBlock { Ok(()) } else { Err(error) }
}

/// A reader without bytes.
struct Empty;

impl Read for Empty {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Write for NonBlocking<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
