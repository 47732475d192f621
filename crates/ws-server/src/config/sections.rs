//! Every key of the configuration, with its default, its bounds and its meaning.
//!
//! To add a section: declare it with `section!` (here, or in a file of its own: `channels`),
//! give [`Config`] a field for it under `parts`, and `table` a line.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ws_transport::{AllowedOrigin, ListenAddr, LogConnections};

use super::api_key::{API_KEY_BYTES_MAX, ApiKey};
use super::auth_key::AuthKey;
use super::canary::Canary;
use super::channels::{Access, Channels};
use super::claude::Claude;
use super::key::section;
use super::proxy::{Metrics, Proxy};
use super::redis::RedisEngine;
use super::value::{
    Addresses, Choice, DAY, GIB, KIB, MIB, MINUTE, MS, Origins, Secret, SecureUrl, bytes, count, modes, text, time,
    words,
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
        /// Addresses to listen on, one or several. Port 0: the system chooses one. `unix:/run/ws.sock` is a Unix socket.
        addr: Vec<ListenAddr> = "0.0.0.0:3000", Addresses,
            flag: Some("--addr"), variable: Some("WEBSOCKET_ADDR");
        /// How the log is written to standard error.
        log_format: LogFormat = "text", words(),
            flag: Some("--log-format");
        /// Which connections are logged, with id, user, address, code and duration. `all`: every open, close and
        /// refusal. `failures`: refusals, and connections that the server closed for any reason but its own end; at
        /// most 20 lines per second.
        log_connections: LogConnections = "failures", words();
    }
    parts {
        /// What the server and one connection may use.
        limits: Limits;
        /// Who may connect.
        auth: Auth;
        /// The HTTP API.
        api: Api;
        /// Who may use actions that are not about a channel.
        actions: Actions;
        /// How dead connections are detected.
        heartbeat: Heartbeat;
        /// How the server ends.
        drain: Drain;
        /// Which proxies are believed.
        proxy: Proxy;
        /// Where metrics are served.
        metrics: Metrics;
        /// How the server watches itself.
        canary: Canary;
        /// What channels without a namespace offer, and to whom.
        channels: Channels;
        /// The same for channels in a namespace, by its name.
        namespaces: BTreeMap<String, Channels>;
        /// What stores publications.
        engine: Engine;
        /// How Claude is asked.
        claude: Claude;
        /// Encryption of the connections.
        tls: Tls;
    }
}

section! {
    /// What the server and one connection may use.
    pub struct Limits {
        /// Open connections; over it, a handshake gets 503 with `Retry-After`. Connections that count for
        /// `auth.unauthenticated_max` are not included.
        connections_max: usize = "100_000", count(1, 10_000_000).zero("no limit");
        /// Connections from one address (IPv6: from one /64 network); over it, a handshake gets 503. Behind a
        /// proxy, `proxy.trusted` must name it, or all connections have its address.
        connections_per_ip_max: usize = "0", count(1, 10_000_000).zero("no limit");
        /// Connections of one user, on all servers together; the next one is closed with 4005.
        connections_per_user_max: usize = "0", count(1, 10_000_000).zero("no limit");
        /// Handshakes accepted per second, in total; over it, they get 503 with `Retry-After`.
        handshakes_per_second: u32 = "0", count(1, 1_000_000).zero("no limit");
        /// The same for one address (IPv6: one /64 network). Asked before `handshakes_per_second`, so that one address
        /// cannot use that up.
        handshakes_per_ip_per_second: u32 = "0", count(1, 1_000_000).zero("no limit");
        /// Sockets of one address (IPv6: of one /64 network) that are no WebSocket yet, or are being closed; over it, a
        /// new one is closed without an answer. 16,384 from all addresses together.
        sockets_per_ip_max: usize = "1_024", count(1, 16_384).zero("no limit");
        /// Bytes of one incoming message; over it, the connection is closed with 1009.
        message_bytes_max: usize = "64KiB", bytes(KIB, 64 * MIB);
        /// Subscriptions of one connection.
        channels_per_connection_max: usize = "128", count(1, 1_000_000);
        /// Bytes of answers that wait to be sent to one connection; at the limit, its requests are not read. At least
        /// `message_bytes_max`, which raises it if it is not set.
        outbox_bytes_max: usize = "256KiB", bytes(4 * KIB, GIB);
        /// Bytes of broadcasts kept for slow connections; one that misses some gets a gap event. At least
        /// `message_bytes_max`, which raises it if it is not set.
        broadcast_log_bytes_max: usize = "16MiB", bytes(64 * KIB, GIB);
        /// Bytes of publications of one channel kept for subscribers that have not received them yet, or that are slow
        /// in a channel without history. At least twice `message_bytes_max`, which raises it if it is not set.
        channel_log_bytes_max: usize = "4MiB", bytes(64 * KIB, GIB);
        /// The same for all channels together; from half of it on, publishers wait. At least twice `message_bytes_max`.
        channel_logs_bytes_max: usize = "128MiB", bytes(MIB, 64 * GIB);
        /// Requests per second of one connection; over it, they get `rate_limited`.
        requests_per_second: u32 = "0", count(1, 1_000_000).zero("no limit");
        /// Requests that one connection may send in a burst, with `requests_per_second`.
        requests_burst: u32 = "0", count(1, 1_000_000).zero("as many as requests_per_second");
        /// Errors that one connection may cause within `errors_window`; the next one closes it with 4504. As many
        /// refusals by rate (`rate_limited`) are allowed beside them; the next one of these closes it with 4006.
        errors_max: u32 = "20", count(1, 1_000_000).zero("never closed for errors");
        /// The time window of `errors_max`.
        errors_window: Duration = "10s", time(MS, DAY);
        /// Time for a TLS handshake, then for a complete request head, and for the client to take an answer over HTTP.
        handshake_timeout: Duration = "10s", time(MS, DAY);
        /// Time between two requests of an HTTP connection. Longer than a load balancer keeps idle connections, which
        /// is often 60 s: otherwise it sends requests into connections that are just being closed.
        keep_alive: Duration = "75s", time(MS, DAY);
        /// Time without progress on a full socket after which the connection is closed with 4001.
        write_timeout: Duration = "30s", time(MS, DAY);
        /// Tokens of one connection that are checked per second, also valid ones, because a signature costs processor
        /// time; over it, they get `rate_limited`.
        token_checks_per_second: u32 = "20", count(1, 1_000_000).zero("no limit");
    }
}

