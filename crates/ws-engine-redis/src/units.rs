//! The units of an engine, which together are one node of the cluster.
//!
//! A unit is what speaks to one server of Redis: some of the partitions, connections to them, and a lease of its own. A node
//! lives as long as all of its leases: when one of them has ended it is dead, in all units, whether it can be seen there or
//! not. Whoever learns of that in one unit ends its leases in the others; it learns of it itself where it renews next, and
//! becomes another node. A unit that is away says nothing about anybody.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use uuid::Uuid;
use ws_core::Supervisor;

use crate::nodes::Nodes;
use crate::queue::Queue;
use crate::stats::Stats;
use crate::trouble::Troubles;

/// What all units have in common.
#[derive(Debug)]
pub(crate) struct Units {
    /// What each of them knows of the nodes.
    pub(crate) nodes: Box<[Arc<Nodes>]>,
    pub(crate) queue: Queue,
    pub(crate) supervisor: Supervisor,
    pub(crate) stats: Arc<Stats>,
    /// What the log says of all units together; `None`: each says it for itself.
    pub(crate) troubles: Option<Troubles>,
    /// This node.
    node: Mutex<Uuid>,
    told: Mutex<Told>,
}

/// What the hub was told of.
#[derive(Debug, Default)]
struct Told {
    /// The others that it takes for alive, and this node.
    living: BTreeSet<Uuid>,
    /// Who has ended in a unit, which may have forgotten that by now, while another one has not asked since.
    ended: BTreeSet<Uuid>,
}

impl Units {
    pub(crate) fn new(units: usize, queue_bytes_max: usize, troubles: Option<Troubles>) -> Arc<Self> {
        let node = Uuid::new_v4();
        Arc::new(Units {
            nodes: (0..units).map(|_| Arc::new(Nodes::new(node))).collect(),
            queue: Queue::new(queue_bytes_max),
            supervisor: Supervisor::default(),
            stats: Arc::default(),
            troubles,
            node: Mutex::new(node),
            told: Mutex::default(),
        })
    }

    /// This node. A unit may not have a lease for it yet.
    pub(crate) fn node(&self) -> Uuid {
        *self.node.lock()
    }

    /// This node is dead, and becomes another one. No unit writes anything before it has a lease for that.
    pub(crate) fn lapse(&self, dead: Uuid) {
        let (mut told, mut node) = (self.told.lock(), self.node.lock());
        if *node != dead {
            // It is another one already.
            return;
        }
        *node = Uuid::new_v4();
        tracing::warn!(before = %dead.simple(), after = %node.simple(), "the lease has ended: this server enters again as another node");
        self.stats.lapses.add(1);
        // Nobody ends for itself, nor by what the dead have known.
        told.living.remove(&dead);
        told.ended.clear();
        for unit in &self.nodes {
            unit.to_end.lock().clear();
            unit.is_former.store(true, Ordering::Release);
            unit.look.notify_one();
        }
        drop((told, node));
        if let Some(unit) = self.nodes.first() {
            unit.sink().lapsed();
        }
    }

    /// A unit has a lease for this node.
    pub(crate) fn is_leased(&self, unit: &Nodes, node: Uuid) {
        let current = self.node.lock();
        unit.is_former.store(*current != node, Ordering::Release);
    }

    /// A unit has seen who lives: the hub is told who does not any more.
    pub(crate) fn tell_ended(&self) {
        let mut told = self.told.lock();
        let node = self.node();
        if self.nodes.iter().any(|unit| unit.is_heard.load(Ordering::Acquire) && unit.own().node != node) {
            // This one has ended itself, and not all units have asked since. Whoever lives may end meanwhile.
            let mut living = self.seen(&self.nodes);
            self.leave_out_ended(&mut living, &told);
            told.living.extend(living);
            return;
        }
        for unit in self.nodes.iter().filter(|unit| unit.own().node == node) {
            told.ended.extend(&unit.roll.lock().seen_to_end);
        }
        told.ended.retain(|node| self.nodes.iter().any(|unit| unit.roll.lock().living.contains(node)));
        let mut living = self.seen(&self.nodes);
        self.leave_out_ended(&mut living, &told);
        let ended: Vec<_> = told.living.difference(&living).copied().collect();
        told.living = living;
        drop(told);
        if let Some(unit) = self.nodes.first() {
            let sink = unit.sink();
            ended.into_iter().for_each(|node| sink.ended(node));
        }
    }

    /// A node has ended in a unit, and so in all others, unless this one has ended itself.
    pub(crate) fn end_elsewhere(&self, node: Uuid, unit: usize) {
        let current = self.node.lock();
        if self.nodes[unit].own().node != *current {
            return;
        }
        let others = self.nodes.iter().enumerate().filter(|(at, _)| *at != unit);
        for (_, other) in others.filter(|(_, other)| other.roll.lock().living.contains(&node)) {
            other.to_end.lock().insert(node);
            other.look.notify_one();
        }
    }

