//! Listening sockets, and a task for each WebSocket that completes its handshake.

use std::sync::Arc;

use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::bound::Bound;
use crate::endpoint::Endpoint;
use crate::http::{self, Clients, Patience, Routes, Upgraded};
use crate::limits::ACCEPT_PAUSE;
use crate::proxy::{Peer, ProxyHeaderError, ProxyOptions, read_header};
use crate::socket::{self, Socket, SocketOptions};
use crate::socket_slots::SocketSlot;
use crate::stream::Stream;
use crate::tls::Tls;
use ws_core::{Connection, HeartbeatMode, Refusal, Share};

/// Makes the endpoint of a connection from the result of its handshake.
pub(crate) trait OpenEndpoint<U>: Send + Sync + 'static {
    type Endpoint: Endpoint + Unpin;

    fn heartbeat(&self, upgrade: &U) -> HeartbeatMode;

    /// Leaves in the outbox what goes out first: the answer to the handshake, and the server's first frames.
    fn open(&self, upgrade: U, connection: &Arc<Connection>, answer: Vec<u8>) -> Self::Endpoint;
}

/// Serves sockets: HTTP by `routes`, WebSockets by endpoints from `endpoints`.
#[derive(Debug)]
pub(crate) struct Server<R, O> {
    pub(crate) routes: Arc<R>,
    pub(crate) endpoints: Arc<O>,
    pub(crate) options: Arc<SocketOptions>,
    pub(crate) patience: Patience,
    /// `None`: sockets are not encrypted.
    pub(crate) tls: Option<Tls>,
    /// Which peers are proxies.
    pub(crate) proxy: Arc<ProxyOptions>,
    /// The WebSockets that are open, and the requests to the HTTP API that are being answered.
    pub(crate) sockets: TaskTracker,
}

impl<R, O> Clone for Server<R, O> {
    fn clone(&self) -> Self {
        Server {
            routes: self.routes.clone(),
            endpoints: self.endpoints.clone(),
            options: self.options.clone(),
            patience: self.patience,
            tls: self.tls.clone(),
            proxy: self.proxy.clone(),
            sockets: self.sockets.clone(),
        }
    }
}

impl<R: Routes, O: OpenEndpoint<R::Upgrade>> Server<R, O> {
    /// Accepts until the future is dropped.
    pub(crate) async fn accept(self, listener: Arc<Bound>) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let peer = self.proxy.peer(peer);
                    if let Err(refusal) = self.take(stream, peer) {
                        self.options.refuse(peer.address, refusal);
                        // Whoever fills the backlog with such sockets must not keep this thread from the others' work.
                        tokio::task::yield_now().await;
                    }
                }
                Err(error) => {
                    self.options.log.accept_failed(&error);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Begins to serve a socket, if there is room for it.
    fn take(&self, stream: Stream, peer: Peer) -> Result<(), Refusal> {
        let share = self.share(peer)?;
        let slot = self.options.slots.acquire().ok_or(Refusal::Sockets)?;
        tokio::spawn(self.clone().serve(stream, peer, slot, share));
        Ok(())
    }

    /// A proxy has no share of the sockets. Its clients have, once it has named them.
    fn share(&self, peer: Peer) -> Result<Option<Share>, Refusal> {
        match peer.is_trusted {
            true => Ok(None),
            false => self.options.addresses.enter(peer.address).ok_or(Refusal::AddressSockets).map(Some),
        }
    }

    /// Ends with the handshake. The WebSocket gets a task of its own, which does not carry the memory of this one.
    async fn serve(self, mut stream: Stream, peer: Peer, mut slot: SocketSlot, mut share: Option<Share>) {
        let Some(named) = self.named(&mut stream, peer).await else { return };
        if peer.is_trusted {
            share = match self.share(named) {
                Ok(share) => share,
                Err(refusal) => return self.options.refuse(named.address, refusal),
            };
        }
        let Some(stream) = self.encrypted(stream).await else { return };
        let clients = Clients::new(named, &self.proxy, &self.options);
        let upgraded = http::serve(stream, &clients, &*self.routes, self.patience, &mut slot).await;
        // Before the answer goes out: who sees it can open the next socket.
        drop((clients, slot, share));
        if let Some(upgraded) = upgraded {
            self.start(upgraded);
        }
    }

    /// The peer, or the one that its PROXY header names. `None`: it has to send one, and did not.
    async fn named(&self, stream: &mut Stream, peer: Peer) -> Option<Peer> {
        if !self.proxy.wants_header(peer) {
            return Some(peer);
        }
        let error = match tokio::time::timeout(self.patience.head, read_header(stream)).await {
            Ok(Ok(named)) => return Some(named.map_or(peer, |address| self.proxy.peer(address))),
            Ok(Err(ProxyHeaderError::Silent)) => return None,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the PROXY header took too long".to_owned(),
        };
        self.options.counters.proxy_failures.add(1);
        self.options.log.refused(peer.address, None, &error);
        None
    }

    /// The socket, with TLS if it is configured. `None`: the TLS handshake failed or took too long.
    async fn encrypted(&self, stream: Stream) -> Option<Stream> {
        let (tls, stream) = match (&self.tls, stream) {
            (Some(tls), Stream::Plain(stream)) => (tls, stream),
            (_, stream) => return Some(stream),
        };
        let error = match tokio::time::timeout(self.patience.head, tls.accept(stream)).await {
            Ok(Ok(stream)) => return Some(Stream::Tls(Box::new(stream))),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it took too long".to_owned(),
        };
        self.options.counters.tls_failures.add(1);
        tracing::debug!(error, "a TLS handshake failed");
        None
    }

    fn start(&self, upgraded: Upgraded<R::Upgrade>) {
        let Upgraded { stream, client, answer, early, upgrade } = upgraded;
        // A drain also waits for connections that are just being opened.
        let token = self.sockets.token();
        let (read, connection) = socket::open(stream, self.endpoints.heartbeat(&upgrade), &self.options);
        let mut endpoint = self.endpoints.open(upgrade, &connection, answer);
        self.options.log.opened(&connection, client);
        if connection.flush(self.options.clock.now_ms()) {
            endpoint.writable();
        }
        let socket = Socket::new(read, connection, client, endpoint, &early, self.options.clone());
        tokio::spawn(Tracked { socket, _token: token });
    }
}

/// A socket that a drain waits for.
struct Tracked<E> {
    socket: Socket<E>,
    _token: TaskTrackerToken,
}

impl<E: Endpoint + Unpin> Future for Tracked<E> {
    type Output = ();

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        std::pin::Pin::new(&mut self.socket).poll(cx)
    }
}
