//! Every limit of this crate: those that an operator sets, and those that are fixed.

use std::time::Duration;

/// Limits that an operator sets; their defaults and ranges are in `ws-server`.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most WebSocket connections at once, not counting those that `unauthenticated_max` limits; 0: no limit.
    pub connections_max: usize,
    /// Most connections from one IPv4 address, or from one IPv6 /64 network, authenticated or not; 0: no limit.
    pub connections_per_ip_max: usize,
    /// Most connections of one user; 0: no limit.
    pub connections_per_user_max: usize,
    /// Most connections that have to authenticate and have not done so yet; 0: they count against `connections_max`.
    pub unauthenticated_max: usize,
    /// Handshakes that are accepted per second, in total; 0: no limit.
    pub handshakes_per_second: u32,
    /// Handshakes that are accepted per second from one IPv4 address, or from one IPv6 /64 network; 0: no limit.
    pub handshakes_per_ip_per_second: u32,
    /// Requests of one connection per second; 0: no limit.
    pub requests_per_second: u32,
    /// Requests of one connection in a burst; 0: as many as `requests_per_second`.
    pub requests_burst: u32,
    /// Tokens of one connection that are checked per second, whether they are valid or not; 0: no limit.
    pub token_checks_per_second: u32,
    /// Largest message from a client, in bytes; a larger one closes the connection with 1009.
    pub message_bytes_max: usize,
    /// Most subscriptions of one connection; announced in `connected`.
    pub channels_per_connection_max: usize,
    /// Replies that may wait in the outbox of one connection, in bytes; at this limit, its requests are no longer read.
    /// One reply may exceed it.
    pub outbox_bytes_max: usize,
    /// Broadcasts that are kept for lagging readers, in bytes.
    pub broadcast_log_bytes_max: usize,
    /// Publications of one channel that are kept for readers that have not been offered them yet, or that lag in a
    /// channel without history, in bytes. Publishers wait at half of it.
    pub channel_log_bytes_max: usize,
    /// The same for all channels together.
    pub channel_logs_bytes_max: usize,
    /// Errors that a connection may cause within `errors_window`, and as many refusals by rate; 0: no limit.
    pub errors_max: u32,
    /// The window of `errors_max`.
    pub errors_window: Duration,
    /// A connection whose full socket accepts nothing for this long is closed with 4001; zero: never.
    pub write_timeout: Duration,
}

