//! How much of a channel an engine keeps.

use std::time::Duration;

/// How much of a channel is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Publications; 0: none, and no offsets.
    pub size: usize,
    /// Their age; zero: any.
    pub ttl: Duration,
    /// Whose age counts.
    pub expiry: Expiry,
}

/// Whose age decides when a publication expires.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Expiry {
    /// Its own.
    #[default]
    Each,
    /// That of the newest one: they all expire together, as in the stream of a run, which is read from its beginning.
    Together,
}

impl Retention {
    /// Each publication expires by its own age.
    pub const fn new(size: usize, ttl: Duration) -> Self {
        Retention { size, ttl, expiry: Expiry::Each }
    }
}
