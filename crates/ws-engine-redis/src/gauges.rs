//! What there is at the moment, beside what was counted.

use ws_core::engine::ClusterStats;

use crate::shared::Shared;

impl Shared {
    /// Everything that metrics want.
    pub(crate) fn cluster_stats(&self) -> ClusterStats {
        ClusterStats {
            waiting_publications: self.waiting_publications(),
            waiting_bytes: self.queue.bytes() as u64,
            lease_age: self.nodes.lease_age(self.options.lease),
            nodes: self.nodes.living.lock().len() as u64,
            waiting_operations: self.nodes.desk.lock().waiting() as u64,
            ..self.stats.counts()
        }
    }
}
