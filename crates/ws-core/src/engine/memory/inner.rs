//! The streams of the memory engine, and the operations on them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::cell::Cell;
use super::maintenance::{self, Maintenance};
use super::stream::{Outcome, Stream, Totals};
use crate::clock::Clock;
use crate::engine::{
    Append, Appended, EngineError, EngineSink, Epoch, FindQuery, Found, History, HistoryQuery, Publication,
};
use crate::registry::Registry;

/// Limits that an operator sets.
#[derive(Debug, Clone, Copy)]
pub struct MemoryLimits {
    /// Publications of all channels together, in bytes. Over it, channels in turn lose the older half of their
    /// publications.
    pub history_bytes_max: usize,
    /// Channels without subscribers or publications whose position is remembered.
    pub idle_channels_max: usize,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) limits: MemoryLimits,
    pub(super) clock: Clock,
    pub(super) sink: OnceLock<Arc<dyn EngineSink>>,
    pub(super) streams: Registry<Cell>,
    pub(super) totals: Totals,
    pub(super) maintenance: Maintenance,
    /// Each epoch is this number plus a number of steps.
    pub(super) base: u64,
    pub(super) epochs: AtomicU64,
}

impl Inner {
    /// Delivers a publication that is not retained; the hub decides on the order.
    pub(super) fn pass_on(&self, append: &Append<'_>) -> Result<Appended, EngineError> {
        if append.age_ms > 0 {
            return Err(EngineError::UnknownOutcome);
        }
        self.sink().deliver(append.channel, &Publication { offset: None, body: append.body.clone() }, append.read_us);
        Ok(Appended { position: None, duplicate: false })
    }

    pub(super) fn append(&self, mut append: Append<'_>) -> Result<Appended, EngineError> {
        let now_ms = self.clock.now_ms();
        let appended = self.with(append.channel, |cell, stream| {
            let was_empty = stream.is_empty();
            stream.known = true;
            let outcome = match stream.append(&mut append, now_ms, &self.totals) {
                Ok(outcome) => outcome,
                Err(error) => {
                    // The last publication may have expired.
                    self.emptied(cell, stream);
                    return Err(error);
                }
            };
            let (offset, duplicate) = match outcome {
                Outcome::New(publication) => {
                    // Under the lock: in the order of the offsets.
                    if stream.subscribers > 0 {
                        self.sink().deliver(append.channel, &publication, append.read_us);
                    }
                    (publication.offset.unwrap_or_default(), false)
                }
                Outcome::Duplicate(offset) => (offset, true),
            };
            self.filled(cell, stream, was_empty);
            Ok(Appended { position: Some((stream.epoch, offset)), duplicate })
        });
        self.make_room();
        if appended.is_err() {
            self.forget_idle();
        }
        appended
    }

    pub(super) fn history(&self, query: &HistoryQuery<'_>) -> Result<History, EngineError> {
        if query.retention.size == 0 {
            return Err(EngineError::NoHistory);
        }
        let now_ms = self.clock.now_ms();
        let history = self.with(query.channel, |cell, stream| {
            stream.known = true;
            let history = stream.history(query, now_ms, &self.totals);
            self.emptied(cell, stream);
            history
        });
        self.forget_idle();
        Ok(history)
    }

    pub(super) fn find(&self, query: &FindQuery<'_>) -> Option<Found> {
        let cell = self.streams.get(query.channel).filter(|_| query.retention.size > 0)?;
        let mut stream = cell.stream.lock();
        let found = stream.find(query, self.clock.now_ms(), &self.totals);
        self.emptied(&cell, &mut stream);
        found
    }

    /// Calls `f` with the stream of a channel, which is created if there is none.
    pub(super) fn with<R>(&self, channel: &str, f: impl FnOnce(&Arc<Cell>, &mut Stream) -> R) -> R {
        loop {
            let cell = self.streams.get_or_insert(channel, || self.new_cell(channel));
            let mut stream = cell.stream.lock();
            if !stream.gone {
                return f(&cell, &mut stream);
            }
        }
    }

    pub(super) fn new_cell(&self, channel: &str) -> Cell {
        let stream = Mutex::new(Stream::new(self.next_epoch(), self.clock.now_ms()));
        Cell { name: channel.into(), stream, at: AtomicU64::new(maintenance::NOWHERE) }
    }

    pub(super) fn next_epoch(&self) -> Epoch {
        // An odd step: all 2⁶⁴ numbers come before one repeats.
        let step = self.epochs.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Epoch::from_u64(self.base.wrapping_add(step))
    }

    pub(super) fn sink(&self) -> &dyn EngineSink {
        match self.sink.get() {
            Some(sink) => &**sink,
            None => &NoSink,
        }
    }
}

/// The sink before the start.
#[derive(Debug)]
struct NoSink;

impl EngineSink for NoSink {
    fn deliver(&self, _: &str, _: &Publication, _: Option<u64>) {}
    fn reset(&self, _: &str, _: Epoch, _: u64) {}
    fn renew(&self, _: &str, _: Epoch, _: u64) {}
    fn skip(&self, _: &str, _: u64) {}
    fn lost(&self, _: &str) {}
    fn has_room(&self) {}
}
