//! What is bounded, and by how much. What operators may set is in [`Settings`](super::Settings).

use std::time::Duration;

/// Longest event of a stream, in bytes: the whole answer in one, from an endpoint that does not really stream.
pub(super) const EVENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How much of an error's body is read, in bytes. Those of the provider have a few hundred.
pub(super) const ERROR_BODY_BYTES_MAX: usize = 64 * 1024;

/// How long an error's body is waited for once its head is there.
pub(super) const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// How much may come behind the end of a message before its connection is closed, in bytes.
pub(super) const DRAIN_BYTES_MAX: usize = 16 * 1024;

/// How long the end of the body is waited for behind the end of a message.
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// How much of the provider's words about an error is passed on, in bytes.
pub(super) const MESSAGE_BYTES_MAX: usize = 1024;

/// Longest name the provider may give: of a model, a message, a request, an error, a stop reason. In bytes.
pub(super) const NAME_BYTES_MAX: usize = 256;

/// Time for one connection: name, TCP, proxy, TLS.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that was not used for so long is closed.
pub(super) const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// How many unused connections are kept.
pub(super) const POOL_IDLE_MAX: usize = 16;

/// Most headers of a response.
pub(super) const HEADERS_MAX: usize = 100;

/// After so long without a byte the system looks whether the provider's machine is still there.
pub(super) const TCP_KEEPALIVE: Duration = Duration::from_secs(30);

/// The longest wait that is waited for. It is compared with what the provider said.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(30);

/// The wait before the first retry where the provider names none. It doubles.
pub(super) const BACKOFF_MIN: Duration = Duration::from_millis(500);

/// The longest wait where the provider names none.
pub(super) const BACKOFF_MAX: Duration = Duration::from_secs(8);
