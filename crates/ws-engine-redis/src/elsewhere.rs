//! What this server has passed on elsewhere. A publication that is not retained goes to those who follow its channel on the
//! same Redis. While a primary is replaced, or a slot moves, servers may be on two of them for a moment, and both take what
//! is published: nobody on the one hears what is passed on by the other. When this server comes to the other one, it says in
//! which channels that may have happened, and who follows them takes it for a gap.

use std::collections::HashSet;
use std::sync::Arc;

use crate::link::{Batch, Link};
use crate::message::missed;
use crate::shared::Shared;

impl Shared {
    /// This server has come to another Redis than it was on: those who follow there may have missed what it has passed on.
    pub(crate) fn tell_missed(self: &Arc<Self>, writer: &Link) {
        self.say_missed(self.passed.take(), writer);
    }

    /// Tells again what could not be told.
    pub(crate) fn tell_due(self: &Arc<Self>, writer: &Link) {
        self.say_missed(self.passed.take_due(), writer);
    }

    fn say_missed(self: &Arc<Self>, channels: HashSet<Box<str>>, writer: &Link) {
        if channels.is_empty() {
            return;
        }
        let tell = |batch: &mut Batch<'_>| {
            for channel in &channels {
                let topic = self.keys.topic(self.keys.partition(channel), channel).into_bytes();
                let (shared, channel) = (self.clone(), channel.clone());
                batch.command([b"SPUBLISH".to_vec(), topic, missed(&self.node)], move |result| {
                    if result.is_err() {
                        shared.passed.add_due(channel);
                    }
                });
            }
        };
        if writer.send(tell).is_err() {
            channels.into_iter().for_each(|channel| self.passed.add_due(channel));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::fake::{connect, disconnect, server};

    #[tokio::test(start_paused = true)]
    async fn what_could_not_be_told_is_told_later() {
        let (shared, _) = server();
        let (mut redis, _feed) = connect(&shared);
        let writer = shared.writer.read().clone().expect("it is connected");
        shared.passed.add("a");
        shared.tell_missed(&writer);
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
