//! A directory, and the engine in it, whose calls wait for their answers.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use ws_core::engine::{
    Append, Appended, Done, Engine, EngineError, EngineSink, EngineStats, Epoch, History, HistoryQuery, Publication,
    Retention,
};
use ws_engine_sqlite::{Fsync, OpenError, SqliteEngine, SqliteOptions};

const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// A directory that goes with it.
pub(crate) struct Dir(TempDir);

/// A started engine.
pub(crate) struct Database {
    engine: SqliteEngine,
}

/// Nobody listens: what a sink gets is the suite's business. It knows what is kept of channels, if anything.
#[derive(Debug)]
struct Nobody(Option<Retention>);

impl EngineSink for Nobody {
    fn deliver(&self, _: &str, _: &Publication, _: Option<u64>) {}
    fn reset(&self, _: &str, _: Epoch, _: u64) {}
    fn renew(&self, _: &str, _: Epoch, _: u64) {}
    fn skip(&self, _: &str, _: u64) {}
    fn lost(&self, _: &str) {}
    fn has_room(&self) {}

    fn retention(&self, _: &str) -> Option<Retention> {
        self.0
    }
}

impl Dir {
    pub(crate) fn new() -> Self {
        Dir(TempDir::new().expect("a temporary directory"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.path().join(ws_engine_sqlite::DATABASE)
    }

    pub(crate) fn open(&self) -> Database {
        self.open_with(|_| {})
    }

    pub(crate) fn open_with(&self, change: impl FnOnce(&mut SqliteOptions)) -> Database {
        self.try_open(change).expect("it can be opened")
    }

    pub(crate) fn try_open(&self, change: impl FnOnce(&mut SqliteOptions)) -> Result<Database, OpenError> {
        let mut options = options(self.path());
        change(&mut options);
        let engine = SqliteEngine::open(options)?;
        engine.start(Arc::new(Nobody(None)));
        Ok(Database { engine })
    }

    /// Somebody is subscribed to these channels from the start on, and knows their positions.
    pub(crate) fn open_used(&self, used: &[&str], change: impl FnOnce(&mut SqliteOptions)) -> Database {
        let mut options = options(self.path());
        change(&mut options);
        let engine = SqliteEngine::open(options).expect("it can be opened");
        used.iter().for_each(|channel| engine.interest(channel, true));
        let database = Database { engine };
        for channel in used {
            database.epoch(channel);
        }
        database.engine.start(Arc::new(Nobody(None)));
        database
    }

    /// A server whose configuration keeps so much of every channel.
    pub(crate) fn open_keeping(&self, retention: Retention) -> Database {
        let engine = SqliteEngine::open(options(self.path())).expect("it can be opened");
        engine.start(Arc::new(Nobody(Some(retention))));
        Database { engine }
    }
}

pub(crate) fn options(dir: &Path) -> SqliteOptions {
    SqliteOptions {
        dir: dir.to_owned(),
        fsync: Fsync::Commit,
        batch_publications_max: 1000,
        queue_bytes_max: 64 << 20,
        idle_channels_max: 100,
    }
}

/// Keeps so many, however old they are.
pub(crate) fn keep(size: usize) -> Retention {
    Retention::new(size, Duration::ZERO)
}

impl Database {
    pub(crate) fn engine(&self) -> &SqliteEngine {
        &self.engine
    }

    /// Appends these bytes, all of which are data. The position.
    pub(crate) fn append(&self, channel: &str, retention: Retention, data: &str) -> (Epoch, u64) {
        self.try_append(channel, retention, data, None).expect("it can be stored").position.expect("a position")
    }

    /// Appends a body whose data lies there.
    pub(crate) fn append_body(
        &self,
        channel: &str,
        retention: Retention,
        body: &str,
        data: Range<usize>,
    ) -> (Epoch, u64) {
        let append =
            Append { channel, retention, body: body.as_bytes().into(), data, msg_id: None, age_ms: 0, read_us: None };
        let appended = answer(|done| self.engine.append(append, done)).expect("it can be stored");
        appended.position.expect("a position")
    }

    /// Appends the numbers from 1 to `n`, one after the other.
    pub(crate) fn fill(&self, channel: &str, retention: Retention, n: u64) {
        for i in 1..=n {
            self.append(channel, retention, &i.to_string());
        }
    }

    /// Appends the numbers from 1 to `n`, all at once.
    pub(crate) fn flood(&self, channel: &str, retention: Retention, n: u64) -> Receiver<Result<Appended, EngineError>> {
        let (answer, answers) = mpsc::channel();
        for i in 1..=n {
            let (answer, body): (_, Arc<[u8]>) = (answer.clone(), i.to_string().as_bytes().into());
            let append =
                Append { channel, retention, data: 0..body.len(), body, msg_id: None, age_ms: 0, read_us: None };
            self.engine.append(append, Box::new(move |result| drop(answer.send(result))));
        }
        answers
    }

    pub(crate) fn try_append(
        &self,
        channel: &str,
        retention: Retention,
        data: &str,
        msg_id: Option<&str>,
    ) -> Result<Appended, EngineError> {
        self.try_repeat(channel, retention, data, msg_id, Duration::ZERO)
    }

    /// The same for what was first sent so long ago.
    pub(crate) fn try_repeat(
        &self,
        channel: &str,
        retention: Retention,
        data: &str,
        msg_id: Option<&str>,
        age: Duration,
    ) -> Result<Appended, EngineError> {
        let (body, age_ms): (Arc<[u8]>, _) = (data.as_bytes().into(), age.as_millis() as u64);
        answer(|done| {
            self.engine
                .append(Append { channel, retention, data: 0..body.len(), body, msg_id, age_ms, read_us: None }, done)
        })
    }

    pub(crate) fn history(&self, channel: &str, retention: Retention, after: u64, limit: usize) -> History {
        let (before, bytes_max) = (None, 1 << 20);
        let query = HistoryQuery { channel, retention, after, before, reverse: false, limit, bytes_max };
        answer(|done| self.engine.history(query, done)).expect("it can be read")
    }

    /// The data of all that is retained of a channel.
    pub(crate) fn all(&self, channel: &str, retention: Retention) -> Vec<String> {
        let publications = self.history(channel, retention, 0, usize::MAX).publications;
        publications.iter().map(|publication| String::from_utf8_lossy(&publication.body).into_owned()).collect()
    }

    pub(crate) fn epoch(&self, channel: &str) -> Epoch {
        self.history(channel, keep(1_000_000), 0, 0).epoch
    }

    pub(crate) fn remove(&self, channel: &str) -> Epoch {
        answer(|done| self.engine.remove(channel, done)).expect("it can be removed")
    }

    pub(crate) fn stats(&self) -> EngineStats {
        self.engine.stats()
    }

    pub(crate) fn close(self) {
        answer(|done| self.engine.close(done)).expect("it can be closed");
    }
}

/// Makes a call, and waits for its answer.
pub(crate) fn answer<T: Send + 'static>(call: impl FnOnce(Done<T>)) -> Result<T, EngineError> {
    let (answer, answered) = mpsc::channel();
    call(Box::new(move |result| drop(answer.send(result))));
    answered.recv_timeout(ANSWER_WITHIN).expect("an answer in time")
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < ANSWER_WITHIN, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
