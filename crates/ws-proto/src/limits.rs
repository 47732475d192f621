//! Sizes that the contract fixes. What an operator can set is in the server's configuration.

/// Longest request id, in bytes of the decoded string (PROTOCOL section 3).
pub const ID_BYTES_MAX: usize = 128;

/// Deepest nesting of arrays and objects in one frame. RFC 8259 section 9 lets a parser set it.
pub const DEPTH_MAX: usize = 128;

/// Longest account of what is wrong with a payload, in bytes: the parser quotes what it found, and that may
/// be as long as the frame.
pub const REASON_BYTES_MAX: usize = 256;

/// Longest reason in a close frame, in bytes: 125 of a control frame less 2 of the code (RFC 6455, 5.5).
pub const CLOSE_REASON_BYTES_MAX: usize = 123;
