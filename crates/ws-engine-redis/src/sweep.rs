//! What a node that has ended leaves behind: its members and its users are removed, by any of the living nodes, each once.

use std::sync::Arc;

use uuid::Uuid;

use crate::limits::MEMBERS_BATCH_MAX;
use crate::link::Link;
use crate::op::Put;
use crate::phrase::Args;
use crate::resp::Value;
use crate::shared::Shared;

/// What the store has of a node in a partition.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) channels: Vec<String>,
    pub(crate) users: Vec<String>,
}

impl Shared {
    /// Removes everything of a node, and that there was one, if it has ended in all units. What cannot be removed now is when
    /// the lease is renewed next.
    pub(crate) async fn sweep(self: Arc<Self>, node: Uuid, writer: &Link) {
        let name = node.simple().to_string();
        let is_swept = self.nodes.swept.lock().contains(&node);
        let mut removed = if is_swept { Ok(()) } else { self.remove_all(&name, writer).await };
        if removed.is_ok() {
            self.nodes.swept.lock().insert(node);
        }
        if removed.is_ok() && !self.units.may_live_elsewhere(node, self.keys.share().unit) {
            removed = self.run(vec![self.forget_args(&name)], writer).await;
        }
        self.nodes.sweeping.lock().remove(&node);
        match removed {
            Ok(()) => {
                let mut former = self.nodes.former.lock();
                let before = former.len();
                former.retain(|(former, _)| *former != node);
                if former.len() < before {
                    // The members of this server have waited for it.
                    self.nodes.look.notify_one();
                }
            }
            Err(trouble) => tracing::debug!(node = %node.simple(), "its members will be removed later: {trouble}"),
        }
    }

    async fn remove_all(&self, node: &str, writer: &Link) -> Result<(), String> {
        let mut held: Vec<_> = self.held(node, writer).await?.into_iter().enumerate().collect();
        // The living begin at different places.
        let first = self.nodes.own().node.as_u128() as usize % held.len().max(1);
        held.rotate_left(first);
        for (partition, held) in held {
            let puts = held.channels.iter().map(|channel| self.put_args(&Put::nobody(channel), node));
            self.run(puts.collect(), writer).await?;
            let users: Vec<_> = held.users.iter().map(|user| (&**user, 0)).collect();
            let users = users.chunks(MEMBERS_BATCH_MAX).map(|users| self.users_args(partition, node, users));
            self.run(users.collect(), writer).await?;
        }
        Ok(())
    }

    /// Runs scripts, each until it has no more to do.
    async fn run(&self, commands: Vec<Args>, writer: &Link) -> Result<(), String> {
        const AT_ONCE: usize = 64;
        for some in commands.chunks(AT_ONCE) {
            let mut some = some.to_vec();
            while !some.is_empty() {
                let answers = writer.call_all(some.clone()).await?;
                if answers.iter().any(|answer| answer.as_bytes() == Some(b"LAPSED")) {
                    self.nodes.look.notify_one();
                    return Err("the own lease has to be renewed first".to_owned());
                }
                let mut answers = answers.iter();
                some.retain(|_| answers.next() == Some(&Value::Int(MORE)));
            }
        }
        Ok(())
    }

    /// What the store has of a node, by partition.
    ///
    /// # Errors
    /// In words.
    pub(crate) async fn held(&self, node: &str, writer: &Link) -> Result<Vec<Held>, String> {
        let commands = (0..self.keys.partitions()).map(|partition| self.held_args(partition, node)).collect();
        let answers = writer.call_all(commands).await?;
        answers.iter().map(|answer| held(answer).ok_or_else(|| "a script of another version".to_owned())).collect()
    }
}

/// What a script answers that has more to do. Those that never have answer otherwise.
pub(crate) const MORE: i64 = 2;

fn held(answer: &Value) -> Option<Held> {
    let [channels, users] = answer.as_array()? else { return None };
    let texts = |value: &Value| {
        let text = |value: &Value| Some(std::str::from_utf8(value.as_bytes()?).ok()?.to_owned());
        value.as_array()?.iter().map(text).collect::<Option<Vec<_>>>()
    };
    Some(Held { channels: texts(channels)?, users: texts(users)? })
}
