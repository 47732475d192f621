//! An engine that answers late: the memory engine, whose calls can be held back and released in order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use ws_core::engine::{
    Append, Appended, Done, Engine, EngineSink, EngineStats, Epoch, FindQuery, Found, History, HistoryQuery,
};
use ws_core::{MemoryEngine, MemoryLimits};
use ws_proto::action::Ack;

/// See the module. Clones share the engine.
#[derive(Debug, Clone)]
pub(super) struct Late(Arc<Inner>);

type Call = Box<dyn FnOnce(&MemoryEngine) + Send>;

struct Inner {
    memory: MemoryEngine,
    /// Whether calls are held back, and the ones that are.
    calls: Mutex<(bool, VecDeque<Call>)>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Late")
    }
}

impl Late {
    pub(super) fn new(limits: MemoryLimits) -> Self {
        Late(Arc::new(Inner { memory: MemoryEngine::new(limits), calls: Mutex::default() }))
    }

    /// Starts or stops holding back calls.
    pub(super) fn set_late(&self, late: bool) {
        self.calls().0 = late;
        while !late && self.let_go() {}
    }

    /// Releases the oldest held call. False if there is none.
    pub(super) fn let_go(&self) -> bool {
        let call = self.calls().1.pop_front();
        call.map(|call| call(&self.0.memory)).is_some()
    }

    fn calls(&self) -> MutexGuard<'_, (bool, VecDeque<Call>)> {
        self.0.calls.lock().expect("no panic while locked")
    }

    /// Makes the call on the memory engine: now, or when it is released.
    pub(super) fn call(&self, call: impl FnOnce(&MemoryEngine) + Send + 'static) {
        let mut calls = self.calls();
        if calls.0 || !calls.1.is_empty() {
            calls.1.push_back(Box::new(call));
        } else {
            drop(calls);
            call(&self.0.memory);
        }
    }
}

impl Engine for Late {
    fn name(&self) -> &'static str {
        "late"
    }

    fn ack(&self) -> Ack {
        self.0.memory.ack()
    }

    fn start(&self, sink: Arc<dyn EngineSink>) {
        self.0.memory.start(sink);
    }

    fn append(&self, append: Append<'_>, done: Done<Appended>) {
        let Append { retention, body, data, age_ms, read_us, .. } = append;
        let (channel, msg_id) = (append.channel.to_owned(), append.msg_id.map(str::to_owned));
        self.call(move |memory| {
            let append =
                Append { channel: &channel, retention, body, data, msg_id: msg_id.as_deref(), age_ms, read_us };
            memory.append(append, done);
        });
    }

    fn history(&self, query: HistoryQuery<'_>, done: Done<History>) {
        let channel = query.channel.to_owned();
        let HistoryQuery { retention, after, before, reverse, limit, bytes_max, .. } = query;
        self.call(move |memory| {
            let channel = &*channel;
            let query = HistoryQuery { channel, retention, after, before, reverse, limit, bytes_max };
            memory.history(query, done);
        });
    }

    fn find(&self, query: FindQuery<'_>, done: Done<Option<Found>>) {
        let (channel, retention, msg_id) = (query.channel.to_owned(), query.retention, query.msg_id.to_owned());
        self.call(move |memory| memory.find(FindQuery { channel: &channel, retention, msg_id: &msg_id }, done));
    }

    fn remove(&self, channel: &str, done: Done<Epoch>) {
        let channel = channel.to_owned();
        self.call(move |memory| memory.remove(&channel, done));
    }

    fn interest(&self, channel: &str, interested: bool) {
        self.0.memory.interest(channel, interested);
    }

    fn stats(&self) -> EngineStats {
        self.0.memory.stats()
    }

    fn close(&self, done: Done<()>) {
        self.0.memory.close(done);
    }
}
