//! Sizes that the contract fixes. What an operator can set is in the server's configuration.

/// Longest request id, in bytes of the decoded string (PROTOCOL section 3).
pub const ID_BYTES_MAX: usize = 128;

/// Deepest nesting of arrays and objects in one frame. RFC 8259 section 9 lets a parser set it.
pub const DEPTH_MAX: usize = 128;

/// Deepest nesting in a frame of a server's. What nests two levels deep in the request that published it
/// nests four levels deep in an answer to `get_history`.
pub const SERVER_DEPTH_MAX: usize = DEPTH_MAX + 2;

/// Longest account of what is wrong with a payload, in bytes: the parser quotes what it found, and that may
/// be as long as the frame.
pub const REASON_BYTES_MAX: usize = 256;

/// Longest reason in a close frame, in bytes: 125 of a control frame less 2 of the code (RFC 6455, 5.5).
pub const CLOSE_REASON_BYTES_MAX: usize = 123;

/// Longest name of a channel, in bytes (PROTOCOL section 5).
pub const CHANNEL_BYTES_MAX: usize = 255;

/// Longest `msg_id` of a publication, in bytes (PROTOCOL section 4).
pub const MSG_ID_BYTES_MAX: usize = 128;

/// Largest `limit` of `get_history` and `get_presence` (PROTOCOL section 4).
pub const HISTORY_LIMIT_MAX: u32 = 1_000;

/// `limit` of `get_history` and `get_presence` when it is left out.
pub const HISTORY_LIMIT_DEFAULT: u32 = 100;

/// Most of a channel's name that an error quotes, in bytes.
pub const QUOTE_BYTES_MAX: usize = 64;
