//! The writing half of a socket as the hub's outlet.

use std::io;

use tokio::net::{tcp, unix};
use ws_core::Outlet;

/// That of a TCP socket. Dropping it sends the FIN.
#[derive(Debug)]
pub(super) struct TcpOutlet(pub(super) tcp::OwnedWriteHalf);

/// That of a Unix socket. Dropping it ends our side.
#[derive(Debug)]
pub(super) struct UnixOutlet(pub(super) unix::OwnedWriteHalf);

impl Outlet for TcpOutlet {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }
}

impl Outlet for UnixOutlet {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }
}
