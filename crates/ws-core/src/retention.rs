//! How much of a channel an engine keeps.

use std::time::Duration;

/// How much of a channel is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Publications; 0: none, and no offsets.
    pub size: usize,
    /// Their age; zero: any.
    pub ttl: Duration,
}
