//! Every fixed limit of this crate; the configurable ones are in [`options`](crate::options).

use std::time::Duration;

/// Reader threads, each with its own connection: one per CPU of the process, within these bounds.
pub(crate) const READERS_MIN: usize = 2;
pub(crate) const READERS_MAX: usize = 16;

/// Queries that may wait for a reader.
pub(crate) const QUERIES_MAX: usize = 100_000;

/// Bytes of publications in one transaction; the last one may exceed it.
pub(crate) const BATCH_BYTES_MAX: usize = 4 << 20;

/// What a publication counts in the queue in addition to its body, in bytes.
pub(crate) const QUEUED_BYTES: usize = 256;

/// Above this number of streams in memory, those that nobody uses are evicted.
pub(crate) const STREAMS_MAX: usize = 10_000;

/// Streams that are considered for eviction when one is added.
pub(crate) const STREAMS_LOOKED_AT: usize = 4;

/// Parts of the registry of streams, each with its own lock.
pub(crate) const STREAMS_PARTS: usize = 64;

/// Publications of one channel that are deleted with a batch, in addition to as many as it has added.
pub(crate) const TRIM_ROWS: u64 = 64;

/// Publications that one step of maintenance deletes at most, over all channels.
pub(crate) const MAINTENANCE_ROWS: u64 = 2_000;

/// Channels that one step of maintenance visits.
pub(crate) const MAINTENANCE_CHANNELS: u64 = 2_000;

/// Channels that are considered for forgetting in addition to the excess, because some may have subscribers.
pub(crate) const MAINTENANCE_SPARE_CHANNELS: u64 = 64;

/// Time after which a step of maintenance starts nothing more.
pub(crate) const MAINTENANCE_STEP: Duration = Duration::from_millis(10);

/// Time between two steps of maintenance: while there is more to do, as long as the last step took, up to the first;
/// otherwise the second.
pub(crate) const MAINTENANCE_PAUSE_MAX: Duration = Duration::from_millis(20);
pub(crate) const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(1);

/// Steps of maintenance between two counts of the idle channels.
pub(crate) const IDLE_COUNT_STEPS: u32 = 60;

/// Time that a connection waits for a lock of another program.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Page caches, in KiB: the writer's, and that of each other connection.
pub(crate) const WRITER_CACHE_KIB: i64 = 8 * 1024;
pub(crate) const READER_CACHE_KIB: i64 = 2 * 1024;

/// Prepared statements that a connection keeps.
pub(crate) const STATEMENTS_MAX: usize = 32;

/// A jump of the system's clock that is noted, in milliseconds.
pub(crate) const CLOCK_STEP_MS: u64 = 1_000;

/// Publications whose times one batch sets back when they were far ahead of the clock, besides as many as it has
/// commands, and their bytes, over which the last one may go: more than a batch adds.
pub(crate) const SET_BACK_ROWS: usize = 2_000;
pub(crate) const SET_BACK_BYTES: usize = 2 * BATCH_BYTES_MAX;

/// Rows that the check for damage reads at once, and the bytes at which it stops earlier.
pub(crate) const CHECK_ROWS: u32 = 1_000;
pub(crate) const CHECK_BYTES: usize = 4 << 20;

/// Time until the search for damage tries again to read what could not be read.
pub(crate) const CHECK_PAUSE: Duration = Duration::from_secs(10);

/// Pages in the write-ahead log from which on the keeper moves them to the database, and from which on the
/// writer does it itself, so that the log has an end.
pub(crate) const WAL_PAGES: u64 = 1_000;
pub(crate) const WAL_PAGES_MAX: u64 = 16_384;

/// Size to which the file of the write-ahead log is truncated, in bytes.
pub(crate) const WAL_BYTES_KEPT: i64 = 64 << 20;

/// Time between two runs of the keeper.
pub(crate) const KEEPER_INTERVAL: Duration = Duration::from_millis(250);

/// Publications that [`export`](crate::export()) reads at once, and the bytes at which it stops earlier.
pub(crate) const EXPORT_PAGE: usize = 1_000;
pub(crate) const EXPORT_PAGE_BYTES: usize = 4 << 20;

/// Log lines about failed history reads, and about failures of the keeper.
pub(crate) const LOGGED_FAILURES_PER_SECOND: u32 = 1;
