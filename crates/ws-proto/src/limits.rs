//! Limits fixed by the protocol. Those that an operator can set are in the server's configuration.

/// Longest request id, in bytes of the decoded string (PROTOCOL section 3).
pub const ID_BYTES_MAX: usize = 128;

/// Deepest nesting of arrays and objects in one frame. RFC 8259 section 9 allows such a limit.
pub const DEPTH_MAX: usize = 128;

/// Deepest nesting in a frame from a server. Data is two levels deep in a `publish` request, but four levels
/// deep in a `get_history` response.
pub const SERVER_DEPTH_MAX: usize = DEPTH_MAX + 2;

/// Longest description of what is wrong with a payload, in bytes. The parser quotes what it found, which may
/// be as long as the frame.
pub const REASON_BYTES_MAX: usize = 256;

/// Longest reason in a close frame, in bytes: 125 for a control frame minus 2 for the code (RFC 6455, 5.5).
pub const CLOSE_REASON_BYTES_MAX: usize = 123;

/// Longest name of a channel, in bytes (PROTOCOL section 5).
pub const CHANNEL_BYTES_MAX: usize = 255;

/// Longest `msg_id` of a publication, in bytes (PROTOCOL section 4).
pub const MSG_ID_BYTES_MAX: usize = 128;

/// Largest `limit` of `get_history` and `get_presence` (PROTOCOL section 4).
pub const HISTORY_LIMIT_MAX: u32 = 1_000;

/// Most positions in the `since` of `authenticate`, unless a connection may have more subscriptions.
pub const SINCE_CHANNELS_MAX: usize = 1_000;

/// Longest key of an object that an error names in a path, in bytes: the whole name of a channel fits.
pub const PATH_KEY_BYTES_MAX: usize = CHANNEL_BYTES_MAX;

/// Default `limit` of `get_history` and `get_presence`.
pub const HISTORY_LIMIT_DEFAULT: u32 = 100;

/// Most requests of one batch (PROTOCOL section 9).
pub const BATCH_REQUESTS_MAX: usize = 1_000;

/// Longest part of a channel name that an error quotes, in bytes.
pub const QUOTE_BYTES_MAX: usize = 64;

/// Longest name of a channel in which Claude may be asked, in bytes: the name of its streams is a channel's name
/// (PROTOCOL section 8).
pub const ASKING_CHANNEL_BYTES_MAX: usize = 183;

/// Longest id of a run, in bytes (PROTOCOL section 8).
pub const RUN_ID_BYTES_MAX: usize = 64;