    /// Whether a node that has ended in a unit may have a lease in another one. It is not forgotten before it has none: who
    /// has not seen it end would not end that lease.
    pub(crate) fn may_live_elsewhere(&self, node: Uuid, unit: usize) -> bool {
        let others = self.nodes.iter().enumerate().filter(|(at, _)| *at != unit);
        others.map(|(_, other)| other).any(|other| {
            let is_heard = other.is_heard.load(Ordering::Acquire);
            !is_heard || other.to_end.lock().contains(&node) || other.roll.lock().living.contains(&node)
        })
    }

    /// The nodes that live in the first unit, and those that another unit has seen, as the first one may just have lost them;
    /// without those that have ended in any.
    pub(crate) fn living(&self, in_first: impl IntoIterator<Item = Uuid>) -> Vec<Uuid> {
        let mut living = self.seen(self.nodes.get(1..).unwrap_or_default());
        living.extend(in_first);
        self.leave_out_ended(&mut living, &self.told.lock());
        living.into_iter().collect()
    }

    /// The nodes that were alive when these units were last asked; of those that are away, nothing.
    fn seen(&self, units: &[Arc<Nodes>]) -> BTreeSet<Uuid> {
        let (mut living, node) = (BTreeSet::new(), self.node());
        for unit in units.iter().filter(|unit| unit.is_heard.load(Ordering::Acquire)) {
            let own = unit.own().node;
            living.extend(unit.roll.lock().living.iter().filter(|other| **other != own || own == node));
        }
        living
    }

    fn leave_out_ended(&self, nodes: &mut BTreeSet<Uuid>, told: &Told) {
        nodes.retain(|node| !told.ended.contains(node));
        let current = self.node();
        for unit in self.nodes.iter().filter(|unit| unit.own().node == current) {
            let roll = unit.roll.lock();
            nodes.retain(|node| !roll.seen_to_end.contains(node));
        }
    }
}

#[cfg(test)]
mod tests {
    use ws_core::engine::cluster::{Change, ClusterSink, Counts, Member};

    use super::*;
    use crate::nodes::{Own, Roll};

    /// Notes what it is told.
    #[derive(Debug, Default)]
    struct Hub(Mutex<Vec<String>>);

    impl ClusterSink for Hub {
        fn connections(&self) -> u64 {
            0
        }
        fn members(&self, _: &dyn Fn(&str) -> bool, _: &mut dyn FnMut(&str, Member, bool)) {}
        fn changed(&self, _: &str, _: Change, _: Counts) {}
        fn received(&self, _: Uuid, _: &[u8]) {}
        fn ended(&self, node: Uuid) {
            self.0.lock().push(format!("{} has ended", node.as_u128()));
        }
        fn lapsed(&self) {
            self.0.lock().push("lapsed".to_owned());
        }
        fn restored(&self) {}
    }

