//! How long the client waits for what.

use std::time::Duration;

/// How long the client waits for what. The defaults are right for most programs; tests make them shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// From the beginning of an attempt until the server has accepted the connection: 10 s.
    pub connect: Duration,
    /// From a request to its answer, after which the connection is given up: 10 s.
    pub request: Duration,
    /// What the first back-off is at most: 0.5 s.
    pub backoff_min: Duration,
    /// What any back-off is at most: 20 s.
    pub backoff_max: Duration,
    /// After being connected for so long, back-offs begin with the shortest again: 10 s.
    pub stable: Duration,
    /// How long a connection may take to answer after a sleep: 4 s.
    pub probe: Duration,
    /// How long a token provider may take: 30 s.
    pub token: Duration,
    /// How long a channel without readers is kept: 1 s.
    pub linger: Duration,
    /// The least wait after being refused: 30 s.
    pub refused: Duration,
    /// How long a store may take: 2 s.
    pub store: Duration,
    /// After this, a store that failed is tried again: 30 s.
    pub store_retry: Duration,
    /// Positions are stored at most so often: 1 s.
    pub save: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Timers {
            connect: ms(10_000),
            request: ms(10_000),
            backoff_min: ms(500),
            backoff_max: ms(20_000),
            stable: ms(10_000),
            probe: ms(4_000),
            token: ms(30_000),
            linger: ms(1_000),
            refused: ms(30_000),
            store: ms(2_000),
            store_retry: ms(30_000),
            save: ms(1_000),
        }
    }
}
