//! Every key of the configuration, with its default, its bounds and its meaning.
//!
//! To add a section: declare it with `section!` (here, or in a file of its own: `channels`),
//! give [`Config`] a field for it under `parts`, and `table` a line.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ws_transport::{AllowedOrigin, LogConnections};

use super::auth_key::AuthKey;
use super::channels::{Access, Channels};
use super::key::section;
use super::value::{
    Addresses, Choice, DAY, GIB, KIB, MIB, MINUTE, MS, Origins, SecureUrl, bytes, count, text, time, words,
};

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Choice for LogFormat {
    const ALL: &'static [(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}

impl Choice for LogConnections {
    const ALL: &'static [(&'static str, Self)] =
        &[("off", Self::Off), ("failures", Self::Failures), ("all", Self::All)];
}

section! {
    /// The effective configuration: every value is within its bounds.
    pub struct Config {
        /// Where the server listens; several addresses are allowed, port 0 lets the system choose.
        addr: Vec<SocketAddr> = "0.0.0.0:3000", Addresses,
            flag: Some("--addr"), variable: Some("WEBSOCKET_ADDR");
        /// How the log is written to standard error.
        log_format: LogFormat = "text", words(),
            flag: Some("--log-format");
        /// Which connections are in the log, with id, user, address, code and duration. `all`: every open, close and refusal.
        /// `failures`: refusals, and what the server closed for another reason than its own end; at most 20 lines a second.
        log_connections: LogConnections = "failures", words();
    }
    parts {
        /// What the server and one connection may use.
        limits: Limits;
        /// Who may connect.
        auth: Auth;
        /// Who may do what is no channel's.
        actions: Actions;
        /// How a dead connection is found.
        heartbeat: Heartbeat;
        /// How the server ends.
        drain: Drain;
        /// What channels without a namespace offer, and to whom.
        channels: Channels;
        /// The same for channels in a namespace, by its name.
        namespaces: BTreeMap<String, Channels>;
        /// What keeps publications.
        engine: Engine;
        /// Encryption on the way.
        tls: Tls;
    }
}

section! {
    /// What the server and one connection may use.
    pub struct Limits {
        /// Connections open at the same time; over it, a handshake gets 503 with `Retry-After`. Those that
        /// `auth.unauthenticated_max` is about come on top.
        connections_max: usize = "100_000", count(1, 10_000_000).zero("no limit");
        /// Connections from one address (IPv6: from one /64 network); over it, a handshake gets 503. Behind a proxy all
        /// come from that.
        connections_per_ip_max: usize = "0", count(1, 10_000_000).zero("no limit");
        /// Connections of one user; the one over it is closed with 4005.
        connections_per_user_max: usize = "0", count(1, 10_000_000).zero("no limit");
        /// Handshakes that are let in per second, all together; over it, they get 503 with `Retry-After`.
        handshakes_per_second: u32 = "0", count(1, 1_000_000).zero("no limit");
        /// Bytes of one incoming message; over it, the connection is closed with 1009.
        message_bytes_max: usize = "64KiB", bytes(KIB, 64 * MIB);
        /// Channels that one connection is subscribed to at the same time.
        channels_per_connection_max: usize = "128", count(1, 1_000_000);
        /// Bytes of answers that wait for one connection; when they are full, its requests are not read.
        /// At least `message_bytes_max`, which raises it when it is not set.
        outbox_bytes_max: usize = "256KiB", bytes(4 * KIB, GIB);
        /// Bytes of broadcasts kept for connections that are behind; what one misses is announced to it as a gap.
        /// At least `message_bytes_max`, which raises it when it is not set.
        broadcast_log_bytes_max: usize = "16MiB", bytes(64 * KIB, GIB);
        /// Bytes of one channel's publications kept for subscribers that have not been offered them yet, or that are
        /// behind in a channel without history. At least twice `message_bytes_max`, which raises it when it is not set.
        channel_log_bytes_max: usize = "4MiB", bytes(64 * KIB, GIB);
        /// The same for all channels together; at half of it publishers wait. At least twice `message_bytes_max`.
        channel_logs_bytes_max: usize = "128MiB", bytes(MIB, 64 * GIB);
        /// Requests that one connection may send per second; over it, they get `rate_limited` and count as errors.
        requests_per_second: u32 = "0", count(1, 1_000_000).zero("no limit");
        /// Requests that one connection may send at once, with `requests_per_second`.
        requests_burst: u32 = "0", count(1, 1_000_000).zero("as many as requests_per_second");
        /// Errors that one connection may cause within `errors_window`; the one after that closes it with 4504.
        errors_max: u32 = "20", count(1, 1_000_000).zero("never closed for errors");
        /// The time in which `errors_max` counts.
        errors_window: Duration = "10s", time(MS, DAY);
        /// Time for a TLS handshake, then for a complete request head, and for taking an answer over HTTP.
        handshake_timeout: Duration = "10s", time(MS, DAY);
        /// Time without progress on a socket that is full, until the connection is closed with 4001.
        write_timeout: Duration = "30s", time(MS, DAY);
    }
}

