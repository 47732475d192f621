//! Every fixed limit of this crate. What an operator sets comes in through the options.

use std::time::Duration;

/// Bytes read from a socket in one system call, into a buffer that each thread has once.
pub(crate) const READ_BYTES_MAX: usize = 64 * 1024;

/// Bytes that a TLS session holds of what was written and has not gone out, and that it takes over at once.
pub(crate) const TLS_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Bytes of records read from a socket in one system call; what is in them, and in one record more, fits into the buffer
/// behind it ([`READ_BYTES_MAX`]).
pub(crate) const TLS_READ_BYTES_MAX: usize = 32 * 1024;

/// Size of a certificate's or key's file.
pub(crate) const TLS_FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Time between two looks at whether these files have changed.
pub(crate) const TLS_LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// Chunk in which tungstenite takes over a message that did not arrive in one read, in bytes.
pub(crate) const READ_CHUNK_BYTES: usize = 4 * 1024;

/// Answers of one batch that are collected before they are written, in bytes.
pub(crate) const WRITE_BATCH_BYTES_MAX: usize = 64 * 1024;

/// Most time for a drain after a task has failed that the server cannot do without.
pub(crate) const FAILED_GRACE: Duration = Duration::from_secs(2);

/// Time for the peer to finish a closing handshake, and to take what is on its way to it.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Head of an HTTP request: bytes and headers. hyper answers 431 to more.
pub(crate) const HTTP_HEAD_BYTES_MAX: usize = 16 * 1024;
/// See [`HTTP_HEAD_BYTES_MAX`].
pub(crate) const HTTP_HEADERS_MAX: usize = 64;

/// Time from the head of a request until its body is complete.
pub(crate) const HTTP_BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Body of a request that has no use for one, in bytes: GET of a page or a metric. It is read and ignored.
pub(crate) const HTTP_IGNORED_BODY_BYTES_MAX: usize = 16 * 1024;

/// Time in which what the peer still sends is read after our last answer, so that the answer arrives.
pub(crate) const HTTP_LINGER: Duration = Duration::from_secs(1);

/// Bytes of that in one system call.
pub(crate) const DISCARD_CHUNK_BYTES: usize = 16 * 1024;

/// Sockets that are not a WebSocket (yet), or not any more, as they are being closed. Further ones are closed at once:
/// new ones without an answer, those that are being closed without waiting for the peer's.
pub(crate) const OUTSIDE_SOCKETS_MAX: usize = 16 * 1024;

/// Largest message of a peer that has been refused, in bytes; it is thrown away.
pub(crate) const REFUSED_MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// Connections that the kernel completes before they are accepted. It may allow fewer.
pub(crate) const LISTEN_BACKLOG: u32 = 4096;

/// Pause after a failed accept (out of file descriptors), before the next one.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Time between the notice of a drain and the closing of the connections, for requests under way.
pub(crate) const DRAIN_NOTICE: Duration = Duration::from_millis(500);

/// Time in which close frames go out and are answered, however short the grace period is.
pub(crate) const DRAIN_CLOSE_MIN: Duration = Duration::from_millis(250);

/// Time at the end of a drain for what an engine still owes: then the connection closes without it.
pub(crate) const ANSWERS_TIMEOUT: Duration = Duration::from_secs(5);

/// Lines in the log about connections that failed, with `log_connections = "failures"`.
pub(crate) const LOGGED_FAILURES_PER_SECOND: u32 = 20;

/// Lines in the log about sockets that the system does not give.
pub(crate) const LOGGED_ACCEPT_ERRORS_PER_SECOND: u32 = 1;

/// What a client that is refused for want of room is told to wait, in seconds.
pub(crate) const RETRY_AFTER_S: u32 = 5;
