//! An engine that records what is published, for the model, and answers when the test says so.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use ws_core::engine::{
    Append, Appended, Done, Engine, EngineError, EngineSink, EngineStats, Epoch, FindQuery, Found, History,
    HistoryQuery, Retention,
};
use ws_core::{MemoryEngine, MemoryLimits};
use ws_proto::action::Ack;

/// What was ever published in a channel.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// The newest last; the data of offset 1 first.
    pub(super) epochs: Vec<(Epoch, Vec<String>)>,
}

/// A memory engine whose calls may be delayed until the test releases them.
#[derive(Debug)]
pub(crate) struct Record(Arc<Inner>);

type Call = Box<dyn FnOnce() + Send>;

struct Inner {
    memory: MemoryEngine,
    streams: Mutex<HashMap<String, Stream>>,
    /// Of four calls, so many wait.
    late: usize,
    calls: Mutex<(usize, VecDeque<Call>)>,
    full: AtomicBool,
    /// Its position is so many publications behind what it has told the hub.
    behind: AtomicU64,
    sink: OnceLock<Arc<dyn EngineSink>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Record")
    }
}

impl Record {
    /// Of four calls, so many wait.
    pub(crate) fn new(late: usize) -> Self {
        let memory = MemoryEngine::new(MemoryLimits { history_bytes_max: 1 << 30, idle_channels_max: 100 });
        let (streams, calls) = (Mutex::default(), Mutex::default());
        Record(Arc::new(Inner {
            memory,
            streams,
            late,
            calls,
            full: AtomicBool::new(false),
            behind: AtomicU64::new(0),
            sink: OnceLock::new(),
        }))
    }

    /// Says that it has room, or has none.
    pub(super) fn set_room(&self, room: bool) {
        self.0.full.store(!room, Ordering::Release);
        self.0.sink.get().filter(|_| room).iter().for_each(|sink| sink.has_room());
    }

    /// From now on its position is so many publications behind what it has told the hub.
    pub(super) fn set_behind(&self, publications: u64) {
        self.0.behind.store(publications, Ordering::Release);
    }

    /// Releases the oldest delayed call. False if there is none.
    pub(crate) fn let_go(&self) -> bool {
        let call = self.0.calls.lock().expect("no panic while locked").1.pop_front();
        call.map(|call| call()).is_some()
    }

    pub(super) fn with<R>(&self, channel: &str, f: impl FnOnce(&mut Stream) -> R) -> R {
        self.0.with(channel, f)
    }

    fn call(&self, call: impl FnOnce(&Inner) + Send + 'static) {
        let mut calls = self.0.calls.lock().expect("no panic while locked");
        calls.0 += 1;
        // Delayed calls are never overtaken.
        if calls.0 % 4 < self.0.late || !calls.1.is_empty() {
            let inner = self.0.clone();
            calls.1.push_back(Box::new(move || call(&inner)));
        } else {
            drop(calls);
            call(&self.0);
        }
    }
}

impl Stream {
    /// Publications in the newest epoch.
    pub(super) fn count(&self) -> u64 {
        self.epochs.last().map_or(0, |(_, all)| all.len() as u64)
    }

    /// What was published in this epoch, which is the newest.
    fn of(&mut self, epoch: Epoch) -> &mut Vec<String> {
        if self.epochs.last().is_none_or(|(last, _)| *last != epoch) {
            self.epochs.push((epoch, Vec::new()));
        }
        &mut self.epochs.last_mut().expect("one at least").1
    }
}

impl Inner {
    fn with<R>(&self, channel: &str, f: impl FnOnce(&mut Stream) -> R) -> R {
        f(self.streams.lock().expect("no panic while locked").entry(channel.to_owned()).or_default())
    }

    /// The record is locked meanwhile, so whoever gets the publication finds it there.
    fn append(&self, append: Append<'_>) -> Result<Appended, EngineError> {
        let data = String::from_utf8_lossy(&append.body[append.data.clone()]).into_owned();
        self.with(append.channel, |stream| {
            let appended = within(|done| self.memory.append(append, done))?;
            let (epoch, offset) = appended.position.unzip();
            let all = stream.of(epoch.unwrap_or(Epoch::from_u64(0)));
            if !appended.duplicate {
                all.push(data);
                assert_eq!(offset.unwrap_or(all.len() as u64), all.len() as u64);
            }
            Ok(appended)
        })
    }
}

impl Engine for Record {
    fn name(&self) -> &'static str {
        "record"
    }

    fn ack(&self) -> Ack {
        self.0.memory.ack()
    }

    fn start(&self, sink: Arc<dyn EngineSink>) {
        self.0.memory.start(sink.clone());
        self.0.sink.set(sink).expect("it is started once");
    }

    fn append(&self, append: Append<'_>, done: Done<Appended>) {
        let (channel, msg_id) = (append.channel.to_owned(), append.msg_id.map(str::to_owned));
        let Append { retention, body, data, age_ms, read_us, .. } = append;
        self.call(move |inner| {
            let append =
                Append { channel: &channel, retention, body, data, msg_id: msg_id.as_deref(), age_ms, read_us };
            done(inner.append(append));
        });
    }

    fn history(&self, query: HistoryQuery<'_>, done: Done<History>) {
        let channel = query.channel.to_owned();
        let (retention, after, before): (Retention, _, _) = (query.retention, query.after, query.before);
        let (reverse, limit, bytes_max) = (query.reverse, query.limit, query.bytes_max);
        self.call(move |inner| {
            let query = HistoryQuery { channel: &channel, retention, after, before, reverse, limit, bytes_max };
            let mut result = within(|done| inner.memory.history(query, done));
            if let Ok(history) = &mut result {
                history.top = history.top.saturating_sub(inner.behind.load(Ordering::Acquire));
                let top = history.top;
                history.publications.retain(|publication| publication.offset <= Some(top));
                inner.with(&channel, |stream| _ = stream.of(history.epoch));
            }
            done(result);
        });
    }

    fn find(&self, query: FindQuery<'_>, done: Done<Option<Found>>) {
        let (channel, retention, msg_id) = (query.channel.to_owned(), query.retention, query.msg_id.to_owned());
        self.call(move |inner| {
            let query = FindQuery { channel: &channel, retention, msg_id: &msg_id };
            done(within(|done| inner.memory.find(query, done)));
        });
    }

    fn remove(&self, channel: &str, done: Done<Epoch>) {
        let channel = channel.to_owned();
        self.call(move |inner| {
            let result = within(|done| inner.memory.remove(&channel, done));
            if let Ok(epoch) = &result {
                inner.with(&channel, |stream| _ = stream.of(*epoch));
            }
            done(result);
        });
    }

    fn interest(&self, channel: &str, interested: bool) {
        self.0.memory.interest(channel, interested);
    }

    fn has_room(&self) -> bool {
        !self.0.full.load(Ordering::Acquire)
    }

    fn stats(&self) -> EngineStats {
        self.0.memory.stats()
    }

    fn close(&self, done: Done<()>) {
        self.0.memory.close(done);
    }
}

/// The answer of an engine that gives it within the call.
fn within<T: Send + 'static>(call: impl FnOnce(Done<T>)) -> Result<T, EngineError> {
    let answer = Arc::new(Mutex::new(None));
    let slot = answer.clone();
    call(Box::new(move |result| *slot.lock().expect("no panic while locked") = Some(result)));
    let answer = answer.lock().expect("no panic while locked").take();
    answer.expect("the memory engine answers within the call")
}
