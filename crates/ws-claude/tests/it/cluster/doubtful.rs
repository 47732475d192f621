//! A node of the store with doubts about what is published in a channel: not in streams, nor what servers keep.

use std::any::Any;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use ws_core::MemoryEngine;
use ws_core::engine::cluster::Cluster;
use ws_core::engine::{
    Append, Appended, Done, Engine, EngineError, EngineSink, EngineStats, Epoch, FindQuery, Found, History,
    HistoryQuery, Retention,
};
use ws_proto::action::Ack;

use super::node::Node;

/// What becomes of the next publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// It is delivered, and then the store has lost its channel: nobody can tell whether it was published.
    Lost,
    /// It stays on its way, and that is all that its publisher is told.
    Late,
    /// It stays on its way, and its publisher is told nothing.
    Silent,
    /// There is no room for it: it is certain that it is not published.
    Refused,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Doubtful {
    node: Arc<Node>,
    doubt: Mutex<Option<Doubt>>,
    under_way: Mutex<Option<UnderWay>>,
    /// What waits for ever.
    unanswered: Mutex<Vec<Box<dyn Any + Send>>>,
}

/// A publication in the buffers of a connection that was given up.
#[derive(Debug)]
struct UnderWay {
    channel: String,
    retention: Retention,
    body: Arc<[u8]>,
    data: Range<usize>,
    msg_id: Option<String>,
}

impl Doubtful {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Doubtful { node, doubt: Mutex::default(), under_way: Mutex::default(), unanswered: Mutex::default() }
    }

    /// That is what becomes of the next publication; then there are no doubts any more.
    pub(crate) fn set(&self, doubt: Doubt) {
        *self.doubt.lock().expect("no panic while locked") = Some(doubt);
    }

    /// What is on its way arrives. False if nothing is.
    pub(crate) fn arrive(&self, store: &MemoryEngine) -> bool {
        let under_way = self.under_way.lock().expect("no panic while locked").take();
        let Some(UnderWay { channel, retention, body, data, msg_id }) = under_way else { return false };
        let (msg_id, age_ms, read_us) = (msg_id.as_deref(), 0, None);
        let append = Append { channel: &channel, retention, body, data, msg_id, age_ms, read_us };
        store.append(append, Box::new(drop));
        true
    }

    fn send(&self, append: &Append<'_>) {
        *self.under_way.lock().expect("no panic while locked") = Some(UnderWay {
            channel: append.channel.to_owned(),
            retention: append.retention,
            body: append.body.clone(),
            data: append.data.clone(),
            msg_id: append.msg_id.map(str::to_owned),
        });
    }
}

impl Engine for Doubtful {
    fn name(&self) -> &'static str {
        self.node.name()
    }

    fn ack(&self) -> Ack {
        self.node.ack()
    }

    fn is_shared(&self) -> bool {
        self.node.is_shared()
    }

    fn cluster(&self) -> Option<&dyn Cluster> {
        self.node.cluster()
    }

    fn start(&self, sink: Arc<dyn EngineSink>) {
        Engine::start(&*self.node, sink);
    }

    fn append(&self, append: Append<'_>, done: Done<Appended>) {
        if append.channel.contains(['*', '/']) {
            return self.node.append(append, done);
        }
        let unavailable = || EngineError::Unavailable("whether it was published is not known".to_owned());
        let doubt = self.doubt.lock().expect("no panic while locked").take();
        match doubt {
            None => self.node.append(append, done),
            Some(Doubt::Lost) => {
                let channel = append.channel;
                self.node.append(append, Box::new(drop));
                self.node.remove(channel, Box::new(|_| done(Err(EngineError::UnknownOutcome))));
            }
            Some(Doubt::Late) => {
                self.send(&append);
                done(Err(unavailable()));
            }
            Some(Doubt::Silent) => {
                self.send(&append);
                self.unanswered.lock().expect("no panic while locked").push(Box::new(done));
            }
            Some(Doubt::Refused) => done(Err(EngineError::Overloaded)),
        }
    }

    fn history(&self, query: HistoryQuery<'_>, done: Done<History>) {
        self.node.history(query, done);
    }

    fn find(&self, query: FindQuery<'_>, done: Done<Option<Found>>) {
        self.node.find(query, done);
    }

    fn remove(&self, channel: &str, done: Done<Epoch>) {
        self.node.remove(channel, done);
    }

    fn interest(&self, channel: &str, interested: bool) {
        self.node.interest(channel, interested);
    }

    fn following(&self, channel: &str, done: Done<()>) {
        self.node.following(channel, done);
    }

    fn stats(&self) -> EngineStats {
        self.node.stats()
    }

    fn health(&self) -> Result<(), String> {
        self.node.health()
    }

    fn health_of(&self, channel: &str) -> Result<(), String> {
        self.node.health_of(channel)
    }

    fn close(&self, done: Done<()>) {
        self.node.close(done);
    }
}
