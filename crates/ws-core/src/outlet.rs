//! The way out of a connection, as far as this crate sees it.

use std::io;

/// The writing half of a socket.
///
/// Implemented by the transport. Called under the connection's lock, so it must never wait.
pub trait Outlet: Send {
    /// Writes as many of `bytes` as the socket takes at once.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when it takes none for now; anything else: the socket is gone.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;
}
