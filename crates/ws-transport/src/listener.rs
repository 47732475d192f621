//! Listening sockets, and a task for each WebSocket that completes its handshake.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::endpoint::Endpoint;
use crate::http::{self, Patience, Routes, Upgraded};
use crate::limits::{ACCEPT_PAUSE, LISTEN_BACKLOG};
use crate::socket::{self, Socket, SocketOptions};
use crate::socket_slots::SocketSlot;
use crate::stream::Stream;
use crate::tls::Tls;
use ws_core::{Connection, HeartbeatMode, Refusal, Share};

/// An address that could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}: {source}{}", advice(.source))]
pub struct BindError {
    /// The address.
    pub addr: SocketAddr,
    /// The error of the system.
    pub source: io::Error,
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; stop the program that listens there, or choose another port",
        io::ErrorKind::AddrNotAvailable => "; it is not an address of this machine",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need the capability CAP_NET_BIND_SERVICE",
        _ => "",
    }
}

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
    /// The WebSockets that are open.
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
            sockets: self.sockets.clone(),
        }
    }
}

/// Binds one address.
pub(crate) fn bind(addr: SocketAddr) -> Result<TcpListener, BindError> {
    let listen = || {
        let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        if addr.is_ipv6() && addr.ip().is_unspecified() {
            // All of IPv4 too, whatever the system's default is.
            SockRef::from(&socket).set_only_v6(false)?;
        }
        socket.bind(addr)?;
        socket.listen(LISTEN_BACKLOG)
    };
    listen().map_err(|source| BindError { addr, source })
}

impl<R: Routes, O: OpenEndpoint<R::Upgrade>> Server<R, O> {
    /// Accepts until the future is dropped.
    pub(crate) async fn accept(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    if let Err(refusal) = self.take(stream, peer.ip()) {
                        self.options.refuse(peer.ip(), refusal);
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
    fn take(&self, stream: TcpStream, peer: IpAddr) -> Result<(), Refusal> {
        let share = self.options.addresses.enter(peer).ok_or(Refusal::AddressSockets)?;
        let slot = self.options.slots.acquire().ok_or(Refusal::Sockets)?;
        // Small frames must not wait for each other. This fails only if the socket is closed.
        let _ = stream.set_nodelay(true);
        tokio::spawn(self.clone().serve(stream, peer, slot, share));
        Ok(())
    }

    /// Ends with the handshake. The WebSocket gets a task of its own, which does not carry the memory of this one.
    async fn serve(self, stream: TcpStream, peer: IpAddr, mut slot: SocketSlot, share: Share) {
        let Some(stream) = self.encrypted(stream).await else { return };
        let upgraded = http::serve(stream, peer, &*self.routes, self.patience, &mut slot).await;
        if let Some(upgraded) = upgraded {
            self.start(upgraded);
        }
        drop((slot, share));
    }

    /// The socket, with TLS if it is configured. `None`: the TLS handshake failed or took too long.
    async fn encrypted(&self, stream: TcpStream) -> Option<Stream> {
        let Some(tls) = &self.tls else { return Some(Stream::Plain(stream)) };
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
        let Upgraded { stream, peer, answer, early, upgrade } = upgraded;
        // A drain also waits for connections that are just being opened.
        let token = self.sockets.token();
        let (read, connection) = socket::open(stream, self.endpoints.heartbeat(&upgrade), &self.options);
        let mut endpoint = self.endpoints.open(upgrade, &connection, answer);
        self.options.log.opened(&connection, peer);
        if connection.flush(self.options.clock.now_ms()) {
            endpoint.writable();
        }
        let socket = Socket::new(read, connection, peer, endpoint, &early, self.options.clone());
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
