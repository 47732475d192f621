//! How the server watches itself.

use std::time::Duration;

use super::key::section;
use super::value::{DAY, time};

section! {
    /// How the server watches itself.
    pub struct Canary {
        /// Interval at which the server publishes something to itself, through the engine and every fan-out task. After
        /// three intervals without an arrival, or when the engine refuses it, `/ready` says 503 until one arrives.
        interval: Duration = "5s", time(Duration::from_millis(100), DAY).zero("no canary");
    }
}