section! {
    /// Who may connect.
    pub struct Auth {
        /// Whether a connection may do without a user. If not, it has to authenticate in time; until then it gets nothing
        /// and counts nowhere.
        anonymous: bool = "true", ();
        /// Where `anonymous` is false: the time in which a connection has to authenticate, or it is closed with 4500.
        authenticate_within: Duration = "10s", time(MS, DAY);
        /// Where `anonymous` is false: connections that have not authenticated yet; over it, a handshake without a token
        /// gets 503. They take no places of `limits.connections_max`, unless this is 0.
        unauthenticated_max: usize = "10_000", count(1, 10_000_000).zero("no limit of their own");
        /// Origins of pages that may connect, with scheme: `https://app.example.org`, `https://*.example.org`, `null`;
        /// `*` is any. An empty list: the server's own origin, and loopback. Who sends no `Origin` is no page, and passes.
        allowed_origins: Vec<AllowedOrigin> = "", Origins;
        /// What `aud` of a token must contain. None, or `*`: it is not looked at. With `jwks_url` it must be set: a provider
        /// signs for others too.
        audience: Option<String> = "", text(256);
        /// What `iss` of a token must be. None: it is not looked at.
        issuer: Option<String> = "", text(256);
        /// How far the clocks of this server and of those who sign tokens may differ.
        leeway: Duration = "5s", time(MS, 10 * MINUTE).zero("not at all");
        /// Time after which a connection is closed with 4002 when its token has run out.
        expiry_grace: Duration = "25s", time(MS, DAY).zero("at once");
        /// Time before its token runs out at which a connection is told so.
        expiry_notice: Duration = "30s", time(MS, DAY).zero("it is not told");
        /// Where your identity provider publishes its keys (a JSON Web Key Set).
        jwks_url: Option<SecureUrl> = "", ();
        /// How often that key set is fetched again.
        jwks_refresh: Duration = "10m", time(Duration::from_secs(1), 7 * DAY);
    }
    parts {
        /// The keys that tokens are checked with.
        keys: Vec<AuthKey>;
    }
}

impl Auth {
    /// Whether there is something to check tokens with.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        !self.keys.is_empty() || self.jwks_url.is_some()
    }
}

section! {
    /// Who may do what is no channel's.
    pub struct Actions {
        /// Who may send to everybody.
        broadcast: Access = "anyone", words().but(Access::Subscriber);
        /// Who may ask how many connections there are.
        get_connections: Access = "anyone", words().but(Access::Subscriber);
    }
}

section! {
    /// How a dead connection is found (PROTOCOL, section 2).
    pub struct Heartbeat {
        /// Time in which nothing was received, or nothing sent, until the server sends a heartbeat.
        /// Off: a dead connection is found only when writing to it fails.
        interval: Duration = "25s", time(MS, DAY).zero("heartbeats off");
        /// Time after `interval` in which something must arrive, or the connection is closed with 4000.
        timeout: Duration = "10s", time(MS, DAY);
    }
}

