//! TLS under a WebSocket: the connection's task reads, and it and the fan-out write, through one session behind a short
//! lock. Nobody waits under it: what the socket does not take of a record stays in the session, and is tried again
//! before anything else.
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
    /// Records on their way from a socket into a session, which come whole or in parts.
    static RECORDS: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The reading half.
#[derive(Debug)]
pub(crate) struct TlsInput {
    socket: OwnedReadHalf,
    session: Arc<Mutex<ServerConnection>>,
}

/// The writing half. Dropping it says goodbye, and sends the FIN.
#[derive(Debug)]
pub(super) struct TlsOutlet {
    socket: OwnedWriteHalf,
    session: Arc<Mutex<ServerConnection>>,
}

/// A socket that never waits.
struct Now<'a>(&'a TcpStream);

/// Takes a socket apart whose handshake is done. What has been decrypted already is read first.
pub(super) fn split(socket: TcpStream, session: ServerConnection) -> (TlsInput, TlsOutlet) {
    let (read, write) = socket.into_split();
    let session = Arc::new(Mutex::new(session));
    (TlsInput { socket: read, session: session.clone() }, TlsOutlet { socket: write, session })
}

impl TlsInput {
    pub(super) fn socket(&self) -> &TcpStream {
        self.socket.as_ref()
    }

    /// Reads what has been sent, decrypted; nothing: the peer has ended it, in order or not.
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
        // What came with the handshake has been decrypted already.
        let mut is_over = take_plain(&mut self.session.lock(), buffer)?;
        while buffer.filled().is_empty() && !is_over {
            let mut read = ReadBuf::new(records);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut read))?;
            // Without a goodbye. Messages have their own ends, so nothing can be cut off unnoticed.
            is_over = read.filled().is_empty() || self.decrypt(read.filled(), buffer)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Decrypts records, or parts of them. Whether the peer has said goodbye.
    fn decrypt(&mut self, mut records: &[u8], buffer: &mut ReadBuf<'_>) -> io::Result<bool> {
        let mut session = self.session.lock();
        let mut is_over = false;
        while !records.is_empty() && !is_over {
            session.read_tls(&mut records)?;
            let processed = session.process_new_packets();
            // Answers to what was read, an alert among them.
            send(&mut session, self.socket.as_ref()).or_else(would_block)?;
            processed.map_err(io::Error::other)?;
            is_over = take_plain(&mut session, buffer)?;
        }
        // When it begins to read, it gives back what a large record has needed.
        let _ = session.read_tls(&mut Nothing);
        Ok(is_over)
    }
}

/// Takes what is decrypted. Whether the peer has said goodbye.
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
        // What reading has left to be said.
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
            match session.write_tls(&mut Now(self.socket.as_ref())) {
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
        // A full socket, or one that is gone, hears no goodbye.
        let _ = send(&mut session, self.socket.as_ref());
    }
}

/// Sends what the session has to send, as far as the socket takes it.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] where not all has gone; else the socket is gone.
fn send(session: &mut ServerConnection, socket: &TcpStream) -> io::Result<()> {
    while session.wants_write() {
        session.write_tls(&mut Now(socket))?;
    }
    Ok(())
}

/// The rest goes another time.
fn would_block(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::WouldBlock { Ok(()) } else { Err(error) }
}

/// Has no bytes.
struct Nothing;

impl Read for Nothing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Write for Now<'_> {
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
