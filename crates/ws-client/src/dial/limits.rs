//! Limits of a connection.

/// Limits of a connection. Nothing here is the default of a library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SocketLimits {
    /// The largest message that is read, all its fragments together, in bytes. A larger one ends the connection.
    pub(crate) message_bytes_max: usize,
    /// Allocated at once for each connection, in bytes; grows while a larger message arrives.
    pub(crate) read_buffer_bytes: usize,
    /// Frames are written together up to this many bytes.
    pub(crate) write_buffer_bytes: usize,
    /// The most that may wait for the socket to take it, in bytes: one message of any size, and what goes with it.
    pub(crate) write_buffer_bytes_max: usize,
}

impl Default for SocketLimits {
    fn default() -> Self {
        SocketLimits {
            // A server can be configured for messages of 64 MiB; what it sends has an envelope around them.
            message_bytes_max: 72 * 1024 * 1024,
            read_buffer_bytes: 4 * 1024,
            write_buffer_bytes: 16 * 1024,
            write_buffer_bytes_max: 72 * 1024 * 1024,
        }
    }
}
