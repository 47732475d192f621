//! The memory engine: everything in this process, nothing survives it.
//!
//! Every channel has its own stream behind its own lock; the sink is called under that lock, so it sees publications in
//! their order. Old publications are dropped when their channel is used, and by a task that once a second visits only
//! the channels in which something has expired.

mod cell;
mod expiry;
mod inner;
mod maintenance;
#[cfg(test)]
mod repeats;
mod stream;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use ws_proto::action::Ack;

use self::inner::Inner;
pub use self::inner::MemoryLimits;
use self::maintenance::Maintenance;
use self::stream::Totals;
use super::{Append, Appended, Done, Engine, EngineSink, EngineStats, Epoch, FindQuery, Found, History, HistoryQuery};
use crate::clock::Clock;
use crate::registry::Registry;
use crate::supervisor::Supervisor;

/// Keeps publications in memory.
#[derive(Debug)]
pub struct MemoryEngine {
    inner: Arc<Inner>,
    supervisor: Supervisor,
}

impl MemoryEngine {
    /// An empty engine.
    pub fn new(limits: MemoryLimits) -> Self {
        let inner = Inner {
            limits,
            clock: Clock::start(),
            sink: OnceLock::new(),
            streams: Registry::new(),
            totals: Totals::default(),
            maintenance: Maintenance::default(),
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
            let maintenance = expiry::run(Arc::downgrade(&self.inner));
            tokio::spawn(self.supervisor.clone().watch("maintenance of the memory engine", maintenance));
        }
    }

    fn append(&self, append: Append<'_>, done: Done<Appended>) {
        done(if append.retention.size == 0 { self.inner.pass_on(&append) } else { self.inner.append(append) });
    }

    fn history(&self, query: HistoryQuery<'_>, done: Done<History>) {
        done(self.inner.history(&query));
    }

    fn find(&self, query: FindQuery<'_>, done: Done<Option<Found>>) {
        done(Ok(self.inner.find(&query)));
    }

    fn remove(&self, channel: &str, done: Done<Epoch>) {
        let epoch = self.inner.next_epoch();
        self.inner.with(channel, |cell, stream| {
            stream.known = true;
            stream.reset(epoch, self.inner.clock.now_ms(), &self.inner.totals);
            self.inner.emptied(cell, stream);
            self.inner.sink().reset(channel, epoch, 0);
        });
        done(Ok(epoch));
    }

    fn interest(&self, channel: &str, interested: bool) {
        let unknown = self.inner.with(channel, |cell, stream| {
            let (more, less) = (u32::from(interested), u32::from(!interested));
            stream.subscribers = (stream.subscribers + more).saturating_sub(less);
            self.inner.emptied(cell, stream);
            (!stream.known && stream.subscribers == 0).then(|| cell.clone())
        });
        if let Some(cell) = unknown {
            self.inner.forget_unknown(&cell);
        }
        self.inner.forget_idle();
    }

    fn stats(&self) -> EngineStats {
        EngineStats {
            channels: self.inner.streams.len() as u64,
            publications: self.inner.totals.publications(),
            bytes: self.inner.totals.bytes(),
            store: None,
            cluster: None,
        }
    }

    fn supervisor(&self) -> Option<&Supervisor> {
        Some(&self.supervisor)
    }

    fn close(&self, done: Done<()>) {
        done(Ok(()));
    }
}
