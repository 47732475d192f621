//! Who sends the requests of a connection. Behind a proxy that may be somebody else each time, and the connection takes
//! a share of sockets for whom it is: one for each client that has sockets which are no WebSockets.

use std::net::IpAddr;

use hyper::HeaderMap;
use parking_lot::Mutex;
use ws_core::{Refusal, Share};
use ws_proto::ErrorCode;

use super::reply::Reply;
use crate::proxy::{Peer, ProxyOptions};
use crate::socket::SocketOptions;

/// The clients of one connection, one after the other.
#[derive(Debug)]
pub(crate) struct Clients<'a> {
    peer: Peer,
    proxy: &'a ProxyOptions,
    sockets: &'a SocketOptions,
    /// What the connection holds for the client of its last request. A peer that is no proxy has its share already.
    share: Mutex<Option<(IpAddr, Share)>>,
}

impl<'a> Clients<'a> {
    pub(crate) fn new(peer: Peer, proxy: &'a ProxyOptions, sockets: &'a SocketOptions) -> Self {
        Clients { peer, proxy, sockets, share: Mutex::new(None) }
    }

    /// The address at the other end, for the log.
    pub(super) fn peer(&self) -> IpAddr {
        self.peer.address
    }

    /// The client of a request. From here on, the connection counts as a socket of it.
    ///
    /// # Errors
    /// The refusal: it has as many sockets as it may. The connection closes after it.
    pub(super) fn enter(&self, headers: &HeaderMap) -> Result<IpAddr, Reply> {
        let client = self.proxy.client(self.peer, headers);
        if !self.peer.is_trusted {
            return Ok(client);
        }
        let mut share = self.share.lock();
        if share.as_ref().is_some_and(|(address, _)| *address == client) {
            return Ok(client);
        }
        *share = None;
        // A proxy that speaks for itself has no share.
        if !self.proxy.peer(client).is_trusted {
            let taken = self.sockets.addresses.enter(client).ok_or_else(|| self.refuse(client))?;
            *share = Some((client, taken));
        }
        Ok(client)
    }

    fn refuse(&self, client: IpAddr) -> Reply {
        self.sockets.refuse(client, Refusal::AddressSockets);
        let message = format!("{}; try again later", Refusal::AddressSockets);
        Reply::refusal(ErrorCode::Overloaded, &message).closing()
    }
}