impl Limits {
    /// A starting point for tests and benches: few limits, and small buffers. A server takes its limits from its
    /// configuration.
    pub const TEST: Limits = Limits {
        connections_max: 0,
        connections_per_ip_max: 0,
        connections_per_user_max: 0,
        unauthenticated_max: 0,
        handshakes_per_second: 0,
        handshakes_per_ip_per_second: 0,
        requests_per_second: 0,
        requests_burst: 0,
        token_checks_per_second: 0,
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

    /// Largest message of an unauthenticated connection, in bytes.
    pub(crate) fn unauthenticated_message_bytes_max(&self) -> usize {
        self.message_bytes_max.min(UNAUTHENTICATED_MESSAGE_BYTES_MAX)
    }
}

/// Largest message of a connection that has to authenticate first, in bytes: twice the longest token.
pub(crate) const UNAUTHENTICATED_MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// Addresses whose rate of handshakes is remembered. Where more come within a second, those seen longest ago are
/// forgotten, which gives them a full bucket: what comes from that many is for the rate of all to bound.
pub(crate) const ADDRESS_RATES_MAX: usize = 64 * 1024;

/// When a client may authenticate again after there was no free slot, in milliseconds.
pub(crate) const RETRY_SLOT_MS: u64 = 1_000;

/// Writes of the fan-out between two yields, so that other tasks run and new publications join the round.
pub(crate) const FANOUT_WRITES_PER_TURN: usize = 32;

/// Size of the segments in which a log allocates and frees memory, in bytes; logs with a low bound use a sixteenth of
/// it.
pub(crate) const LOG_SEGMENT_BYTES_MAX: usize = 64 * 1024;

/// Most bytes that the fan-out hands to one socket in one system call.
pub(crate) const FANOUT_WRITE_BYTES_MAX: usize = 256 * 1024;

/// Most items of work (visits, marked readers) between two yields.
pub(crate) const FANOUT_SKIPS_PER_TURN: usize = 8 * 1024;

/// Shortest and longest time between two sweeps for heartbeats and write timeouts.
pub(crate) const SWEEP_INTERVAL_MIN: Duration = Duration::from_millis(10);
pub(crate) const SWEEP_INTERVAL_MAX: Duration = Duration::from_secs(1);

/// How often the lag of the runtime is measured.
pub(crate) const RUNTIME_LAG_INTERVAL: Duration = Duration::from_millis(100);

/// Shortest time between two publications whose way into the engine is timed, in microseconds.
pub(crate) const SAMPLE_INTERVAL_US: u64 = 100;

/// Shortest stall of the process that is logged.
pub(crate) const STALL_LOGGED_MIN: Duration = Duration::from_secs(1);

/// Buffers that have grown over this are shrunk when they are empty, in bytes.
pub(crate) const IDLE_BUFFER_BYTES_MAX: usize = 256 * 1024;

/// Most fan-out tasks: a set of them fits into a `u64`.
pub(crate) const SHARDS_MAX: usize = 64;

/// Subscribers that are marked as pending in one go, before other work gets its turn.
pub(crate) const FANOUT_MARKS_PER_SLICE: usize = 1024;

/// A channel with this many subscribers in a shard uses the window that small channels do not displace.
pub(crate) const FANOUT_LARGE_CHANNEL: usize = 8;

/// Most publications of one connection that the engine has not answered yet.
pub(crate) const PUBLICATIONS_UNANSWERED_MAX: usize = 64;

/// Most bytes of publications whose publishers are woken at once when the engine has room again; the others are woken
/// as these try again.
pub(crate) const ENGINE_WOKEN_BYTES_MAX: u64 = 256 * 1024;

/// Most bytes of a frame besides the body of its publication and the name of its channel.
pub(crate) const PUBLICATION_ENVELOPE_BYTES: usize = 128;

/// What a frame adds to the message that its sender sent, in bytes.
pub(crate) const MESSAGE_ENVELOPE_BYTES: usize = 1024;

/// Most open queries of a shard to the engine, for readers that catch up: each answer is a page in memory until its
/// reader is visited.
pub(crate) const FANOUT_QUERIES_MAX: usize = 32;

/// Most of those queries for one connection.
pub(crate) const FANOUT_QUERIES_PER_MEMBER_MAX: usize = 2;

/// Most publications that are read from the history in one query, for a subscriber that catches up.
pub(crate) const CATCH_UP_PUBLICATIONS_MAX: usize = 512;

/// Most bytes of the entries of a history page, unless the first alone has more (PROTOCOL section 4).
pub(crate) const HISTORY_PAGE_BYTES_MAX: usize = 1 << 20;

/// Most bytes of an answer with a list, besides its entries: envelope, request id, name of the channel.
pub(crate) const PAGE_ENVELOPE_BYTES: usize = 2 * 1024;

/// Time between two events with the counts of a channel that is too large for single joins and leaves.
pub(crate) const PRESENCE_COUNTS_INTERVAL: Duration = Duration::from_secs(1);

/// Parts of a registry, each with its own lock, so that threads seldom contend.
pub(crate) const REGISTRY_PARTS: usize = 64;

/// Parts of the directory of connections, by id and by user, each with its own lock. Those by id are at most 256.
pub(crate) const DIRECTORY_PARTS: usize = 256;
pub(crate) const DIRECTORY_USER_PARTS: usize = 64;

/// Broadcasts that a cluster keeps for nodes that were not told of them, and their age.
pub(crate) const BROADCASTS_KEPT: usize = 256;
/// See [`BROADCASTS_KEPT`].
pub(crate) const BROADCASTS_TTL: Duration = Duration::from_secs(60);

/// Most bytes of them that are read in one query, unless the first alone has more.
pub(crate) const BROADCASTS_PAGE_BYTES: usize = 1 << 20;

/// Time until broadcasts are asked for again that the engine could not give.
pub(crate) const BROADCASTS_RETRY: Duration = Duration::from_millis(200);

/// Who has waited for longer behind other requests does not wait for an engine that is known to be away.
pub(crate) const BEHIND_MAX: Duration = Duration::from_secs(1);

/// How often a server that starts looks whether the others know it.
pub(crate) const JOINED_EVERY: Duration = Duration::from_millis(20);

/// Names in a list that a participant keeps.
pub(crate) const LISTED_MAX: usize = 1024;

/// Channels, and members of a channel, that a cluster is told of under one lock, after an outage.
pub(crate) const CHANNELS_SLICE: usize = 4096;
/// See [`CHANNELS_SLICE`].
pub(crate) const MEMBERS_SLICE: usize = 256;

/// Connections of a user that are taken from the directory under one lock.
pub(crate) const DIRECTORY_SLICE: usize = 256;

/// Most operations of the server API that wait for the task of one connection.
pub(crate) const CALLS_MAX: usize = 64;

/// Most operations on all connections of a user that are remembered for logins that are under way.
pub(crate) const LOGIN_OPERATIONS_MAX: usize = 4096;

/// What a tap keeps until its watcher takes it: frames, and their bytes.
pub(crate) const TAP_FRAMES_MAX: usize = 256;
/// See [`TAP_FRAMES_MAX`].
pub(crate) const TAP_BYTES_MAX: usize = 256 * 1024;

/// As much of a frame as a tap copies, in bytes.
pub(crate) const TAP_FRAME_BYTES_MAX: usize = 4 * 1024;

/// Frames that a tap copies in a second; the others are counted.
pub(crate) const TAP_FRAMES_PER_SECOND_MAX: usize = 500;

/// Most taps of one connection, and of all together.
pub(crate) const TAPS_PER_CONNECTION_MAX: usize = 4;
/// See [`TAPS_PER_CONNECTION_MAX`].
pub(crate) const TAPS_MAX: usize = 64;

/// Longest time until a watcher is told how many frames were left out.
pub(crate) const TAP_TURN: Duration = Duration::from_secs(1);

/// Times that a subscription asks the engine in one go, where the engine answers within the call and the stream has
/// started a new epoch each time.
pub(crate) const ATTACH_ROUNDS_MAX: usize = 4;

/// Time within which the task of a connection has to answer an operation of the server API: it may be blocked by its
/// full socket.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Time within which every other server has to answer a question (PROTOCOL section 11), and how much of it is for the
/// way back: what a server cannot do in the rest is an error that it still tells.
pub(crate) const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// See [`ASK_TIMEOUT`].
pub(crate) const ANSWER_MARGIN: Duration = Duration::from_millis(500);

/// Places of a question whose answer is a page; any other takes one.
pub(crate) const ASKED_PAGE_PLACES: u32 = 16;

/// Places for questions that this server asks at a time, and for those of all others that it is at work on.
pub(crate) const ASKING_PLACES_MAX: usize = 256;
/// See [`ASKING_PLACES_MAX`].
pub(crate) const ASKED_PLACES_MAX: usize = 512;

/// Most answers and ends of nodes that one question has not looked at yet.
pub(crate) const ASK_EVENTS_MAX: usize = 1024;

/// Most bytes of what an answer to another server carries: its message has at most 1 MiB.
pub(crate) const CLUSTER_ANSWER_BYTES_MAX: usize = (1 << 20) - 1024;

/// Most bytes of the entries of a page in it. The rest is for what comes with them.
pub(crate) const CLUSTER_PAGE_BYTES_MAX: usize = 960 * 1024;

/// Most subscriptions of a connection in one answer to another server.
pub(crate) const CLUSTER_SUBSCRIPTIONS_MAX: usize = 4096;

/// Streams of a channel whose beginnings are remembered for readers that are still in an earlier one.
pub(crate) const RESTARTS_MAX: usize = 8;

/// Intervals without a canary after which the server is not ready.
pub(crate) const CANARY_INTERVALS_MAX: u32 = 3;

/// Age at which the last canary is removed from the history, once no more are sent.
pub(crate) const CANARY_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// Capacity in entries up to which a part of a registry is not shrunk.
pub(crate) const REGISTRY_SPARE_MIN: usize = 64;

/// Overhead of the memory engine per publication, in bytes.
pub(crate) const MEMORY_ENTRY_BYTES: usize = 96;

/// Time between two runs of the memory engine's expiry.
pub(crate) const MEMORY_MAINTENANCE_INTERVAL: Duration = Duration::from_secs(1);

/// Names of streams that are remembered before those that nobody uses any more are forgotten.
pub(crate) const STREAMS_PRUNED_FROM: usize = 1024;
