//! What an operator chooses.

use std::path::PathBuf;
use std::time::Duration;

use crate::location::Location;

/// How certificates are checked, and what is shown. Files are PEM, and are read at every dial.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// The authorities that are trusted, and no others; `None`: those of the system.
    pub ca_file: Option<PathBuf>,
    /// The certificate that is shown; `None`: none is.
    pub identity: Option<Identity>,
}

/// A client's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, and after it those that lead to its authority.
    pub cert_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
}

/// The options of the engine. Their meaning for an operator is in `docs/OPERATIONS.md`.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// Where Redis is: one location, or that of each shard, in their order.
    pub locations: Vec<Location>,
    /// `Some`: every connection is TLS, those to Sentinels as well.
    pub tls: Option<TlsOptions>,
    /// Every key and topic begins with it.
    pub prefix: String,
    /// Empty: the default user.
    pub username: String,
    /// A file with the password, read at every dial; `None`: there is no password.
    pub password_file: Option<PathBuf>,
    /// As `username`, for Sentinels.
    pub sentinel_username: String,
    /// As `password_file`, for Sentinels.
    pub sentinel_password_file: Option<PathBuf>,
    /// Into how many parts the data is divided, 1 to 16,384. Fixed for the life of the data.
    pub partitions: usize,
    /// How long the position of a channel is remembered after its last publication.
    pub position_ttl: Duration,
    /// How long a server is still alive to the others when nothing is heard of it; within this time it notices that Redis
    /// has become another one.
    pub lease: Duration,
    /// How many replicas must have a publication before it is acknowledged; 0: none is waited for.
    pub replicas_min: usize,
    /// How long replicas are waited for.
    pub replicas_timeout: Duration,
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
    /// What all servers of the cluster must have the same, by name, without `=` and line breaks: a section in brackets with a
    /// digest of what it says, or a key with its value. The log names what another server has otherwise.
    pub agreement: Vec<(String, String)>,
}

impl RedisOptions {
    /// All locations, for the log.
    pub fn places(&self) -> String {
        self.locations.iter().map(Location::to_string).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
impl RedisOptions {
    /// Options of which nothing matters.
    pub(crate) fn for_tests() -> Self {
        RedisOptions {
            locations: vec![Location::Server(crate::location::Address::Tcp("127.0.0.1".to_owned(), 6379))],
            tls: None,
            prefix: "ws".to_owned(),
            username: String::new(),
            password_file: None,
            sentinel_username: String::new(),
            sentinel_password_file: None,
            partitions: 4,
            position_ttl: Duration::from_secs(86_400),
            lease: Duration::from_secs(15),
            replicas_min: 0,
            replicas_timeout: Duration::from_secs(1),
            command_timeout: Duration::from_secs(5),
            start_timeout: Duration::from_secs(1),
            queue_bytes_max: 1 << 20,
            batch_publications_max: 64,
            allow_eviction: false,
            agreement: Vec::new(),
        }
    }
}
