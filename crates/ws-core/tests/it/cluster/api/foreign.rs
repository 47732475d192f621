//! A node without a hub: it answers what a test says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;
use ws_core::engine::cluster::{Change, Cluster, ClusterSink, Counts, Member};

use crate::cluster::{Node, Store};

/// See the module.
#[derive(Debug)]
pub(super) struct Foreign {
    pub(super) node: Arc<Node>,
    said: Mutex<Vec<Value>>,
    /// What it answers, and how late.
    answer: Mutex<Option<(Value, Duration)>>,
}

#[derive(Debug)]
struct Sink(Arc<Foreign>);

impl Foreign {
    /// One more node; it answers nothing.
    pub(super) fn join(store: &Arc<Store>) -> Arc<Self> {
        let foreign = Arc::new(Foreign { node: store.node(), said: Mutex::default(), answer: Mutex::default() });
        Cluster::start(&*foreign.node, Arc::new(Sink(foreign.clone())));
        foreign
    }

    /// From now on it answers every question with this, so much later.
    pub(super) fn answers(&self, answer: Value, after: Duration) {
        *self.answer.lock().expect("no panic while locked") = Some((answer, after));
    }

    /// Sends a message to all others.
    pub(super) fn say(&self, message: &Value) {
        self.node.send(None, message.to_string().into_bytes(), Box::new(|_| {}));
    }

    /// The messages that it has got.
    pub(super) fn heard(&self) -> Vec<Value> {
        std::mem::take(&mut self.said.lock().expect("no panic while locked"))
    }
}

impl ClusterSink for Sink {
    fn connections(&self) -> u64 {
        0
    }

    fn members(&self, _is_wanted: &dyn Fn(&str) -> bool, _enter: &mut dyn FnMut(&str, Member, bool)) {}

    fn changed(&self, _channel: &str, _change: Change, _counts: Counts) {}

    fn received(&self, from: Uuid, message: &[u8]) {
        let message: Value = serde_json::from_slice(message).expect("JSON");
        let answer = self.0.answer.lock().expect("no panic while locked").clone();
        if let (Some(id), Some((answer, after))) = (message["ask"]["id"].as_u64(), answer) {
            let node = self.0.node.clone();
            tokio::spawn(async move {
                sleep(after).await;
                let answer = json!({"answer": {"id": id, "answer": answer}}).to_string();
                node.send(Some(from), answer.into_bytes(), Box::new(|_| {}));
            });
        }
        self.0.said.lock().expect("no panic while locked").push(message);
    }

    fn ended(&self, _node: Uuid) {}

    fn lapsed(&self) {}

    fn restored(&self) {}
}
