//! Where a server listens: an address of the network, or a Unix socket.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net::SocketAddr as UnixAddr;
use std::path::PathBuf;

/// How a Unix socket is written: `unix:/run/ws.sock`.
const UNIX: &str = "unix:";

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddr {
    /// IP and port. Port 0: the system chooses one.
    Tcp(SocketAddr),
    /// The path of a Unix socket. It is never encrypted, and its peers count as 127.0.0.1.
    Unix(PathBuf),
}

impl ListenAddr {
    /// The Unix socket that is meant by `unix:PATH`. `None`: the text does not begin with `unix:`.
    ///
    /// # Errors
    /// When no socket can have this path: it is empty, has a NUL, or is longer than the system allows (107 bytes on
    /// Linux).
    pub fn unix(text: &str) -> Option<io::Result<Self>> {
        let path = text.strip_prefix(UNIX)?;
        if path.is_empty() {
            return Some(Err(io::Error::new(io::ErrorKind::InvalidInput, "the path is missing")));
        }
        Some(UnixAddr::from_pathname(path).map(|_| ListenAddr::Unix(path.into())))
    }

    /// IP and port, if it has them.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            ListenAddr::Tcp(addr) => Some(*addr),
            ListenAddr::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for ListenAddr {
    fn from(addr: SocketAddr) -> Self {
        ListenAddr::Tcp(addr)
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddr::Tcp(addr) => write!(f, "{addr}"),
            ListenAddr::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_sockets() {
        let read = |text: &str| ListenAddr::unix(text).map(|addr| addr.map(|addr| addr.to_string()).map_err(|_| ()));
        assert_eq!(read("127.0.0.1:80"), None);
        assert_eq!(read("unix:/run/ws.sock"), Some(Ok("unix:/run/ws.sock".to_owned())));
        assert_eq!(read("unix:ws.sock"), Some(Ok("unix:ws.sock".to_owned())));
        assert_eq!(read("unix:"), Some(Err(())));
        assert_eq!(read("unix:a\0b"), Some(Err(())));
        assert!(read(&format!("unix:/{}", "x".repeat(106))).is_some_and(|addr| addr.is_ok()));
        assert_eq!(read(&format!("unix:/{}", "x".repeat(107))), Some(Err(())));
    }
}
