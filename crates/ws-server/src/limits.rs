//! Fixed limits of the binary: of its log, of its output, and of `doctor`.

use std::time::Duration;

/// Bytes of lines that wait to be written to the log. Lines that do not fit are dropped and counted. At most twice as
/// many are in memory, since lines that are being written have left the queue.
pub(crate) const LOG_QUEUE_BYTES_MAX: usize = 1024 * 1024;

/// Pause before writing again to a log that takes nothing at the moment (a non-blocking pipe).
pub(crate) const LOG_RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Time at the end of the process for writing the queued lines.
pub(crate) const LOG_FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

/// Time for printing on standard error without the log: mistakes, and why a command failed.
pub(crate) const STDERR_TIMEOUT: Duration = Duration::from_secs(1);

/// Time for an answer to a request of `doctor`.
pub(crate) const DOCTOR_ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// First size of the read buffer of a WebSocket of `doctor`.
pub(crate) const DOCTOR_READ_BYTES: usize = 16 * 1024;

/// Time that `doctor` spends on syncing a file in the data directory.
pub(crate) const DOCTOR_SYNC_TIME: Duration = Duration::from_millis(500);
