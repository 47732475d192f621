//! An engine that the test controls: it holds back answers to publishers, as with a slow disk; it has no room; it
//! panics.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use ws_core::engine::{
    Append, Appended, Done, Engine, EngineSink, EngineStats, Epoch, FindQuery, Found, History, HistoryQuery,
};
use ws_core::{MemoryEngine, MemoryLimits};
use ws_proto::action::Ack;

type Answer = Box<dyn FnOnce() + Send>;

/// See the module.
pub(super) struct Held {
    memory: MemoryEngine,
    answers: Arc<Mutex<Vec<Answer>>>,
    full: AtomicBool,
    panics: AtomicBool,
    sink: OnceLock<Arc<dyn EngineSink>>,
}

impl Held {
    pub(super) fn new() -> Self {
        let memory = MemoryEngine::new(MemoryLimits { history_bytes_max: 1 << 20, idle_channels_max: 100 });
        Held {
            memory,
            answers: Arc::default(),
            full: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            sink: OnceLock::new(),
        }
    }

    pub(super) fn held(&self) -> usize {
        self.answers.lock().expect("no panic while locked").len()
    }

    /// Sets whether it has room.
    pub(super) fn set_room(&self, room: bool) {
        self.full.store(!room, Ordering::Release);
        self.sink.get().filter(|_| room).iter().for_each(|sink| sink.has_room());
    }

    /// From now on, panics on a query for publications, but not on one for a position.
    pub(super) fn panic(&self) {
        self.panics.store(true, Ordering::Release);
    }

    pub(super) fn let_go(&self) {
        let answers = std::mem::take(&mut *self.answers.lock().expect("no panic while locked"));
        answers.into_iter().for_each(|answer| answer());
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Held({})", self.held())
    }
}

impl Engine for Held {
    fn name(&self) -> &'static str {
        "held"
    }

    fn ack(&self) -> Ack {
        self.memory.ack()
    }

    fn start(&self, sink: Arc<dyn EngineSink>) {
        self.memory.start(sink.clone());
        assert!(self.sink.set(sink).is_ok(), "it is started once");
    }

    fn append(&self, append: Append<'_>, done: Done<Appended>) {
        let answers = self.answers.clone();
        let hold = move |result| {
            let answer: Answer = Box::new(move || done(result));
            answers.lock().expect("no panic while locked").push(answer);
        };
        self.memory.append(append, Box::new(hold));
    }

    fn history(&self, query: HistoryQuery<'_>, done: Done<History>) {
        assert!(query.limit == 0 || !self.panics.load(Ordering::Acquire), "on purpose");
        self.memory.history(query, done);
    }

    fn find(&self, query: FindQuery<'_>, done: Done<Option<Found>>) {
        self.memory.find(query, done);
    }

    fn remove(&self, channel: &str, done: Done<Epoch>) {
        self.memory.remove(channel, done);
    }

    fn interest(&self, channel: &str, interested: bool) {
        self.memory.interest(channel, interested);
    }

    fn has_room(&self) -> bool {
        !self.full.load(Ordering::Acquire)
    }

    fn stats(&self) -> EngineStats {
        self.memory.stats()
    }

    fn close(&self, done: Done<()>) {
        self.memory.close(done);
    }
}
