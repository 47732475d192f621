//! What an operator chooses.

use std::path::PathBuf;
use std::time::Duration;

/// Where Redis is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A host and a port.
    Tcp(String, u16),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// The options of the engine. Their meaning for an operator is in `docs/OPERATIONS.md`.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// Where Redis is.
    pub address: Address,
    /// Every key and topic begins with it.
    pub prefix: String,
    /// Empty: the default user.
    pub username: String,
    /// A file with the password, read at every dial; `None`: there is no password.
    pub password_file: Option<PathBuf>,
    /// Into how many parts the data is divided, 1 to 16,384. Fixed for the life of the data.
    pub partitions: usize,
    /// How long the position of a channel is remembered after its last publication.
    pub position_ttl: Duration,
    /// How long a server is still alive to the others when nothing is heard of it; within this time it notices that Redis
    /// has become another one.
    pub lease: Duration,
    /// How long Redis may take to answer before the connection is given up.
    pub command_timeout: Duration,
    /// How long a start waits for Redis.
    pub start_timeout: Duration,
    /// Bytes of publications that wait for Redis; over it, publishers wait.
    pub queue_bytes_max: usize,
    /// Publications in one pipeline, 1 to 1,000.
    pub batch_publications_max: usize,
    /// Whether a Redis may be used that evicts keys when it is full.
    pub allow_eviction: bool,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Address::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp(host, port) => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
impl RedisOptions {
    /// Options of which nothing matters.
    pub(crate) fn for_tests() -> Self {
        RedisOptions {
            address: Address::Tcp("127.0.0.1".to_owned(), 6379),
            prefix: "ws".to_owned(),
            username: String::new(),
            password_file: None,
            partitions: 4,
            position_ttl: Duration::from_secs(86_400),
            lease: Duration::from_secs(15),
            command_timeout: Duration::from_secs(5),
            start_timeout: Duration::from_secs(1),
            queue_bytes_max: 1 << 20,
            batch_publications_max: 64,
            allow_eviction: false,
        }
    }
}
