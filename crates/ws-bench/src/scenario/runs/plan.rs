//! What all connections of a run share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde_json::json;
use tokio::sync::Semaphore;

use crate::channel::Names;
use crate::frame;
use crate::measure::Clock;
use crate::request::run_mark;

/// The names, the clock and the pace.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) clock: Clock,
    names: Names,
    subscribers: usize,
    /// Between the tokens of a run.
    pub(super) interval: Duration,
    /// One permit for each run that may be asked for.
    pub(super) ask: Semaphore,
    stopping: AtomicBool,
    written: AtomicU64,
}

impl Plan {
    pub(super) fn new(runs: usize, subscribers: usize, tokens_per_second: f64) -> Plan {
        debug_assert!(runs > 0);
        Plan {
            clock: Clock::start(),
            names: Names::new(None, &run_mark()),
            subscribers,
            interval: Duration::from_secs_f64(1.0 / tokens_per_second),
            ask: Semaphore::new(0),
            stopping: AtomicBool::new(false),
            written: AtomicU64::new(0),
        }
    }

    /// Whether the connection of this index asks for its run; otherwise it only watches.
    pub(super) fn asks(&self, index: usize) -> bool {
        index.is_multiple_of(self.subscribers)
    }

    /// The frame that subscribes a connection to the stream of its run.
    pub(super) fn subscribe(&self, index: usize) -> Vec<u8> {
        let channel = format!("claude:{}/run", self.channel(index));
        text(&json!({"type": "request", "id": "s", "action": "subscribe", "payload": {"channel": channel}}))
    }

    /// The frame that asks for a connection's run.
    pub(super) fn ask(&self, index: usize) -> Vec<u8> {
        let payload = json!({"channel": self.channel(index), "run_id": "run", "prompt": "Count the microseconds."});
        text(&json!({"type": "request", "id": "a", "action": "ask_claude", "payload": payload}))
    }

    fn channel(&self, index: usize) -> String {
        self.names.name((index / self.subscribers) as u64)
    }

    /// Microseconds since the start: what a token says.
    pub(super) fn now_us(&self) -> u64 {
        self.clock.now_ns() / 1000
    }

    /// A token is written.
    pub(super) fn count(&self) {
        self.written.fetch_add(1, Relaxed);
    }

    /// Tokens that all runs have written.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// All runs end with their next token.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Relaxed);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }
}

fn text(request: &serde_json::Value) -> Vec<u8> {
    let mut out = Vec::new();
    frame::text(&mut out, request.to_string().as_bytes());
    out
}
