//! The hub's side of the cluster: what it tells of this node, and takes of the others.

use std::sync::{Arc, Weak};

use uuid::Uuid;

use super::shared::Shared;
use crate::engine::cluster::{Change, ClusterSink, Counts, Member};
use crate::runs::Runs;

/// See the module.
#[derive(Debug)]
pub(crate) struct ClusterSide(Weak<Shared>);

impl ClusterSide {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        ClusterSide(Arc::downgrade(shared))
    }

    fn runs(&self) -> Option<Arc<dyn Runs>> {
        self.0.upgrade()?.runs()
    }
}

impl ClusterSink for ClusterSide {
    fn connections(&self) -> u64 {
        self.0.upgrade().map_or(0, |shared| shared.connections() as u64)
    }

    fn members(&self, is_wanted: &dyn Fn(&str) -> bool, enter: &mut dyn FnMut(&str, Member, bool)) {
        if let Some(shared) = self.0.upgrade() {
            shared.own_members(is_wanted, enter);
        }
    }

    fn changed(&self, channel: &str, change: Change, counts: Counts) {
        if let Some(shared) = self.0.upgrade() {
            shared.presence_changed(channel, &change, counts);
        }
    }

    fn received(&self, from: Uuid, message: &[u8]) {
        if let Some(shared) = self.0.upgrade() {
            shared.asking.received(from, message);
        }
    }

    fn ended(&self, node: Uuid) {
        if let Some(shared) = self.0.upgrade() {
            shared.asking.ended(node);
            shared.runs().iter().for_each(|runs| runs.node_ended());
        }
    }

    fn lapsed(&self) {
        if let Some(runs) = self.runs() {
            runs.lapsed();
        }
    }

    fn restored(&self) {
        if let Some(runs) = self.runs() {
            runs.keep_again();
        }
    }
}
