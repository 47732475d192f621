//! Every fixed limit of this crate. What an operator sets comes in through the options.

use std::time::Duration;

/// Bytes read from a socket in one system call, into a buffer that each thread has once.
pub(crate) const READ_BYTES_MAX: usize = 64 * 1024;

/// Written bytes that a TLS session buffers until the socket takes them; also the most that it takes in one call.
pub(crate) const TLS_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// TLS records read from a socket in one system call, in bytes. What they and one more record hold, decrypted, fits
/// into the buffer of [`READ_BYTES_MAX`].
pub(crate) const TLS_READ_BYTES_MAX: usize = 32 * 1024;

/// Size of a certificate or key file.
pub(crate) const TLS_FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Time between two checks whether these files have changed.
pub(crate) const TLS_POLL_INTERVAL: Duration = Duration::from_secs(10);

/// Chunk in which tungstenite reads a message that did not arrive in one read, in bytes.
pub(crate) const READ_CHUNK_BYTES: usize = 4 * 1024;

/// Answers collected for one write, in bytes.
pub(crate) const WRITE_BATCH_BYTES_MAX: usize = 64 * 1024;

/// Longest drain after a task has failed that the server cannot do without.
pub(crate) const FAILED_GRACE: Duration = Duration::from_secs(2);

/// Time for the peer to finish the closing handshake and to take what was sent before.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A PROXY header of version 1, in bytes: the longest line that the protocol allows.
pub(crate) const PROXY_V1_BYTES_MAX: usize = 107;

/// A PROXY header of version 2, in bytes. The addresses take 52 or 232; the rest is for what else a proxy tells, such as
/// a client certificate. The protocol allows 65,551.
pub(crate) const PROXY_V2_BYTES_MAX: usize = 4 * 1024;

/// Head of an HTTP request: bytes and headers. hyper answers 431 to more.
pub(crate) const HTTP_HEAD_BYTES_MAX: usize = 16 * 1024;
/// See [`HTTP_HEAD_BYTES_MAX`].
pub(crate) const HTTP_HEADERS_MAX: usize = 64;

/// Requests of one HTTP connection, and its life. The answer to the request that reaches one of them says
/// `Connection: close`. A client opens another connection then; nobody keeps one for ever.
pub(crate) const HTTP_REQUESTS_MAX: u32 = 1_000;
/// See [`HTTP_REQUESTS_MAX`].
pub(crate) const HTTP_LIFE: Duration = Duration::from_secs(10 * 60);

/// Longest time for a peer to take an answer, however steadily it reads.
pub(crate) const HTTP_ANSWER_MAX: Duration = Duration::from_secs(120);

/// Time from the head of a request until its body is complete.
pub(crate) const HTTP_BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Body of a request that has no use for one, in bytes: GET of a page or a metric. It is read and ignored.
pub(crate) const HTTP_IGNORED_BODY_BYTES_MAX: usize = 16 * 1024;

/// Time for which the server reads on after its last answer, so that the answer arrives.
pub(crate) const HTTP_LINGER: Duration = Duration::from_secs(1);

/// Bytes that are read and discarded in one system call.
pub(crate) const DISCARD_CHUNK_BYTES: usize = 16 * 1024;

/// Sockets that are not open WebSockets: they speak HTTP, or are being closed. Over the limit, idle HTTP connections
/// give way; if there is none, a new socket is closed without an answer, and a closing WebSocket does not wait for the
/// peer's close frame.
pub(crate) const SOCKET_SLOTS_MAX: usize = 16 * 1024;

/// Largest message that is read from a refused peer, and from any whose connection is being closed, in bytes. It is
/// discarded.
pub(crate) const REFUSED_MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// Bytes that are read while a connection is being closed. What an honest peer had sent before it saw the close frame
/// fits: if the server closed the socket before it has read that, the system would reset the connection, and the peer
/// might lose the close frame.
pub(crate) const CLOSING_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Connections that the kernel completes before they are accepted. It may allow fewer.
pub(crate) const LISTEN_BACKLOG: u32 = 4096;

/// Pause after a failed accept (out of file descriptors), before the next one.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Time from the notice of a drain to the closing of the connections, for requests in flight.
pub(crate) const DRAIN_NOTICE: Duration = Duration::from_millis(500);

/// Least time for close frames to go out and be answered, however short the grace period is.
pub(crate) const DRAIN_CLOSE_MIN: Duration = Duration::from_millis(250);

/// Time for answers that the engine still owes when a connection ends. After it, the connection closes without them.
pub(crate) const ANSWERS_TIMEOUT: Duration = Duration::from_secs(5);

/// Log lines about failed connections, with `log_connections = "failures"`.
pub(crate) const LOGGED_FAILURES_PER_SECOND: u32 = 20;

/// Log lines about failed accepts.
pub(crate) const LOGGED_ACCEPT_ERRORS_PER_SECOND: u32 = 1;

/// `Retry-After` of what may be retried, in seconds, where nothing better is known.
pub(crate) const RETRY_AFTER_S: u64 = 5;

/// How many times larger the body of a batch may be than that of another request.
pub(crate) const BATCH_BYTES_FACTOR: usize = 16;

/// Batches of the HTTP API that run at the same time. Over the limit, one gets 503.
pub(crate) const BATCHES_MAX: usize = 64;

/// Requests of a batch with `parallel` that run at the same time.
pub(crate) const BATCH_PARALLEL_MAX: usize = 32;

/// Bytes of the answer of a batch.
pub(crate) const BATCH_ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Room in the answer that a write of a batch needs to begin, in bytes. No answer of a write is larger.
pub(crate) const BATCH_WRITE_BYTES: usize = 64 * 1024;

/// Seconds without an event after which a stream of frames sends something all the same.
/// A watcher who has left is noticed by the write that fails then, and holds one of few places until that.
pub(crate) const WATCH_SILENCE_TURNS: u32 = 2;

/// Longest part of a path that an error of the HTTP API quotes, in bytes.
pub(crate) const PATH_QUOTE_BYTES_MAX: usize = 128;

/// Room in the answer of a batch that is kept for the refusal of each request, in bytes.
pub(crate) const BATCH_REFUSAL_BYTES: usize = 1024;
