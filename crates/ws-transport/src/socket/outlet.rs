//! The writing half of a TCP socket as the hub's outlet.

use std::io;

use tokio::net::tcp::OwnedWriteHalf;
use ws_core::Outlet;

/// Dropping it sends the FIN.
#[derive(Debug)]
pub(super) struct TcpOutlet(pub(super) OwnedWriteHalf);

impl Outlet for TcpOutlet {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }
}