section! {
    /// Who may connect.
    pub struct Auth {
        /// Whether connections may stay without a user. If not, they must authenticate in time; until then they receive
        /// nothing and are not counted.
        anonymous: bool = "true", ();
        /// If `anonymous` is false: time in which a connection must authenticate, or it is closed with 4500.
        authenticate_within: Duration = "10s", time(MS, DAY);
        /// If `anonymous` is false: connections that have not authenticated yet; over it, a handshake without a token
        /// gets 503. They do not count for `limits.connections_max`, unless this is 0.
        unauthenticated_max: usize = "10_000", count(1, 10_000_000).zero("no limit of their own");
        /// Origins of the pages that may connect, with scheme: `https://app.example.org`, `https://*.example.org`,
        /// `null`; `*` is any. An empty list: the server's own origin, and loopback. Clients that are not browsers send
        /// no `Origin` and are not restricted.
        allowed_origins: Vec<AllowedOrigin> = "", Origins;
        /// What `aud` of a token must contain. None, or `*`: it is not checked. Must be set with `jwks_url`, as a
        /// provider issues tokens for other services too.
        audience: Option<String> = "", text(256);
        /// What `iss` of a token must be. None: it is not checked.
        issuer: Option<String> = "", text(256);
        /// How far the clocks of this server and of the token issuer may differ: every `exp` is prolonged by it.
        leeway: Duration = "5s", time(MS, 10 * MINUTE).zero("not at all");
        /// Time from the expiry of its token, leeway included, until a connection is closed with 4002.
        expiry_grace: Duration = "25s", time(MS, DAY).zero("at once");
        /// Time before the expiry of its token at which a connection is notified.
        expiry_notice: Duration = "30s", time(MS, DAY).zero("it is not told");
        /// Where your identity provider publishes its keys (a JSON Web Key Set).
        jwks_url: Option<SecureUrl> = "", ();
        /// Interval at which that key set is fetched again.
        jwks_refresh: Duration = "10m", time(Duration::from_secs(1), 7 * DAY);
    }
    parts {
        /// The keys for checking tokens.
        keys: Vec<AuthKey>;
    }
}

impl Auth {
    /// Whether there are keys to check tokens with.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        !self.keys.is_empty() || self.jwks_url.is_some()
    }
}

section! {
    /// The HTTP API. Without any key it is off.
    pub struct Api {
        /// A key of the HTTP API with all rights, in printable ASCII without spaces.
        key: Option<Secret> = "", text(API_KEY_BYTES_MAX), secret: true,
            flag: Some("--api-key"), variable: Some("WS_SERVER_API_KEY");
    }
    parts {
        /// Further keys.
        keys: Vec<ApiKey>;
    }
}

section! {
    /// Who may use actions that are not about a channel.
    pub struct Actions {
        /// Who may send a message to all connections.
        broadcast: Access = "anyone", modes().without_subscriber();
        /// Who may ask how many connections there are.
        get_connections: Access = "anyone", modes().without_subscriber();
    }
}

