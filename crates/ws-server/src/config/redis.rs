//! The engine that shares a Redis with other servers.

use std::path::PathBuf;
use std::time::Duration;

use super::key::section;
use super::value::{DAY, GIB, MIB, MINUTE, MS, RedisUrls, bytes, count, text, time};

const SECOND: Duration = Duration::from_secs(1);

section! {
    /// The engine that stores publications in a Redis that servers share.
    pub struct RedisEngine {
        /// Where Redis (7.0 or later) or Valkey (8.0 or later) is. `redis://host:port` or `redis+unix:///path`: the primary.
        /// `redis+sentinel://host:port,host/primary`: Sentinels, and the name under which they watch it. `rediss` in place
        /// of `redis`: TLS, to Sentinels too. A list: shards, each with a part of the channels; see Shards.
        /// `redis+cluster://host:port,host`: some nodes of a Redis Cluster.
        url: RedisUrls = "redis://127.0.0.1:6379", ();
        /// Every key and topic begins with it and a colon: servers with the same prefix are one cluster. 1 to 32 of A-Z,
        /// a-z, 0-9, `.`, `_` and `-`.
        prefix: String = "ws", text(32);
        /// The user of Redis; empty: its default user.
        username: Option<String> = "", text(256);
        /// A file with the password, read for every connection; a line break at its end is ignored.
        password_file: Option<PathBuf> = "", ();
        /// The user of Sentinels; empty: their default user.
        sentinel_username: Option<String> = "", text(256);
        /// As `password_file`, for Sentinels.
        sentinel_password_file: Option<PathBuf> = "", ();
        /// The authorities that are trusted to sign the certificate of Redis, and no others, in PEM; empty: those of the
        /// system. The certificate must have the host of the URL, or the one that Sentinels name. As the next two, it is
        /// read for every connection.
        tls_ca_file: Option<PathBuf> = "", ();
        /// A certificate to show to Redis, with those that lead to its authority, in PEM.
        tls_cert_file: Option<PathBuf> = "", ();
        /// Its private key, in PEM, without a passphrase.
        tls_key_file: Option<PathBuf> = "", ();
        /// Into how many parts the data is divided. The same for all servers, and fixed for the life of the data.
        partitions: usize = "64", count(1, 1024);
        /// How long the position of a channel is remembered after its last publication; at least the longest
        /// `history_ttl`.
        position_ttl: Duration = "30d", time(MINUTE, 3650 * DAY);
        /// How long a server that has died is still alive to the others, and the longest time in which a server notices
        /// that Redis has become another one. See Leases.
        lease: Duration = "15s", time(3 * SECOND, 10 * MINUTE);
        /// How many replicas must have a publication or a removal before it is acknowledged. See Replicas.
        replicas_min: usize = "0", count(1, 16).zero("no replica is waited for");
        /// How long they are waited for, and no longer than `command_timeout` and 5 s in all; where fewer have it by
        /// then, the answer is `engine_unavailable`.
        replicas_timeout: Duration = "1s", time(MS, MINUTE);
        /// How long Redis may take to answer before the connection is given up and made anew.
        command_timeout: Duration = "5s", time(100 * MS, MINUTE);
        /// How long a start waits for Redis.
        start_timeout: Duration = "10s", time(SECOND, 60 * MINUTE);
        /// Bytes of publications that may wait for Redis; at the limit, publishers wait.
        queue_bytes_max: usize = "16MiB", bytes(MIB, 64 * GIB);
        /// Most publications in one round trip of a partition. It takes those that came during the previous one.
        batch_publications_max: usize = "64", count(1, 1_000);
        /// Whether a Redis is used whose `maxmemory-policy` evicts keys. What it evicts is lost: channels begin new
        /// epochs.
        allow_eviction: bool = "false", ();
    }
}
