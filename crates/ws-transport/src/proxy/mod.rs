//! Who the client is when proxies stand between it and this server (PROTOCOL section 9).
//!
//! A socket has a [`Peer`]: the address at its other end or, if that is trusted and has to say so, the one that its
//! PROXY header names ([`protocol`]). If the peer is trusted, each request may name another client in a header that
//! proxies append to, so it is read from the right: the first address that is not trusted is the client's. What stands
//! to the left of it, anybody could have written.
//!
//! Nobody is trusted unless the operator says so. Deliberately absent: `X-Forwarded-Host` and `-Proto`. The check of
//! origins compares hosts, and a proxy passes the `Host` on.

mod entries;
mod network;
mod protocol;

use std::net::IpAddr;

use hyper::HeaderMap;
use hyper::header::{FORWARDED, HeaderName};

pub use self::entries::ClientHeader;
pub use self::network::TrustedNetwork;
pub(crate) use self::protocol::{ProxyHeaderError, read_header};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Which proxies are believed, and how they name the client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxyOptions {
    /// The addresses of proxies. Empty: nobody is believed.
    pub trusted: Vec<TrustedNetwork>,
    /// The header of a request that names the client.
    pub header: ClientHeader,
    /// Whether connections of trusted peers must begin with a PROXY header (version 1 or 2).
    pub protocol: bool,
}

/// The other end of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    /// IPv4-mapped addresses are IPv4 here.
    pub(crate) address: IpAddr,
    /// It is a proxy: its requests may name other clients.
    pub(crate) is_trusted: bool,
}

impl ProxyOptions {
    /// The peer with this address.
    pub(crate) fn peer(&self, address: IpAddr) -> Peer {
        let address = address.to_canonical();
        Peer { address, is_trusted: self.trusts(address) }
    }

    /// Whether this peer must begin with a PROXY header.
    pub(crate) fn wants_header(&self, peer: Peer) -> bool {
        self.protocol && peer.is_trusted
    }

    /// The client whose request has these headers.
    pub(crate) fn client(&self, peer: Peer, headers: &HeaderMap) -> IpAddr {
        let name = match self.header {
            ClientHeader::XForwardedFor if peer.is_trusted => X_FORWARDED_FOR,
            ClientHeader::Forwarded if peer.is_trusted => FORWARDED,
            _ => return peer.address,
        };
        self.client_of(peer.address, headers.get_all(name).iter().map(|line| line.as_bytes()))
    }

    /// The client that the lines of the header name, in their order, of a request that comes from this peer.
    ///
    /// The search begins at the peer, and goes on to the left while the address that it has arrived at is trusted. An
    /// entry that is no address ends it.
    pub fn client_of<'a>(&self, peer: IpAddr, lines: impl DoubleEndedIterator<Item = &'a [u8]>) -> IpAddr {
        let mut client = peer.to_canonical();
        for entry in lines.rev().flat_map(|line| entries::from_the_right(self.header, line)) {
            match entry {
                Some(address) if self.trusts(client) => client = address,
                _ => break,
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }
}

#[cfg(test)]
mod tests;
