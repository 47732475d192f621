//! The engine as the hub sees it, and the threads behind it.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;
use rusqlite::Connection;
use ws_core::Supervisor;
use ws_core::engine::{
    Append, Appended, Done, Engine, EngineError, EngineSink, EngineStats, Epoch, FindQuery, Found, History,
    HistoryQuery, Publication,
};
use ws_proto::action::Ack;

use crate::age::Age;
use crate::answer::Answer;
use crate::check;
use crate::database;
use crate::directory::{Directory, OpenError};
use crate::history;
use crate::keeper;
use crate::limits::{READERS_MAX, READERS_MIN};
use crate::options::SqliteOptions;
use crate::queue::{Appending, Command};
use crate::readers::{self, Queries, Query};
use crate::shared::Shared;
use crate::writer::Writer;

/// Keeps publications in a database. Dropping it stores everything accepted so far, and ends its threads.
#[derive(Debug)]
pub struct SqliteEngine {
    shared: Arc<Shared>,
    queries: Arc<Queries>,
    closing: Arc<Closing>,
    writer: Option<JoinHandle<()>>,
}

/// Callers that wait for it to be closed.
#[derive(Debug, Default)]
struct Closing(Mutex<End>);

#[derive(Debug)]
enum End {
    Open(Vec<Answer<()>>),
    Over,
}

impl Default for End {
    fn default() -> Self {
        End::Open(Vec::new())
    }
}

/// The threads that the writer ends when it finishes.
struct Others {
    queries: Arc<Queries>,
    ended: Sender<()>,
    /// The check for damage has to stop.
    stopped: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl SqliteEngine {
    /// Opens the database, which is created or migrated to the newest schema if needed, and starts the threads.
    /// Blocks for as long as that takes.
    ///
    /// # Errors
    /// If the directory cannot be used, is used by another process, or the database is damaged, foreign or newer.
    pub fn open(options: SqliteOptions) -> Result<Self, OpenError> {
        let directory = Directory::take(&options.dir)?;
        let file = directory.database();
        let (connection, trouble) = database::open(&directory, options.fsync)?;
        let failed = |error| OpenError::Database { file: file.clone(), error };
        let reader = || database::open_reader(&file).map_err(failed);
        let readers = (0..readers()).map(|_| reader()).collect::<Result<Vec<_>, _>>()?;
        let (keeper, checker) = (database::open_keeper(&file).map_err(failed)?, reader()?);
        let age = Age::of(&connection).map_err(failed)?;
        let shared = Arc::new(Shared::new(options, directory, age));
        let writer = Writer::new(shared.clone(), connection, trouble).map_err(failed)?;
        let others = Others::start(&shared, readers, keeper, checker).map_err(OpenError::Threads)?;
        let (queries, closing) = (others.queries.clone(), Arc::<Closing>::default());
        let (owner, closed, supervisor) = (shared.clone(), closing.clone(), shared.supervisor.clone());
        let writer = spawn("ws-sqlite-writer", &supervisor, move || write(writer, owner, others, &closed));
        Ok(SqliteEngine { shared, queries, closing, writer: Some(writer.map_err(OpenError::Threads)?) })
    }
}

/// The writer's thread. Whatever ends it, every caller is answered, and the directory is released.
fn write(mut writer: Writer, shared: Arc<Shared>, others: Others, closing: &Closing) {
    struct Ended<'a>(&'a Shared);
    impl Drop for Ended<'_> {
        fn drop(&mut self) {
            self.0.queue.abandon();
            self.0.tell(|sink| sink.has_room());
            if thread::panicking() {
                self.0.health.damaged("its writer has ended because of a bug in the server".to_owned());
            }
        }
    }
    let ended = Ended(&shared);
    writer.run();
    drop(ended);
    others.end();
    drop(writer);
    drop(shared);
    let End::Open(answers) = std::mem::replace(&mut *closing.0.lock(), End::Over) else { return };
    answers.into_iter().for_each(|answer| answer.give(Ok(())));
}

