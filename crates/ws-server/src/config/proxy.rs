//! What stands around the server: proxies in front of it, and whoever reads its metrics.

use ws_transport::{ClientHeader, ListenAddr, TrustedNetwork};

use super::key::section;
use super::value::{Address, Choice, Networks, words};

impl Choice for ClientHeader {
    const ALL: &'static [(&'static str, Self)] =
        &[("x-forwarded-for", Self::XForwardedFor), ("forwarded", Self::Forwarded), ("none", Self::None)];
}

section! {
    /// Which proxies are believed when they name the client.
    pub struct Proxy {
        /// Networks of the proxies in front of this server: `10.0.0.0/8`, `fd00::/8`, one address, or `loopback`, which
        /// includes the peers of Unix sockets. What others say about the client is ignored.
        trusted: Vec<TrustedNetwork> = "", Networks;
        /// The header in which they name the client. It is read from the right, and the first address that is not
        /// trusted counts. `none`: they have only the PROXY protocol.
        header: ClientHeader = "x-forwarded-for", words();
        /// Whether their connections must begin with a header of the PROXY protocol, version 1 or 2. With TLS it comes
        /// before the handshake.
        protocol: bool = "false", ();
    }
}

section! {
    /// Where metrics are served.
    pub struct Metrics {
        /// The address that serves `/metrics` and nothing else; `addr` then serves it no longer. None: `addr` does.
        addr: Option<ListenAddr> = "", Address;
    }
}
