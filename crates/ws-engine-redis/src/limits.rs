//! Every fixed limit of this crate.

use std::time::Duration;

/// Offsets and times are numbers of Lua, which are exact up to here.
pub(crate) const NUMBER_MAX: u64 = (1 << 53) - 1;

/// Largest reply of Redis, or part of one, in bytes.
pub(crate) const REPLY_BYTES_MAX: usize = 512 << 20;

/// Nesting of replies.
pub(crate) const REPLY_DEPTH_MAX: usize = 8;

/// What is read from a socket at a time, in bytes.
pub(crate) const READ_BYTES: usize = 64 << 10;

/// Bytes of publications in one pipeline of a lane, about.
pub(crate) const PIPELINE_BYTES_MAX: usize = 4 << 20;

/// Channels that are subscribed to, or whose positions are asked for, with one command.
pub(crate) const FOLLOW_BATCH_MAX: usize = 512;

/// Batches of channels that are being subscribed to.
pub(crate) const FOLLOW_BATCHES_MAX: usize = 4;

/// How long a channel is followed after its last subscriber has left.
pub(crate) const LINGER: Duration = Duration::from_secs(10);

/// How long an answer waits for its delivery before the position is checked.
pub(crate) const CHECK_AFTER: Duration = Duration::from_secs(1);

/// How long a publication waits for a connection before it is refused, and how long a question is asked again.
pub(crate) const APPEND_WAIT: Duration = Duration::from_secs(5);

/// The first and the longest pause between two dials, and between two tries of what Redis refuses for the moment.
pub(crate) const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// How long a Sentinel may take to connect, and then to answer, before the next one is asked.
pub(crate) const SENTINEL_WITHIN: Duration = Duration::from_secs(1);

/// How often Sentinels are asked whether there is another primary.
pub(crate) const SENTINELS_EVERY: Duration = Duration::from_secs(1);

/// Sentinels that are asked, those that others name included.
pub(crate) const SENTINELS_MAX: usize = 32;

/// How long the key lives that is written so that replicas can be waited for.
pub(crate) const REPLICAS_KEY_TTL: Duration = Duration::from_secs(60);

/// How often the log says, at most, that Redis is available or is not.
pub(crate) const SAY_EVERY: Duration = Duration::from_secs(1);

/// How long it is not available before it is said that it is so for another reason than was said.
pub(crate) const SAY_AGAIN: Duration = Duration::from_secs(10);

/// How long what a node of a Redis Cluster has said about its slots answers others who ask.
pub(crate) const SLOTS_FRESH: Duration = Duration::from_millis(50);

/// How often what waits is looked at.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// A connection that has been silent for so long is pinged.
pub(crate) const PING_AFTER: Duration = Duration::from_secs(10);

/// How often a server sends something to itself at least: its feed is known to be dead 2 s after it has died, and what that
/// may take to arrive.
pub(crate) const ECHO_EVERY: Duration = Duration::from_millis(1800);

/// How soon what a server sends to itself must arrive on its feed, if Redis may take so long to answer.
pub(crate) const ECHO_WITHIN: Duration = Duration::from_secs(3);

/// How often the positions of all channels that are followed are checked.
pub(crate) const CHECK_ALL_EVERY: Duration = Duration::from_secs(300);

/// How long a question waits for a connection before it is refused.
pub(crate) const READ_WAIT: Duration = Duration::from_secs(1);

/// How long a page waits before Redis is asked again, after its data has just gone.
pub(crate) const PAGE_AGAIN: Duration = Duration::from_millis(20);

/// How often Redis's clock is read when a connection begins: each answer may come late.
pub(crate) const CLOCK_READINGS: usize = 8;

/// How often it is read from then on.
pub(crate) const CLOCK_EVERY: Duration = Duration::from_secs(1);

/// Channels without history of which a server remembers that it has published in them of late, on all its connections. Where
/// they were more, any may be meant.
pub(crate) const PASSED_MAX: usize = 16_384;

/// How long Redis refuses what is published before the log says so.
pub(crate) const REFUSED_SAY_AFTER: Duration = Duration::from_secs(1);

/// For how long a refusal is the reason of what is given up.
pub(crate) const REFUSED_WITHIN: Duration = Duration::from_secs(3);

/// How far Redis's clock may be from a server's before the log says so.
pub(crate) const SKEW_MAX: Duration = Duration::from_secs(5);

/// Operations about the cluster that wait for Redis. What is beyond is refused, or stored as a whole later.
pub(crate) const OPS_MAX: usize = 1 << 16;

/// Operations about the cluster in one pipeline.
pub(crate) const OPS_BATCH_MAX: usize = 256;

/// Members that are put with one pipeline, about: what is behind it, as the next lease, must not wait for long.
pub(crate) const MEMBERS_PIPELINE_MAX: usize = 2_000;

/// Members, users or channels in one command about the cluster.
pub(crate) const MEMBERS_BATCH_MAX: usize = 200;

/// How often a lease is renewed at least, so that it is soon known when it cannot be.
pub(crate) const RENEW_EVERY: Duration = Duration::from_secs(2);

/// The first and the longest pause before those enter for whom Redis had no memory: all of their channels are sent again.
pub(crate) const FULL_BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// How soon the others learn how many connections this server has.
pub(crate) const REPORT_EVERY: Duration = Duration::from_millis(500);

/// Lines of one kind in the log, per second: what others send, or what is tried again and again, must not fill it.
pub(crate) const LOGGED_PER_SECOND: u32 = 1;
