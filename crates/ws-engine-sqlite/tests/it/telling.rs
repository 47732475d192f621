//! What a question sees that comes while a batch is being told.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use ws_core::engine::{
    Append, Appended, Engine, EngineError, EngineSink, Epoch, History, HistoryQuery, Publication, Retention,
};
use ws_engine_sqlite::SqliteEngine;

use crate::fixture::{Dir, options};

const SHORT: Retention = Retention::new(10, Duration::from_secs(1));

/// Has the writer wait when `gate` is delivered, and asks for the position of `a` when `b` is.
#[derive(Debug)]
struct Asking {
    engine: OnceLock<Weak<SqliteEngine>>,
    held: Sender<()>,
    go_on: Mutex<Receiver<()>>,
    found: Sender<Result<History, EngineError>>,
}

impl EngineSink for Asking {
    fn deliver(&self, channel: &str, _: &Publication, _: Option<u64>) {
        match channel {
            "gate" => {
                self.held.send(()).expect("the test waits");
                self.go_on.lock().expect("no panic").recv().expect("the test goes on");
            }
            "b" => {
                let engine = self.engine.get().and_then(Weak::upgrade).expect("it runs");
                let found = self.found.clone();
                engine.history(position("a"), Box::new(move |history| drop(found.send(history))));
            }
            _ => {}
        }
    }

    fn reset(&self, _: &str, _: Epoch, _: u64) {}
    fn renew(&self, _: &str, _: Epoch, _: u64) {}
    fn skip(&self, _: &str, _: u64) {}
    fn lost(&self, _: &str) {}
    fn has_room(&self) {}
}

fn position(channel: &str) -> HistoryQuery<'_> {
    let (after, before, limit, bytes_max) = (0, None, 0, 1 << 20);
    HistoryQuery { channel, retention: SHORT, after, before, reverse: false, limit, bytes_max }
}

fn append(engine: &SqliteEngine, channel: &str, id: &str) -> Receiver<Result<Appended, EngineError>> {
    let (answer, answered) = mpsc::channel();
    let body: Arc<[u8]> = b"1"[..].into();
    let append = Append { channel, retention: SHORT, body, data: 0..1, msg_id: Some(id), age_ms: 0, read_us: None };
    engine.append(append, Box::new(move |result| drop(answer.send(result))));
    answered
}

#[test]
fn a_new_top_comes_with_its_time() {
    let dir = Dir::new();
    let engine = Arc::new(SqliteEngine::open(options(dir.path())).expect("a new directory"));
    let ((held, is_held), (go, go_on), (found, answered)) = (mpsc::channel(), mpsc::channel(), mpsc::channel());
    let sink = Arc::new(Asking { engine: OnceLock::new(), held, go_on: Mutex::new(go_on), found });
    sink.engine.set(Arc::downgrade(&engine)).expect("once");
    engine.start(sink);
    ["gate", "b"].iter().for_each(|channel| engine.interest(channel, true));
    let done = |answer: Receiver<Result<Appended, EngineError>>| {
        answer.recv().expect("an answer").expect("it can be stored").position.expect("a position").1
    };
    assert_eq!(done(append(&engine, "a", "first")), 1);
    std::thread::sleep(SHORT.ttl + Duration::from_millis(50));
    // Both are in the batch behind the one that holds the writer up.
    let gate = append(&engine, "gate", "g");
    is_held.recv().expect("it is delivered");
    let answers = [append(&engine, "a", "second"), append(&engine, "b", "b")];
    go.send(()).expect("the writer waits");
    let seen = answered.recv().expect("an answer").expect("it can be read");
    assert_eq!((seen.top, seen.oldest), (2, 2), "what has expired is gone, and what is new is there");
    assert_eq!(answers.map(done), [2, 1]);
    assert_eq!(done(gate), 1);
    let (answer, history) = mpsc::channel();
    engine.history(HistoryQuery { limit: 10, ..position("a") }, Box::new(move |found| drop(answer.send(found))));
    let history = history.recv().expect("an answer").expect("it can be read");
    assert_eq!((history.oldest, history.publications.len()), (2, 1), "nothing has hidden it");
    let again = append(&engine, "a", "second").recv().expect("an answer").expect("it is known");
    assert!(again.duplicate, "it is found under its id");
}
