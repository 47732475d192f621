//! A server for any endpoint, over the same sockets as the hub's: every path is a WebSocket, and nobody is refused.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use ws_core::{AddressShares, Clock, Connection, HeartbeatMode};

use crate::bound::{BindError, Bound};
use crate::connection_log::{ConnectionLog, LogConnections};
use crate::endpoint::Endpoint;
use crate::http::{Answer, Body, Patience, Routes, plain_handshake};
use crate::listener::{OpenEndpoint, Server};
use crate::socket::SocketOptions;
use crate::socket_slots::SocketSlots;
use crate::tls::Tls;

/// Limits of a [`Plain`] server.
#[derive(Debug, Clone)]
pub struct PlainOptions {
    /// Largest message from a peer, in bytes; over it: close 1009.
    pub message_bytes_max: usize,
    /// Answers that may wait for a slow peer, in bytes. At the limit, nothing more is read from the peer.
    pub outbox_bytes_max: usize,
    /// Time for a complete TLS handshake, and then for a complete request head.
    pub handshake_timeout: Duration,
    /// Time between two requests of an HTTP connection.
    pub keep_alive: Duration,
    /// Encrypts the sockets. `None`: they are not encrypted.
    pub tls: Option<Tls>,
}

/// A server of one kind of endpoint.
#[derive(Debug)]
pub struct Plain<F> {
    listener: Arc<Bound>,
    options: PlainOptions,
    make: F,
}

impl<E: Endpoint + Unpin, F: Fn() -> E + Send + Sync + 'static> Plain<F> {
    /// Binds one address; `make` is called for every connection.
    ///
    /// # Errors
    /// When it cannot be bound.
    pub fn bind(addr: SocketAddr, options: PlainOptions, make: F) -> Result<Self, BindError> {
        Ok(Plain { listener: Arc::new(Bound::new(&addr.into())?), options, make })
    }

    /// The address that is bound.
    ///
    /// # Errors
    /// Those of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let addr = self.listener.local_addr()?.tcp();
        addr.ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    /// Serves until the future is dropped.
    pub async fn serve(self) {
        let options = SocketOptions {
            message_bytes_max: self.options.message_bytes_max,
            outbox_bytes_max: self.options.outbox_bytes_max,
            clock: Clock::start(),
            counters: Arc::default(),
            slots: SocketSlots::default(),
            addresses: AddressShares::new(0),
            log: ConnectionLog::new(LogConnections::Off),
        };
        let server = Server {
            routes: Arc::new(AnyPath),
            endpoints: Arc::new(Make(self.make)),
            options: Arc::new(options),
            patience: Patience { head: self.options.handshake_timeout, keep_alive: self.options.keep_alive },
            tls: self.options.tls,
            proxy: Arc::default(),
            sockets: Default::default(),
        };
        server.accept(self.listener).await;
    }
}

struct AnyPath;

impl Routes for AnyPath {
    type Upgrade = ();

    async fn answer(&self, request: Request<Body>, _: IpAddr) -> Answer<()> {
        match plain_handshake(&request) {
            Ok(switching) => Answer::Upgrade(switching, ()),
            Err(refused) => Answer::Reply(refused),
        }
    }
}

struct Make<F>(F);

impl<E: Endpoint + Unpin, F: Fn() -> E + Send + Sync + 'static> OpenEndpoint<()> for Make<F> {
    type Endpoint = E;

    fn heartbeat(&self, (): &()) -> HeartbeatMode {
        HeartbeatMode::Ping
    }

    fn open(&self, (): (), connection: &Arc<Connection>, answer: Vec<u8>) -> E {
        connection.queue(&answer);
        (self.0)()
    }
}
