//! What the store has of this node is a copy. What is [wrong](crate::wrong) with it is made right: all of it where the store
//! has lost some, or has an old state; single channels and users where the store could not take what was new.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use uuid::Uuid;

use crate::limits::MEMBERS_BATCH_MAX;
use crate::link::Link;
use crate::member::encode;
use crate::op::{Op, Put};
use crate::shared::Shared;
use crate::sweep::Held;
use crate::wrong::Wrong;

/// The members of this node in a channel, and whether they are announced.
type Channels = BTreeMap<Box<str>, (bool, Vec<(Uuid, Vec<u8>)>)>;

impl Shared {
    /// Has the store be made right, if something is wrong, before anything else that waits.
    ///
    /// # Errors
    /// In words; it has to be done again.
    pub(crate) async fn resync(self: &Arc<Self>, writer: &Link) -> Result<(), String> {
        let Some(suspension) = self.suspend() else { return Ok(()) };
        while !self.nodes.desk.lock().suspend(&suspension.wrong) {
            sleep(Duration::from_millis(1)).await;
        }
        let ops = self.collect(&suspension.wrong, writer).await?;
        let is_all = suspension.wrong.all;
        suspension.end(ops);
        if is_all {
            self.recount_renewed();
            self.nodes.sink().restored();
        }
        Ok(())
    }

    fn suspend(&self) -> Option<Suspension<'_>> {
        // Members leave before they come again.
        let has_left = self.nodes.former.lock().is_empty();
        let mut desk = self.nodes.desk.lock();
        if desk.wrong.all && !has_left {
            return None;
        }
        let wrong = desk.take_wrong();
        if wrong.is_empty() {
            return None;
        }
        desk.is_suspended = true;
        Some(Suspension { shared: self, wrong })
    }

    async fn collect(&self, wrong: &Wrong, writer: &Link) -> Result<Vec<Op>, String> {
        let held = if wrong.all { self.held(&self.nodes.own_name(), writer).await? } else { Vec::new() };
        let mut ops = self.all_users(wrong, &held);
        let channels = self.channels(wrong).await?;
        let known = held.iter().flat_map(|held| held.channels.iter().map(String::as_str));
        for channel in known.chain(wrong.channels.iter().map(|channel| &**channel)) {
            if !channels.contains_key(channel) {
                ops.push(Op::Put(Put::nobody(channel)));
            }
        }
        for (channel, (is_announced, mut members)) in channels {
            members.sort_unstable();
            ops.extend(puts(&channel, is_announced, &members).map(Op::Put));
        }
        Ok(ops)
    }

    /// The channels in which this node has members, of those that are wrong.
    async fn channels(&self, wrong: &Wrong) -> Result<Channels, String> {
        let only = if wrong.all { None } else { Some(wrong.channels.clone()) };
        if only.as_ref().is_some_and(HashSet::is_empty) {
            return Ok(Channels::new());
        }
        let (sink, share) = (self.nodes.sink(), self.keys.share());
        // There may be very many.
        let collecting = self.runtime.spawn_blocking(move || {
            let mut channels = Channels::new();
            let is_wanted = |channel: &str| match &only {
                Some(only) => only.contains(channel),
                None => share.has(channel),
            };
            sink.members(&is_wanted, &mut |channel, member, is_announced| {
                let (announced, members) = channels.entry(channel.into()).or_default();
                *announced = is_announced;
                members.push((member.connection, encode(&member)));
            });
            channels
        });
        collecting.await.map_err(|error| error.to_string())
    }

    /// The users that are wrong; if that is everything: all users of this node, and those that it has no more.
    fn all_users(&self, wrong: &Wrong, held: &[Held]) -> Vec<Op> {
        let mut by_partition = BTreeMap::<_, HashSet<Box<str>>>::new();
        let mut add = |user: &str| _ = by_partition.entry(self.keys.partition(user)).or_default().insert(user.into());
        held.iter().flat_map(|held| &held.users).for_each(|user| add(user));
        wrong.users.iter().for_each(|user| add(user));
        if wrong.all {
            self.nodes.users.lock().keys().for_each(|user| add(user));
        }
        let mut ops = Vec::new();
        for (partition, users) in by_partition {
            let users: Vec<_> = users.into_iter().collect();
            ops.extend(users.chunks(MEMBERS_BATCH_MAX).map(|users| Op::Users(partition, users.to_vec())));
        }
        ops
    }
}

/// Nothing is sent meanwhile. If it ends in another way, it has to be done again.
struct Suspension<'a> {
    shared: &'a Shared,
    wrong: Wrong,
}

impl Suspension<'_> {
    /// These are sent first.
    fn end(mut self, ops: Vec<Op>) {
        let wrong = std::mem::take(&mut self.wrong);
        self.shared.nodes.desk.lock().correct(&wrong, ops);
    }
}

impl Drop for Suspension<'_> {
    fn drop(&mut self) {
        let mut desk = self.shared.nodes.desk.lock();
        desk.is_suspended = false;
        desk.wrong.extend(std::mem::take(&mut self.wrong));
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
        Put { is_announced: Some(is_announced), between, members, ..Put::nobody(channel) }
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