section! {
    /// How the server ends.
    pub struct Drain {
        /// Time from the signal to the exit, at most.
        grace: Duration = "30s", time(MS, DAY).zero("connections are closed at once");
        /// The window in which clients are told to reconnect, each at its own time.
        reconnect_spread: Duration = "10s", time(MS, DAY).zero("all may reconnect at once");
    }
}

/// What keeps publications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineType {
    /// Memory: they end with the process.
    Memory,
    /// A database in a directory.
    Sqlite,
}

impl Choice for EngineType {
    const ALL: &'static [(&'static str, Self)] = &[("memory", Self::Memory), ("sqlite", Self::Sqlite)];
}

/// When what was committed is forced to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// With each commit, before its answers.
    Commit,
    /// So often.
    Interval,
}

impl Choice for Fsync {
    const ALL: &'static [(&'static str, Self)] = &[("commit", Self::Commit), ("interval", Self::Interval)];
}

section! {
    /// What keeps publications.
    pub struct Engine {
        /// What keeps publications. `memory`: this process; they end with it. `sqlite`: a database in
        /// `engine.sqlite.dir`; they are there again after a restart or a crash.
        r#type: EngineType = "memory", words();
    }
    parts {
        /// The engine that keeps them in memory.
        memory: MemoryEngine;
        /// The engine that keeps them in a database.
        sqlite: SqliteEngine;
    }
}

section! {
    /// The engine that keeps publications in memory.
    pub struct MemoryEngine {
        /// Bytes of publications kept in all channels; over it the oldest go first, and who reads there is told.
        history_bytes_max: usize = "512MiB", bytes(MIB, 1024 * GIB);
        /// Channels without subscribers and publications whose position is remembered.
        idle_channels_max: usize = "100_000", count(1, 100_000_000).zero("none is remembered");
    }
}

section! {
    /// The engine that keeps publications in a database.
    pub struct SqliteEngine {
        /// Directory of the database; made where it is missing. The flag and its variable also set `engine.type`.
        dir: PathBuf = "./data", (),
            flag: Some("--data-dir"), variable: Some("WS_SERVER_DATA_DIR");
        /// When what was committed is forced to the disk. `commit`: before it is acknowledged; a power failure loses
        /// nothing. `interval`: every `fsync_interval`; a power failure may lose what was acknowledged since, a crash
        /// of the process nothing.
        fsync: Fsync = "commit", words();
        /// How often with `fsync = "interval"`.
        fsync_interval: Duration = "1s", time(MS, MINUTE);
        /// Publications in one commit, at most; there are as many as have arrived during the commit before.
        batch_publications_max: usize = "1_000", count(1, 100_000);
        /// Bytes of publications that may wait to be stored; at it, publishers wait.
        queue_bytes_max: usize = "64MiB", bytes(MIB, 64 * GIB);
        /// Channels without subscribers and publications whose position is remembered.
        idle_channels_max: usize = "1_000_000", count(1, 1_000_000_000);
    }
}

section! {
    /// Encryption on the way.
    pub struct Tls {
        /// The certificate of the server, and those between it and the root, in PEM. With `key_file`: all addresses speak
        /// TLS. Read again when it changes, and on SIGHUP.
        cert_file: Option<PathBuf> = "", ();
        /// The private key of the certificate, in PEM.
        key_file: Option<PathBuf> = "", ();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Access;

    #[test]
    fn every_default_is_allowed() {
        let config = Config::default();
        assert_eq!(config.addr, ["0.0.0.0:3000".parse().expect("an address")]);
        assert_eq!(config.limits.message_bytes_max, 65_536);
        assert_eq!(config.limits.outbox_bytes_max, 262_144);
        assert_eq!(config.heartbeat.interval, Duration::from_secs(25));
        assert_eq!(config.drain.grace, Duration::from_secs(30));
        assert_eq!(config.channels.history_ttl, Duration::from_secs(300));
        assert_eq!(config.channels.read_history, Access::Subscriber);
        assert!(config.channels.presence && !config.channels.join_leave);
        assert!(config.namespaces.is_empty());
        assert_eq!(config.engine.memory.history_bytes_max, 512 << 20);
    }
}