section! {
    /// How dead connections are detected (PROTOCOL, section 2).
    pub struct Heartbeat {
        /// Time without traffic in one direction after which the server sends a heartbeat. Off: a dead connection is
        /// detected only when writing to it fails.
        interval: Duration = "25s", time(MS, DAY).zero("heartbeats off");
        /// Time after `interval` in which the client must send something, or the connection is closed with 4000.
        timeout: Duration = "10s", time(MS, DAY);
    }
}

section! {
    /// How the server ends.
    pub struct Drain {
        /// Longest time from the signal to the exit.
        grace: Duration = "30s", time(MS, DAY).zero("connections are closed at once");
        /// The longest time over which the reconnects of clients are spread. With few clients it is shorter: 1 ms for
        /// each, and at least 1 s.
        reconnect_spread: Duration = "10s", time(MS, DAY).zero("all may reconnect at once");
    }
}

/// Where publications are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineType {
    /// In memory: they end with the process.
    Memory,
    /// In a database in a directory.
    Sqlite,
    /// In a Redis that servers share.
    Redis,
}

impl Choice for EngineType {
    const ALL: &'static [(&'static str, Self)] =
        &[("memory", Self::Memory), ("sqlite", Self::Sqlite), ("redis", Self::Redis)];
}

/// When commits are synced to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// With each commit, before it is acknowledged.
    Commit,
    /// At intervals.
    Interval,
}

impl Choice for Fsync {
    const ALL: &'static [(&'static str, Self)] = &[("commit", Self::Commit), ("interval", Self::Interval)];
}

section! {
    /// Where publications are stored.
    pub struct Engine {
        /// Where publications are stored. `memory`: in this process; they end with it. `sqlite`: in a database in
        /// `engine.sqlite.dir`; they survive restarts and crashes. `redis`: in a Redis that several servers share.
        r#type: EngineType = "memory", words();
    }
    parts {
        /// The memory engine.
        memory: MemoryEngine;
        /// The SQLite engine.
        sqlite: SqliteEngine;
        /// The Redis engine.
        redis: RedisEngine;
    }
}

section! {
    /// The engine that stores publications in memory.
    pub struct MemoryEngine {
        /// Bytes of publications stored in all channels; over it, the oldest are dropped, and subscribers that miss
        /// them are told.
        history_bytes_max: usize = "512MiB", bytes(MIB, 1024 * GIB);
        /// Channels without subscribers and publications whose position is remembered.
        idle_channels_max: usize = "100_000", count(1, 100_000_000).zero("none is remembered");
    }
}

section! {
    /// The engine that stores publications in a database.
    pub struct SqliteEngine {
        /// Directory of the database; created if it is missing. The flag and its variable also set `engine.type`.
        dir: PathBuf = "./data", (),
            flag: Some("--data-dir"), variable: Some("WS_SERVER_DATA_DIR");
        /// When commits are synced to the disk. `commit`: before they are acknowledged; a power failure loses nothing.
        /// `interval`: every `fsync_interval`; a power failure may lose what was acknowledged since, a crash of the
        /// process nothing.
        fsync: Fsync = "commit", words();
        /// Interval between syncs with `fsync = "interval"`.
        fsync_interval: Duration = "1s", time(MS, MINUTE);
        /// Most publications in one commit. A commit takes those that arrived during the previous one.
        batch_publications_max: usize = "1_000", count(1, 100_000);
        /// Bytes of publications that may wait to be stored; at the limit, publishers wait.
        queue_bytes_max: usize = "64MiB", bytes(MIB, 64 * GIB);
        /// Channels without subscribers and publications whose position is remembered.
        idle_channels_max: usize = "1_000_000", count(1, 1_000_000_000);
    }
}

section! {
    /// Encryption of the connections.
    pub struct Tls {
        /// The certificate of the server, followed by its intermediates, in PEM. With `key_file`: all addresses but Unix
        /// sockets use TLS. Read again when it changes, and on SIGHUP.
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
        assert_eq!(config.addr, [ListenAddr::Tcp("0.0.0.0:3000".parse().expect("an address"))]);
        assert_eq!(config.limits.message_bytes_max, 65_536);
        assert_eq!(config.limits.outbox_bytes_max, 262_144);
        assert_eq!(config.heartbeat.interval, Duration::from_secs(25));
        assert_eq!(config.drain.grace, Duration::from_secs(30));
        assert_eq!(config.channels.history_ttl, Duration::from_secs(300));
        assert_eq!(config.channels.read_history, Access::SUBSCRIBER);
        assert!(config.channels.presence && !config.channels.join_leave);
        assert!(config.namespaces.is_empty());
        assert_eq!(config.engine.memory.history_bytes_max, 512 << 20);
    }
}