    fn node(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    fn two() -> (Arc<Units>, Arc<Hub>) {
        let (units, hub) = (Units::new(2, 1, None), Arc::<Hub>::default());
        units.nodes.iter().for_each(|unit| unit.start(hub.clone()));
        (units, hub)
    }

    /// A unit has renewed its lease, and seen who lives and who has ended.
    fn roll(units: &Units, unit: usize, living: &[u128], ended: &[u128]) {
        units.nodes[unit].is_heard.store(true, Ordering::Release);
        let mut roll = units.nodes[unit].roll.lock();
        let living = living.iter().copied().map(node).chain([units.nodes[unit].own().node]).collect();
        let now = Roll { living, ended: ended.iter().copied().map(node).collect(), ..Roll::default() };
        *roll = now.after(&roll);
        drop(roll);
        units.tell_ended();
    }

    #[track_caller]
    fn living(units: &Units, in_first: &[u128], expect: &[u128]) {
        let mut expect: Vec<_> = expect.iter().copied().map(node).chain([units.node()]).collect();
        expect.sort_unstable();
        assert_eq!(units.living(in_first.iter().copied().map(node).chain([units.node()])), expect);
    }

    #[test]
    fn who_has_ended_in_one_unit_has_ended() {
        let (units, hub) = two();
        roll(&units, 0, &[1, 2], &[]);
        roll(&units, 1, &[1, 2], &[]);
        roll(&units, 1, &[2], &[1]);
        assert_eq!(*hub.0.lock(), ["1 has ended"]);
        living(&units, &[1, 2], &[2]);
        units.end_elsewhere(node(1), 1);
        assert_eq!(units.nodes[0].to_end.lock().iter().collect::<Vec<_>>(), [&node(1)]);
        assert!(units.nodes[1].to_end.lock().is_empty());
        // It is forgotten here, and then there.
        roll(&units, 0, &[2], &[1]);
        roll(&units, 1, &[2], &[]);
        roll(&units, 0, &[2], &[]);
        assert_eq!(hub.0.lock().len(), 1, "once");
    }

    #[test]
    fn the_dead_end_nobody() {
        let (units, hub) = two();
        (0..2).for_each(|unit| roll(&units, unit, &[1], &[]));
        // The other unit is away, and there this node is one of the dead.
        roll(&units, 0, &[], &[1]);
        units.end_elsewhere(node(1), 0);
        assert_eq!(*hub.0.lock(), ["1 has ended"]);
        units.lapse(units.node());
        assert!(units.nodes[1].to_end.lock().is_empty());
        units.end_elsewhere(node(1), 0);
        assert!(units.nodes[1].to_end.lock().is_empty(), "this unit is still that of the dead");
        living(&units, &[1], &[1]);
        roll(&units, 0, &[], &[1]);
        living(&units, &[1], &[1]);
        // Both have become this node; the first one is still where the other server has ended.
        for (unit, alive, ended) in [(1, &[1][..], &[][..]), (0, &[], &[1]), (0, &[1], &[])] {
            units.nodes[unit].roll.lock().forget_ends();
            units.nodes[unit].set_own(Own { node: units.node(), is_new: false, generation: 0 });
            roll(&units, unit, alive, ended);
            living(&units, &[1], &[1]);
        }
        assert_eq!(*hub.0.lock(), ["1 has ended", "lapsed"]);
    }

    #[test]
    fn who_has_ended_is_remembered_until_it_has_ended_in_all() {
        let (units, _) = two();
        roll(&units, 0, &[], &[1]);
        assert!(units.may_live_elsewhere(node(1), 0), "the other one is away");
        roll(&units, 1, &[1], &[]);
        assert!(units.may_live_elsewhere(node(1), 0));
        units.end_elsewhere(node(1), 0);
        roll(&units, 1, &[], &[]);
        assert!(units.may_live_elsewhere(node(1), 0), "it is about to end it");
        units.nodes[1].to_end.lock().clear();
        assert!(!units.may_live_elsewhere(node(1), 0));
    }

    #[test]
    fn who_is_forgotten_in_one_unit_stays_dead_where_another_one_has_not_asked_since() {
        let (units, hub) = two();
        roll(&units, 0, &[1, 2], &[]);
        roll(&units, 1, &[1, 2], &[]);
        roll(&units, 0, &[2], &[1]);
        roll(&units, 0, &[2], &[]);
        living(&units, &[2], &[2]);
        // Its answer was on the way meanwhile.
        roll(&units, 1, &[1, 2], &[]);
        living(&units, &[2], &[2]);
        roll(&units, 1, &[2], &[1]);
        roll(&units, 1, &[2], &[]);
        assert_eq!(*hub.0.lock(), ["1 has ended"], "once");
        assert!(units.told.lock().ended.is_empty(), "nothing is kept for ever");
    }

    #[test]
    fn who_is_missing_in_one_unit_may_live() {
        let (units, hub) = two();
        roll(&units, 1, &[1], &[]);
        roll(&units, 0, &[1], &[]);
        roll(&units, 0, &[], &[]);
        living(&units, &[], &[1]);
        assert!(hub.0.lock().is_empty());
        // The other one is away: it says nothing.
        units.nodes[1].is_heard.store(false, Ordering::Release);
        living(&units, &[], &[]);
        roll(&units, 0, &[], &[]);
        assert_eq!(*hub.0.lock(), ["1 has ended"]);
    }

    #[test]
    fn a_node_lapses_once_and_is_not_told_of_itself() {
        let (units, hub) = two();
        roll(&units, 0, &[1], &[]);
        roll(&units, 1, &[1], &[]);
        let before = units.node();
        units.lapse(before);
        let after = units.node();
        units.lapse(before);
        assert_eq!((units.node(), hub.0.lock().join(",")), (after, "lapsed".to_owned()));
        assert!(units.nodes.iter().all(|unit| unit.may_have_lapsed()), "nothing is written");
        for unit in 0..2 {
            roll(&units, unit, &[1], &[]);
            units.nodes[unit].set_own(Own { node: after, is_new: false, generation: 0 });
            units.is_leased(&units.nodes[unit], after);
            assert!(!units.nodes[unit].may_have_lapsed());
            roll(&units, unit, &[1], &[]);
        }
        assert_eq!(hub.0.lock().len(), 1);
        living(&units, &[1], &[1]);
    }
}
