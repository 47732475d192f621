//! The hub's side of the cluster: what it tells of this node, and takes of the others.

use std::sync::{Arc, Weak};

use uuid::Uuid;

use super::shared::Shared;
use crate::engine::cluster::{Change, ClusterSink, Counts, Member};

/// See the module.
#[derive(Debug)]
pub(crate) struct ClusterSide(Weak<Shared>);

impl ClusterSide {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        ClusterSide(Arc::downgrade(shared))
    }
}

impl ClusterSink for ClusterSide {
    fn connections(&self) -> u64 {
        self.0.upgrade().map_or(0, |shared| shared.connections() as u64)
    }

    fn members(&self, _enter: &mut dyn FnMut(&str, Member, bool)) {}

    fn users(&self, _count: &mut dyn FnMut(&str, u64)) {}

    fn changed(&self, _channel: &str, _change: Change, _counts: Counts) {}

    fn received(&self, from: Uuid, message: &[u8]) {
        if let Some(shared) = self.0.upgrade() {
            shared.asking.received(from, message);
        }
    }

    fn ended(&self, node: Uuid) {
        if let Some(shared) = self.0.upgrade() {
            shared.asking.ended(node);
        }
    }
}
