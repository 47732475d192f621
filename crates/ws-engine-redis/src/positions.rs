//! Who waits for the positions of channels that are being asked for already.

use std::collections::HashMap;
use std::fmt;

use parking_lot::Mutex;
use tokio::time::Instant;
use ws_core::engine::{Done, History, Retention};

use crate::scripts::ttl_ms;

/// A channel, and what is kept of it.
type Key = (Box<str>, usize, i64);

/// When somebody asked, and their answer.
type Asked = (Instant, Done<History>);

/// For each position that is on its way: who came too late for it and waits for the next one, and when each came.
#[derive(Default)]
pub(crate) struct Positions(pub(crate) Mutex<HashMap<Key, Vec<Asked>>>);

pub(crate) fn key(channel: &str, retention: Retention) -> Key {
    (channel.into(), retention.size, ttl_ms(retention))
}

impl fmt::Debug for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Positions").field("asked", &self.0.lock().len()).finish()
    }
}
