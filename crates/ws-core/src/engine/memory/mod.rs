//! The memory engine: everything in this process, nothing survives it.
//!
//! Every channel has a stream of its own behind a lock of its own; the sink is called under that lock, so
//! that it sees publications in their order. Old publications are given up when their channel is used, and
//! by a task that looks once a second at the channels in which something has expired, never at all of them.

mod stream;
mod upkeep;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use ws_proto::action::Ack;

use self::stream::{Books, Outcome, Stream};
use self::upkeep::Upkeep;
use super::{
    Append, Appended, Done, Engine, EngineError, EngineSink, EngineStats, Epoch, History, HistoryQuery, Publication,
};
use crate::clock::Clock;
use crate::registry::{Named, Registry};
use crate::supervisor::Supervisor;

/// Limits that an operator sets.
#[derive(Debug, Clone, Copy)]
pub struct MemoryLimits {
    /// Publications of all channels together, in bytes; over it the oldest go first.
    pub history_bytes_max: usize,
    /// Channels without subscribers and publications whose position is remembered.
    pub idle_channels_max: usize,
}

/// Keeps publications in memory.
#[derive(Debug)]
pub struct MemoryEngine {
    inner: Arc<Inner>,
    supervisor: Supervisor,
}

#[derive(Debug)]
struct Inner {
    limits: MemoryLimits,
    clock: Clock,
    sink: OnceLock<Arc<dyn EngineSink>>,
    streams: Registry<Cell>,
    books: Books,
    upkeep: Upkeep,
    /// Epochs are this number and a step for each.
    base: u64,
    epochs: AtomicU64,
}

/// A registered stream.
#[derive(Debug)]
struct Cell {
    name: Box<str>,
    stream: Mutex<Stream>,
    /// Where it stands in [`Upkeep`]'s list of those that hold something; used under that list's lock.
    at: AtomicU64,
}

impl Named for Cell {
    fn name(&self) -> &str {
        &self.name
    }
}

impl MemoryEngine {
    /// An empty engine.
    pub fn new(limits: MemoryLimits) -> Self {
        let inner = Inner {
            limits,
            clock: Clock::start(),
            sink: OnceLock::new(),
            streams: Registry::new(),
            books: Books::default(),
            upkeep: Upkeep::default(),
            base: Epoch::random().as_u64(),
            epochs: AtomicU64::new(0),
        };
        MemoryEngine { inner: Arc::new(inner), supervisor: Supervisor::default() }
    }
}

impl Engine for MemoryEngine {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn ack(&self) -> Ack {
        Ack::Memory
    }

    /// Call it within a tokio runtime.
    fn start(&self, sink: Arc<dyn EngineSink>) {
        if self.inner.sink.set(sink).is_ok() {
            let upkeep = upkeep::run(Arc::downgrade(&self.inner));
            tokio::spawn(self.supervisor.clone().watch("the upkeep of the memory engine", upkeep));
        }
    }

    fn append(&self, append: Append<'_>, done: Done<Appended>) {
        done(if append.retention.size == 0 { self.inner.pass_on(&append) } else { self.inner.append(append) });
    }

    fn history(&self, query: HistoryQuery<'_>, done: Done<History>) {
        done(self.inner.history(&query));
    }

    fn remove(&self, channel: &str, done: Done<Epoch>) {
        let epoch = self.inner.next_epoch();
        self.inner.with(channel, |cell, stream| {
            stream.known = true;
            stream.reset(epoch, &self.inner.books);
            self.inner.emptied(cell, stream);
            self.inner.sink().reset(channel, epoch);
        });
        done(Ok(epoch));
    }

    fn interest(&self, channel: &str, interested: bool) {
        let unknown = self.inner.with(channel, |cell, stream| {
            let (more, less) = (u32::from(interested), u32::from(!interested));
            stream.interests = (stream.interests + more).saturating_sub(less);
            self.inner.emptied(cell, stream);
            (!stream.known && stream.interests == 0).then(|| cell.clone())
        });
        unknown.iter().for_each(|cell| self.inner.forget_unknown(cell));
        self.inner.forget_idle();
    }

    fn stats(&self) -> EngineStats {
        EngineStats {
            channels: self.inner.streams.len() as u64,
            publications: self.inner.books.publications(),
            bytes: self.inner.books.bytes(),
            store: None,
        }
    }

    fn supervisor(&self) -> Option<&Supervisor> {
        Some(&self.supervisor)
    }

    fn close(&self, done: Done<()>) {
        done(Ok(()));
    }
}

impl Inner {
    /// Nothing is retained, so the hub alone decides on the order.
    fn pass_on(&self, append: &Append<'_>) -> Result<Appended, EngineError> {
        self.sink().deliver(append.channel, &Publication { offset: None, body: append.body.clone() });
        Ok(Appended { position: None, duplicate: false })
    }

    fn append(&self, mut append: Append<'_>) -> Result<Appended, EngineError> {
        let now_ms = self.clock.now_ms();
        let appended = self.with(append.channel, |cell, stream| {
            let was_empty = stream.is_empty();
            stream.known = true;
            let (offset, duplicate) = match stream.append(&mut append, now_ms, &self.books)? {
                Outcome::New(publication) => {
                    // Under the lock: in the order of the offsets.
                    if stream.interests > 0 {
                        self.sink().deliver(append.channel, &publication);
                    }
                    (publication.offset.unwrap_or_default(), false)
                }
                Outcome::Duplicate(offset) => (offset, true),
            };
            self.filled(cell, stream, was_empty);
            Ok(Appended { position: Some((stream.epoch, offset)), duplicate })
        });
        self.make_room();
        appended
    }

    fn history(&self, query: &HistoryQuery<'_>) -> Result<History, EngineError> {
        if query.retention.size == 0 {
            return Err(EngineError::NoHistory);
        }
        let now_ms = self.clock.now_ms();
        let history = self.with(query.channel, |cell, stream| {
            stream.known = true;
            let history = stream.history(query, now_ms, &self.books);
            self.emptied(cell, stream);
            history
        });
        self.forget_idle();
        Ok(history)
    }

    /// Calls `f` with the stream of a channel, which is made where there is none.
    fn with<R>(&self, channel: &str, f: impl FnOnce(&Arc<Cell>, &mut Stream) -> R) -> R {
        loop {
            let cell = self.streams.get_or_insert(channel, || self.new_cell(channel));
            let mut stream = cell.stream.lock();
            if !stream.gone {
                return f(&cell, &mut stream);
            }
        }
    }

    fn new_cell(&self, channel: &str) -> Cell {
        let stream = Mutex::new(Stream::new(self.next_epoch()));
        Cell { name: channel.into(), stream, at: AtomicU64::new(upkeep::NOWHERE) }
    }

    fn next_epoch(&self) -> Epoch {
        // An odd step: all 2⁶⁴ epochs come before one comes again.
        let step = self.epochs.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Epoch::from_u64(self.base.wrapping_add(step))
    }

    fn sink(&self) -> &dyn EngineSink {
        match self.sink.get() {
            Some(sink) => &**sink,
            None => &NoSink,
        }
    }
}

/// Before the start nobody listens.
#[derive(Debug)]
struct NoSink;

impl EngineSink for NoSink {
    fn deliver(&self, _: &str, _: &Publication) {}
    fn reset(&self, _: &str, _: Epoch) {}
    fn has_room(&self) {}
}
