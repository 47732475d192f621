//! Where Redis is, as an operator says it.

use std::fmt;
use std::path::PathBuf;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A host and a port.
    Tcp(String, u16),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// What leads to a Redis that takes writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// The primary itself.
    Server(Address),
    /// Sentinels, each of which names the primary.
    Sentinel {
        /// Some of the Sentinels, at least one; they know the others.
        sentinels: Vec<Address>,
        /// Under which name they watch the primary.
        primary: String,
    },
    /// Some nodes of a Redis Cluster, at least one; they know the others.
    Cluster(Vec<Address>),
}

impl Location {
    /// Whether Sentinels lead to it.
    #[must_use]
    pub fn is_sentinel(&self) -> bool {
        matches!(self, Location::Sentinel { .. })
    }
}

/// Within a URL: IPv6 addresses stand in brackets.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp(host, port) => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// For the log.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |all: &[Address]| all.iter().map(Address::to_string).collect::<Vec<_>>().join(",");
        match self {
            Location::Server(address) => address.fmt(f),
            Location::Sentinel { sentinels, primary } => write!(f, "{primary:?} of Sentinel {}", list(sentinels)),
            Location::Cluster(nodes) => write!(f, "the cluster of {}", list(nodes)),
        }
    }
}
