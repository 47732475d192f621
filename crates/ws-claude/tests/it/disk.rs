//! An engine that outlives its servers: a store in memory that several have, one after the other.

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use ws_claude::{Claude, Provider};
use ws_core::engine::{
    Append, Appended, Done, Engine, EngineError, EngineSink, EngineStats, Epoch, FindQuery, Found, History,
    HistoryQuery, Publication, Retention,
};
use ws_core::{Hub, MemoryEngine, MemoryLimits};
use ws_proto::action::Ack;

use crate::stage::{Script, hub, run_options};

/// Where a server keeps which runs are open.
const JOURNAL: &str = "*claude-runs";

/// See the module.
#[derive(Debug)]
pub(crate) struct Disk {
    memory: MemoryEngine,
    /// Of the server that has it now.
    sink: Mutex<Option<Arc<dyn EngineSink>>>,
    published: Mutex<Vec<(String, Value)>>,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    None,
    /// Which runs are open cannot be stored.
    Full,
    /// The next page that is not a first one is of another epoch.
    Renewed,
}

/// A server's engine. At a certain write it ends: nothing is stored or answered any more.
#[derive(Debug)]
pub(crate) struct Life {
    disk: Arc<Disk>,
    /// Writes that are still stored; `None`: it is over.
    left: Mutex<Option<usize>>,
    trouble: Mutex<Trouble>,
    /// What waits for ever.
    unanswered: Mutex<Vec<Box<dyn Any + Send>>>,
}

/// A server with it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) hub: Hub,
    pub(crate) life: Arc<Life>,
    pub(crate) script: Arc<Script>,
    pub(crate) claude: Claude,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk {
    /// Nothing is stored yet. Call it within a tokio runtime.
    pub(crate) fn new() -> Arc<Self> {
        let memory = MemoryEngine::new(MemoryLimits { history_bytes_max: 1 << 24, idle_channels_max: 100 });
        let disk = Arc::new(Disk { memory, sink: Mutex::default(), published: Mutex::default() });
        disk.memory.start(Arc::new(Sink(Arc::downgrade(&disk))));
        disk
    }

    /// The next server, which is killed after so many writes.
    pub(crate) async fn server(self: &Arc<Self>, writes: usize) -> Server {
        let (left, trouble) = (Mutex::new(Some(writes)), Mutex::new(Trouble::None));
        let life = Arc::new(Life { disk: self.clone(), left, trouble, unanswered: Mutex::default() });
        let (hub, script) = (hub(life.clone()), Arc::<Script>::default());
        let provider: Arc<dyn Provider> = script.clone();
        let claude = Claude::start(hub.clone(), Some(provider), run_options()).await.expect("it reads");
        Server { hub, life, script, claude }
    }

    /// All that was ever published in a channel.
    pub(crate) fn published(&self, channel: &str) -> Vec<Value> {
        let all = locked(&self.published);
        all.iter().filter(|(of, _)| of == channel).map(|(_, data)| data.clone()).collect()
    }

    /// How many runs are noted as open.
    pub(crate) fn noted(&self) -> usize {
        self.published(JOURNAL).last().and_then(Value::as_array).map_or(0, Vec::len)
    }
}

impl Server {
    pub(crate) fn open(&self) -> usize {
        self.hub.runs().map_or(0, |runs| runs.open())
    }
}

impl Life {
    pub(crate) fn set(&self, trouble: Trouble) {
        *locked(&self.trouble) = trouble;
    }

    /// The server is killed.
    pub(crate) fn end(&self) {
        *locked(&self.left) = None;
    }

    pub(crate) fn is_over(&self) -> bool {
        locked(&self.left).is_none()
    }

    /// Whether it gets so far as to store something.
    fn stores(&self) -> bool {
        let mut left = locked(&self.left);
        *left = left.and_then(|left| left.checked_sub(1));
        left.is_some()
    }

    fn never<T: 'static>(&self, done: Done<T>) {
        locked(&self.unanswered).push(Box::new(done));
    }
}

impl Engine for Life {
    fn name(&self) -> &'static str {
        "disk"
    }

    fn ack(&self) -> Ack {
        Ack::Durable
    }

    fn start(&self, sink: Arc<dyn EngineSink>) {
        *locked(&self.disk.sink) = Some(sink);
    }

    fn append(&self, append: Append<'_>, done: Done<Appended>) {
        if append.channel == JOURNAL && *locked(&self.trouble) == Trouble::Full {
            return done(Err(EngineError::Unavailable("it is full".to_owned())));
        }
        if !self.stores() {
            return self.never(done);
        }
        let data = serde_json::from_slice(&append.body[append.data.clone()]).expect("JSON");
        let (disk, published) = (self.disk.clone(), (append.channel.to_owned(), data));
        let noted: Done<Appended> = Box::new(move |result| {
            if result.as_ref().is_ok_and(|appended| !appended.duplicate) {
                locked(&disk.published).push(published);
            }
            done(result);
        });
        self.disk.memory.append(append, noted);
    }

    fn history(&self, query: HistoryQuery<'_>, done: Done<History>) {
        if self.is_over() {
            return self.never(done);
        }
        let mut trouble = locked(&self.trouble);
        let is_renewed = *trouble == Trouble::Renewed && query.after > 0;
        if is_renewed {
            *trouble = Trouble::None;
        }
        drop(trouble);
        let epoch =
            move |history: History| if is_renewed { History { epoch: Epoch::random(), ..history } } else { history };
        self.disk.memory.history(query, Box::new(move |result| done(result.map(epoch))));
    }

    fn find(&self, query: FindQuery<'_>, done: Done<Option<Found>>) {
        if self.is_over() { self.never(done) } else { self.disk.memory.find(query, done) }
    }

    fn remove(&self, channel: &str, done: Done<Epoch>) {
        if self.stores() { self.disk.memory.remove(channel, done) } else { self.never(done) }
    }

    fn interest(&self, channel: &str, interested: bool) {
        self.disk.memory.interest(channel, interested);
    }

    fn stats(&self) -> EngineStats {
        self.disk.memory.stats()
    }

    fn close(&self, done: Done<()>) {
        done(Ok(()));
    }
}

/// Tells the server that has the store now.
#[derive(Debug)]
struct Sink(std::sync::Weak<Disk>);

impl Sink {
    fn now(&self) -> Option<Arc<dyn EngineSink>> {
        locked(&self.0.upgrade()?.sink).clone()
    }
}

impl EngineSink for Sink {
    fn deliver(&self, channel: &str, publication: &Publication, read_us: Option<u64>) {
        self.now().into_iter().for_each(|sink| sink.deliver(channel, publication, read_us));
    }

    fn reset(&self, channel: &str, epoch: Epoch, after: u64) {
        self.now().into_iter().for_each(|sink| sink.reset(channel, epoch, after));
    }

    fn renew(&self, channel: &str, epoch: Epoch, survived: u64) {
        self.now().into_iter().for_each(|sink| sink.renew(channel, epoch, survived));
    }

    fn skip(&self, channel: &str, to: u64) {
        self.now().into_iter().for_each(|sink| sink.skip(channel, to));
    }

    fn lost(&self, channel: &str) {
        self.now().into_iter().for_each(|sink| sink.lost(channel));
    }

    fn has_room(&self) {
        self.now().into_iter().for_each(|sink| sink.has_room());
    }

    fn retention(&self, channel: &str) -> Option<Retention> {
        self.now()?.retention(channel)
    }
}
