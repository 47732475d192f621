//! What there is at the moment, beside what was counted.

use std::sync::Arc;

use ws_core::engine::ClusterStats;

use crate::shared::Shared;

/// Everything that metrics want of all units, of which there is at least one.
pub(crate) fn cluster_stats(units: &[Arc<Shared>]) -> ClusterStats {
    let first = &units[0];
    let lease_age = |unit: &Arc<Shared>| unit.nodes.lease_age(unit.options.lease);
    ClusterStats {
        waiting_publications: units.iter().map(|unit| unit.waiting_publications()).sum(),
        waiting_bytes: first.units.queue.bytes() as u64,
        // The oldest one: the node lives while all of its leases do.
        lease_age: units.iter().map(lease_age).collect::<Option<Vec<_>>>().and_then(|ages| ages.into_iter().max()),
        nodes: first.nodes.roll.lock().living.len() as u64,
        waiting_operations: units.iter().map(|unit| unit.nodes.desk.lock().waiting() as u64).sum(),
        ..first.stats.counts()
    }
}