impl Others {
    fn start(
        shared: &Arc<Shared>,
        readers: Vec<Connection>,
        keeper: Connection,
        checker: Connection,
    ) -> std::io::Result<Self> {
        let queries = Arc::<Queries>::default();
        let (ended, end) = mpsc::channel();
        let mut others = Others { queries, ended, stopped: Arc::default(), threads: Vec::new() };
        for connection in readers {
            let (queries, owner) = (others.queries.clone(), shared.clone());
            let run = move || readers::run(&queries, connection, &owner);
            others.threads.push(spawn("ws-sqlite-reader", &shared.supervisor, run)?);
        }
        let owner = shared.clone();
        others.threads.push(spawn("ws-sqlite-keeper", &shared.supervisor, move || keeper::run(&owner, &keeper, &end))?);
        let (owner, stopped) = (shared.clone(), others.stopped.clone());
        others
            .threads
            .push(spawn("ws-sqlite-check", &shared.supervisor, move || check::run(&owner, &checker, &stopped))?);
        Ok(others)
    }

    fn end(self) {
        self.queries.close();
        self.stopped.store(true, Ordering::Relaxed);
        drop(self.ended);
        // Who pauses looks up.
        self.threads.iter().for_each(|thread| thread.thread().unpark());
        // A thread that has panicked has said so.
        self.threads.into_iter().for_each(|thread| drop(thread.join()));
    }
}

/// One reader per CPU, within bounds.
fn readers() -> usize {
    thread::available_parallelism().map_or(READERS_MIN, |n| n.get().clamp(READERS_MIN, READERS_MAX))
}

thread_local! {
    /// Whether this thread belongs to an engine.
    static OURS: Cell<bool> = const { Cell::new(false) };
}

fn spawn(
    name: &'static str,
    supervisor: &Supervisor,
    run: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    let guard = supervisor.guard(name);
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _guard = guard;
        OURS.set(true);
        run();
    })
}

impl Engine for SqliteEngine {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn ack(&self) -> Ack {
        Ack::Durable
    }

    fn start(&self, sink: Arc<dyn EngineSink>) {
        // Only the first one counts.
        let _ = self.shared.sink.set(sink);
    }

    fn append(&self, append: Append<'_>, done: Done<Appended>) {
        if append.retention.size == 0 && append.age_ms > 0 {
            return done(Err(EngineError::UnknownOutcome));
        }
        if append.retention.size == 0 {
            let publication = Publication { offset: None, body: append.body.clone() };
            self.shared.tell(|sink| sink.deliver(append.channel, &publication, append.read_us));
            return done(Ok(Appended { position: None, duplicate: false }));
        }
        self.shared.queue.push(Command::Append(Appending::new(
            &append,
            |age_ms| self.shared.age.ago(age_ms),
            Answer::new(done),
        )));
    }

    fn history(&self, query: HistoryQuery<'_>, done: Done<History>) {
        if query.retention.size == 0 {
            return done(Err(EngineError::NoHistory));
        }
        let stream = self.shared.streams.get(query.channel);
        match history::at_once(&stream, &query, self.shared.age.now_ms()) {
            Some(history) => done(Ok(history)),
            None => self.queries.push(Query::history(stream, &query, Answer::new(done))),
        }
    }

    fn find(&self, query: FindQuery<'_>, done: Done<Option<Found>>) {
        if query.retention.size == 0 {
            return done(Ok(None));
        }
        let stream = self.shared.streams.get(query.channel);
        self.queries.push(Query::find(stream, &query, Answer::new(done)));
    }

    fn remove(&self, channel: &str, done: Done<Epoch>) {
        self.shared.queue.push(Command::Remove { channel: channel.into(), answer: Answer::new(done) });
    }

    fn interest(&self, channel: &str, interested: bool) {
        self.shared.streams.interest(channel, interested);
    }

    fn has_room(&self) -> bool {
        self.shared.queue.has_room()
    }

    fn stats(&self) -> EngineStats {
        self.shared.stats()
    }

    fn health(&self) -> Result<(), String> {
        self.shared.health.check()
    }

    fn supervisor(&self) -> Option<&Supervisor> {
        Some(&self.shared.supervisor)
    }

    /// What was taken is stored and answered before.
    fn close(&self, done: Done<()>) {
        self.shared.queue.close();
        let answer = Answer::new(done);
        let mut end = self.closing.0.lock();
        if let End::Open(answers) = &mut *end {
            return answers.push(answer);
        }
        drop(end);
        answer.give(Ok(()));
    }
}

impl Drop for SqliteEngine {
    fn drop(&mut self) {
        self.shared.queue.close();
        let Some(writer) = self.writer.take() else { return };
        // The engine may be dropped in an answer, and a thread of ours cannot join itself.
        if !OURS.get() {
            drop(writer.join());
        }
    }
}
