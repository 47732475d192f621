//! What this server has passed on elsewhere. A publication that is not retained goes to those who follow its channel on the
//! same Redis. While a primary is replaced, or a slot moves, servers may be on two of them, and both take what is published:
//! nobody on the one hears what is passed on by the other. When this server comes to the other one, it says in which channels
//! that may have happened, and who follows them takes it for a gap.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::link::{Batch, Link};
use crate::message::{missed, missed_in_all};
use crate::passed::Names;
use crate::shared::Shared;

impl Shared {
    /// This server has come to another Redis than it was on: those who follow there may have missed what it has passed on
    /// since the first of them came, at most so long ago.
    pub(crate) fn tell_missed(self: &Arc<Self>, writer: &Link, last: Duration) {
        self.say_missed(self.passed.of(last), writer);
    }

    /// Tells again what could not be told.
    pub(crate) fn tell_due(self: &Arc<Self>, writer: &Link) {
        self.say_missed(self.passed.take_due(), writer);
    }

    fn say_missed(self: &Arc<Self>, names: Names, writer: &Link) {
        if names.is_empty() {
            return;
        }
        let messages: Vec<_> = match &names {
            Names::These(names) => names.iter().map(|name| self.missed_in(name)).collect(),
            Names::All => vec![(self.keys.all_nodes(), missed_in_all(&self.node), Names::All)],
        };
        let tell = |batch: &mut Batch<'_>| {
            for (topic, message, names) in messages {
                let shared = self.clone();
                batch.command([b"SPUBLISH".to_vec(), topic.into_bytes(), message], move |result| {
                    if result.is_err() {
                        shared.passed.add_due(names);
                    }
                });
            }
        };
        if writer.send(tell).is_err() {
            self.passed.add_due(names);
        }
    }

    /// Where that is told of one channel, the message, and what is due if it cannot be told.
    fn missed_in(&self, channel: &str) -> (String, Vec<u8>, Names) {
        let topic = self.keys.topic(self.keys.partition(channel), channel);
        (topic, missed(&self.node), Names::These(HashSet::from([channel.into()])))
    }

    /// Another server has passed on publications elsewhere, in any of the channels without history.
    pub(crate) fn has_missed_in_all(&self) {
        for channel in self.feed.all() {
            let state = channel.state.lock();
            if state.subscribers > 0 && !self.is_kept(&channel.name) {
                self.sink().lost(&channel.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{connect, disconnect, server};

    #[tokio::test(start_paused = true)]
    async fn what_could_not_be_told_is_told_later() {
        let (shared, _) = server();
        let (mut redis, _feed) = connect(&shared);
        let writer = shared.writer.read().clone().expect("it is connected");
        shared.passed.add("a");
        shared.tell_missed(&writer, Duration::ZERO);
        redis.expect("SPUBLISH").await;
        redis.say(b"-BUSY Redis is busy running a script.\r\n").await;
        shared.tell_due(&writer);
        redis.expect("SPUBLISH").await;
        disconnect(&shared);
        // This one has ended too.
        shared.tell_due(&writer);
        let (mut redis, _feed) = connect(&shared);
        let writer = shared.writer.read().clone().expect("it is connected");
        shared.tell_due(&writer);
        redis.expect("SPUBLISH").await;
        redis.say(b":1\r\n").await;
        shared.tell_due(&writer);
        redis.is_idle().await;
    }
}
