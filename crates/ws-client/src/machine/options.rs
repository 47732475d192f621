//! What the machine is built with.

use std::time::Duration;

use crate::timers::Timers;

/// Bounds and timers of one client. Times are in milliseconds.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Whether there is a token provider.
    pub(crate) provider: bool,
    /// Whether the outbox has a store.
    pub(crate) store: bool,
    /// Entries of the outbox at most.
    pub(crate) entries: usize,
    /// Bytes of data and tags in the outbox at most.
    pub(crate) bytes: usize,
    /// How long a publication is of use, unless it says otherwise.
    pub(crate) max_age: u64,
    pub(crate) timers: Ms,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            provider: false,
            store: false,
            entries: 1_000,
            bytes: 4 * 1024 * 1024,
            max_age: 24 * 60 * 60 * 1_000,
            timers: Ms::from(&Timers::default()),
        }
    }
}

/// [`Timers`] in milliseconds.
#[derive(Debug, Clone)]
pub(crate) struct Ms {
    pub(crate) connect: u64,
    pub(crate) request: u64,
    pub(crate) backoff_min: u64,
    pub(crate) backoff_max: u64,
    pub(crate) stable: u64,
    pub(crate) probe: u64,
    pub(crate) token: u64,
    pub(crate) linger: u64,
    pub(crate) refused: u64,
    pub(crate) store: u64,
    pub(crate) store_retry: u64,
    pub(crate) save: u64,
}

impl From<&Timers> for Ms {
    fn from(timers: &Timers) -> Self {
        // More than any connection lives.
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX).min(u64::MAX / 4);
        Ms {
            connect: ms(timers.connect),
            request: ms(timers.request),
            backoff_min: ms(timers.backoff_min),
            backoff_max: ms(timers.backoff_max),
            stable: ms(timers.stable),
            probe: ms(timers.probe),
            token: ms(timers.token),
            linger: ms(timers.linger),
            refused: ms(timers.refused),
            store: ms(timers.store),
            store_retry: ms(timers.store_retry),
            save: ms(timers.save),
        }
    }
}
