//! Every limit of this crate: those an operator sets, and those that are fixed.

use std::time::Duration;

/// Limits that an operator sets; `ws-server` has their defaults and ranges.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most WebSocket connections at once, less those that `unauthenticated_max` is about; 0: no limit.
    pub connections_max: usize,
    /// Most of them from one address, or from one /64 network of IPv6; 0: no limit.
    pub connections_per_ip_max: usize,
    /// Most of them of one user; 0: no limit.
    pub connections_per_user_max: usize,
    /// Most connections that have to authenticate and have not yet; 0: they are among those of `connections_max`.
    pub unauthenticated_max: usize,
    /// Handshakes that are let in per second, all together; 0: no limit.
    pub handshakes_per_second: u32,
    /// Requests of one connection per second; 0: no limit.
    pub requests_per_second: u32,
    /// Requests of one connection at once; 0: as many as `requests_per_second`.
    pub requests_burst: u32,
    /// Largest message from a client, in bytes; over it the connection is closed with 1009.
    pub message_bytes_max: usize,
    /// Most subscriptions of one connection; announced in `connected`.
    pub channels_per_connection_max: usize,
    /// Direct replies that may wait for one slow reader, in bytes; at it, the connection's requests
    /// are no longer read. One reply may go over it.
    pub outbox_bytes_max: usize,
    /// Broadcasts that are kept for readers that are behind, in bytes.
    pub broadcast_log_bytes_max: usize,
    /// Publications of one channel that are kept for readers who have not been offered them yet, or who are
    /// behind in a channel without history, in bytes. At half of it, publishers wait.
    pub channel_log_bytes_max: usize,
    /// The same for all channels together.
    pub channel_logs_bytes_max: usize,
    /// Errors that a connection may cause within `errors_window`; 0: no limit.
    pub errors_max: u32,
    /// The window of `errors_max`.
    pub errors_window: Duration,
    /// A full socket that takes nothing for so long is closed with 4001; zero: never.
    pub write_timeout: Duration,
}

impl Limits {
    /// What tests and benches start from and change: hardly any limits, and small buffers. A server takes its limits
    /// from its configuration.
    pub const TEST: Limits = Limits {
        connections_max: 0,
        connections_per_ip_max: 0,
        connections_per_user_max: 0,
        unauthenticated_max: 0,
        handshakes_per_second: 0,
        requests_per_second: 0,
        requests_burst: 0,
        message_bytes_max: 65_536,
        channels_per_connection_max: 128,
        outbox_bytes_max: 65_536,
        broadcast_log_bytes_max: 1 << 20,
        channel_log_bytes_max: 1 << 20,
        channel_logs_bytes_max: 8 << 20,
        errors_max: 20,
        errors_window: Duration::from_secs(10),
        write_timeout: Duration::from_secs(30),
    };

    /// Largest message of a connection that has to authenticate first, in bytes.
    pub(crate) fn stranger_message_bytes_max(&self) -> usize {
        self.message_bytes_max.min(STRANGER_MESSAGE_BYTES_MAX)
    }
}

/// Largest message of a connection that has to authenticate first, in bytes: twice the longest token.
pub(crate) const STRANGER_MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// When to authenticate again that there was no place for, in milliseconds.
pub(crate) const RETRY_PLACE_MS: u64 = 1_000;

/// Writes of the fan-out before it lets other tasks run, so that new publications join the round.
pub(crate) const FANOUT_WRITES_PER_TURN: usize = 32;

/// Bytes in which a log takes memory and gives it back; logs with a low bound take a sixteenth of it.
pub(crate) const LOG_SEGMENT_BYTES_MAX: usize = 64 * 1024;

/// Most bytes that the fan-out hands to one socket in one system call.
pub(crate) const FANOUT_WRITE_BYTES_MAX: usize = 256 * 1024;

/// Most connections of a shard that are looked at between two yields when there is nothing to write.
pub(crate) const FANOUT_SKIPS_PER_TURN: usize = 8 * 1024;

/// Shortest and longest time between two looks at heartbeats and write timeouts.
pub(crate) const SWEEP_INTERVAL_MIN: Duration = Duration::from_millis(10);
pub(crate) const SWEEP_INTERVAL_MAX: Duration = Duration::from_secs(1);

/// A pause of the process that is logged.
pub(crate) const STALL_LOGGED_MIN: Duration = Duration::from_secs(1);

/// Buffers that have grown over this are given back when they are empty, in bytes.
pub(crate) const IDLE_BUFFER_BYTES_MAX: usize = 256 * 1024;

/// Most fan-out tasks: what a channel knows of them fits into one number.
pub(crate) const SHARDS_MAX: usize = 64;

/// Subscribers that are marked as having something to read between two looks at what else there is to do.
pub(crate) const FANOUT_MARKS_PER_SLICE: usize = 1024;

/// Subscribers in a shard from which on a channel has a window that others do not displace.
pub(crate) const FANOUT_LARGE_CHANNEL: usize = 8;

/// Most publications of one connection whose answers the engine still owes.
pub(crate) const PUBLICATIONS_UNANSWERED_MAX: usize = 64;

/// Most bytes of publications whose publishers are woken at once when the engine has room again; the others follow as
/// these have asked.
pub(crate) const ENGINE_WOKEN_BYTES_MAX: u64 = 256 * 1024;

/// What a frame has besides the body of its publication and the name of its channel, at most, in bytes.
pub(crate) const PUBLICATION_ENVELOPE_BYTES: usize = 128;

/// What the frame of a message has besides what its sender sent, in bytes.
pub(crate) const MESSAGE_ENVELOPE_BYTES: usize = 1024;

/// Most questions to the engine that a shard has open at a time, for readers that catch up: each answer
/// is a page in memory until its reader is served.
pub(crate) const FANOUT_QUESTIONS_MAX: usize = 32;

/// Most of those questions for one connection.
pub(crate) const FANOUT_QUESTIONS_PER_MEMBER_MAX: usize = 2;

/// Most publications that are read from the history at once, for a subscriber that catches up.
pub(crate) const CATCH_UP_PUBLICATIONS_MAX: usize = 512;

/// Most bytes of an answer that lists entries, besides those: envelope, request id, name of the channel.
pub(crate) const PAGE_ENVELOPE_BYTES: usize = 2 * 1024;

/// Time between two counts of a channel that is too large for single joins and leaves.
pub(crate) const PRESENCE_COUNTS_INTERVAL: Duration = Duration::from_secs(1);

/// Locks of a registry, so that threads seldom meet.
pub(crate) const REGISTRY_PARTS: usize = 64;

/// Entries that a part of a registry keeps room for although they are gone.
pub(crate) const REGISTRY_SPARE_MIN: usize = 64;

/// What the memory engine needs for a publication besides its body, in bytes.
pub(crate) const MEMORY_ENTRY_BYTES: usize = 96;

/// Time between two looks of the memory engine at what has expired.
pub(crate) const MEMORY_UPKEEP_INTERVAL: Duration = Duration::from_secs(1);
