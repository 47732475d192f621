//! Listening sockets of both kinds.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, UnixListener};

use crate::limits::LISTEN_BACKLOG;
use crate::listen_addr::ListenAddr;
use crate::stream::Stream;
use crate::unix_file::{self, UnixFile};

/// The peer of a Unix socket has no address. It is on this machine.
const UNIX_PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// An address that could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}: {source}{}", advice(.addr, .source))]
pub struct BindError {
    /// The address.
    pub addr: ListenAddr,
    /// The error of the system.
    pub source: io::Error,
}

fn advice(addr: &ListenAddr, error: &io::Error) -> &'static str {
    match error.kind() {
        _ if addr.tcp().is_none() => "",
        io::ErrorKind::AddrInUse => "; stop the program that listens there, or choose another port",
        io::ErrorKind::AddrNotAvailable => "; it is not an address of this machine",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need the capability CAP_NET_BIND_SERVICE",
        _ => "",
    }
}

/// A listening socket. Dropping it removes the file of a Unix socket.
#[derive(Debug)]
pub(crate) enum Bound {
    Tcp(TcpListener),
    Unix(UnixListener, UnixFile),
}

impl Bound {
    /// Binds one address.
    pub(crate) fn new(addr: &ListenAddr) -> Result<Self, BindError> {
        let bound = match addr {
            ListenAddr::Tcp(addr) => bind_tcp(*addr).map(Bound::Tcp),
            ListenAddr::Unix(path) => unix_file::bind(path).map(|(listener, file)| Bound::Unix(listener, file)),
        };
        bound.map_err(|source| BindError { addr: addr.clone(), source })
    }

    /// Where it listens, with the port that the system chose for 0.
    pub(crate) fn local_addr(&self) -> io::Result<ListenAddr> {
        match self {
            Bound::Tcp(listener) => listener.local_addr().map(ListenAddr::Tcp),
            Bound::Unix(_, file) => Ok(ListenAddr::Unix(file.path().to_owned())),
        }
    }

    /// The next connection, and the address of its peer.
    pub(crate) async fn accept(&self) -> io::Result<(Stream, IpAddr)> {
        match self {
            Bound::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Small frames must not wait for each other. This fails only if the socket is closed.
                let _ = stream.set_nodelay(true);
                Ok((Stream::Plain(stream), peer.ip()))
            }
            Bound::Unix(listener, _) => Ok((Stream::Unix(listener.accept().await?.0), UNIX_PEER)),
        }
    }
}

fn bind_tcp(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    if addr.is_ipv6() && addr.ip().is_unspecified() {
        // All of IPv4 too, whatever the system's default is.
        SockRef::from(&socket).set_only_v6(false)?;
    }
    socket.bind(addr)?;
    socket.listen(LISTEN_BACKLOG)
}
