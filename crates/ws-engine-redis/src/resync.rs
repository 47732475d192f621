//! What the store has of this node is a copy. It is made right as a whole where the store has lost some of it, has an old
//! state of it, or could not take what was new.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::limits::MEMBERS_BATCH_MAX;
use crate::link::Link;
use crate::member::encode;
use crate::nodes::Queued;
use crate::op::{Op, Put};
use crate::shared::Shared;
use crate::sweep::Held;

/// The members of this node in a channel, and whether they are announced.
type Channels = BTreeMap<Box<str>, (bool, Vec<(Uuid, Vec<u8>)>)>;

impl Shared {
    /// Has the store be made right, before anything else that waits.
    ///
    /// # Errors
    /// In words; it has to be done again.
    pub(crate) async fn resync(self: &Arc<Self>, writer: &Link) -> Result<(), String> {
        let suspension = Suspension { shared: self, is_over: false };
        while self.suspend() {
            sleep(Duration::from_millis(1)).await;
        }
        let ops = self.collect(writer).await?;
        suspension.end(ops);
        self.nodes.sink().restored();
        Ok(())
    }

    /// Has nothing be sent any more, and forgets what is about to be sent as a whole; what comes from now on is sent after
    /// that. Whether something is still on its way.
    fn suspend(&self) -> bool {
        let mut desk = self.nodes.desk.lock();
        desk.is_suspended = true;
        if !desk.in_flight {
            desk.queue.retain(|queued| !queued.op.is_copy());
        }
        desk.in_flight
    }

    async fn collect(self: &Arc<Self>, writer: &Link) -> Result<Vec<Op>, String> {
        let held = self.held(&self.nodes.own_name(), writer).await?;
        let (sink, share) = (self.nodes.sink(), self.keys.share());
        // There may be very many.
        let collecting = self.runtime.spawn_blocking(move || {
            let mut channels = Channels::new();
            sink.members(&mut |channel, member, is_announced| {
                if !share.has(channel) {
                    return;
                }
                let (announced, members) = channels.entry(channel.into()).or_default();
                *announced = is_announced;
                members.push((member.connection, encode(&member)));
            });
            channels
        });
        let channels = collecting.await.map_err(|error| error.to_string())?;
        let mut ops = Vec::new();
        for channel in held.iter().flat_map(|held| &held.channels) {
            if !channels.contains_key(&**channel) {
                ops.push(Op::Put(Put::nobody(channel)));
            }
        }
        for (channel, (is_announced, mut members)) in channels {
            members.sort_unstable();
            ops.extend(puts(&channel, is_announced, &members).map(Op::Put));
        }
        ops.extend(self.all_users(held));
        Ok(ops)
    }

    /// All users of this node, and those that it has no more.
    fn all_users(&self, held: Vec<Held>) -> Vec<Op> {
        let mut by_partition: Vec<HashSet<Box<str>>> =
            held.into_iter().map(|held| held.users.into_iter().map(Into::into).collect()).collect();
        for user in self.nodes.users.lock().keys() {
            by_partition[self.keys.partition(user)].insert(user.clone());
        }
        let mut ops = Vec::new();
        for (partition, users) in by_partition.into_iter().enumerate() {
            let users: Vec<_> = users.into_iter().collect();
            ops.extend(users.chunks(MEMBERS_BATCH_MAX).map(|users| Op::Users(partition, users.to_vec())));
        }
        ops
    }
}

/// Nothing is sent meanwhile. If it ends in another way, everything has to be done again.
struct Suspension<'a> {
    shared: &'a Shared,
    is_over: bool,
}

impl Suspension<'_> {
    /// These are sent first.
    fn end(mut self, ops: Vec<Op>) {
        let (mut desk, came) = (self.shared.nodes.desk.lock(), Instant::now());
        ops.into_iter().rev().for_each(|op| desk.queue.push_front(Queued { op, came }));
        drop(desk);
        self.is_over = true;
    }
}

impl Drop for Suspension<'_> {
    fn drop(&mut self) {
        self.shared.nodes.desk.lock().is_suspended = false;
        if !self.is_over {
            self.shared.nodes.is_stale.store(true, Ordering::Release);
        }
    }
}

/// The members of a channel, sorted, in parts that together leave nobody else in it.
fn puts<'a>(
    channel: &'a str,
    is_announced: bool,
    members: &'a [(Uuid, Vec<u8>)],
) -> impl Iterator<Item = Put> + use<'a> {
    let mut from = Uuid::nil();
    members.chunks(MEMBERS_BATCH_MAX).enumerate().map(move |(n, part)| {
        let is_last = (n + 1) * MEMBERS_BATCH_MAX >= members.len();
        let to = part.last().filter(|_| !is_last).map_or(Uuid::max(), |(connection, _)| *connection);
        let between = (from, to);
        from = Uuid::from_u128(to.as_u128().saturating_add(1));
        let members = part.iter().map(|(_, member)| member.clone()).collect();
        Put { channel: channel.into(), is_announced: Some(is_announced), between, members }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_all_connections_once() {
        for n in [1, 199, 200, 201, 1000] {
            let members: Vec<_> = (1..=n).map(|n| (Uuid::from_u128(n * 10), vec![n as u8])).collect();
            let puts: Vec<_> = puts("c", true, &members).collect();
            assert_eq!(puts.iter().map(|put| put.members.len()).sum::<usize>(), members.len());
            let mut next = 0;
            for put in &puts {
                assert_eq!(put.between.0.as_u128(), next, "{n}");
                next = put.between.1.as_u128().wrapping_add(1);
            }
            assert_eq!(next, 0, "up to the last connection that there may be");
        }
    }
}
