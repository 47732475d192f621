//! TLS under a WebSocket: the connection's task reads, and it and the fan-out write, through one session behind a short
//! lock. Nobody waits under it: what the socket does not take of a record stays in the session, and is tried again
//! before anything else.
//!
//! The lock comes after that of the connection.

use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use rustls::ServerConnection;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use ws_core::Outlet;

use crate::limits::TLS_BUFFER_BYTES_MAX;

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
        loop {
            match self.read_now(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
            ready!(self.socket().poll_read_ready(cx))?;
        }
    }

    fn read_now(&mut self, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        let mut session = self.session.lock();
        loop {
            match session.reader().read(buffer.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Without a goodbye. Messages have their own ends, so nothing can be cut off unnoticed.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                read => return read.map(|bytes| buffer.advance(bytes)),
            }
            session.read_tls(&mut Now(self.socket.as_ref()))?;
            let processed = session.process_new_packets();
            // Answers to what was read, an alert among them.
            send(&mut session, self.socket.as_ref()).or_else(would_block)?;
            processed.map_err(io::Error::other)?;
        }
    }
}

impl Outlet for TlsOutlet {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut session = self.session.lock();
        send(&mut session, self.socket.as_ref())?;
        let mut taken = 0;
        while taken < bytes.len() && !session.wants_write() {
            let end = bytes.len().min(taken + TLS_BUFFER_BYTES_MAX / 2);
            taken += session.writer().write(&bytes[taken..end])?;
            send(&mut session, self.socket.as_ref()).or_else(would_block)?;
        }
        Ok(taken)
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

impl Read for Now<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
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
