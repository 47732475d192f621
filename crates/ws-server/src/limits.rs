//! Fixed limits of the binary itself: of its log, and of what it prints.

use std::time::Duration;

/// Bytes of lines that wait for whoever reads the log. What does not fit is dropped and counted. Twice that are in memory
/// at most, as the lines that are being written have left the queue.
pub(crate) const LOG_QUEUE_BYTES_MAX: usize = 1024 * 1024;

/// Pause before a log that takes nothing at the moment (a pipe that somebody has made non-blocking) is tried again.
pub(crate) const LOG_RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Time at the end of the process for the lines that are queued.
pub(crate) const LOG_FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

/// Time for what is printed on standard error without the log: mistakes, and why a command failed.
pub(crate) const COMPLAINT_TIMEOUT: Duration = Duration::from_secs(1);
