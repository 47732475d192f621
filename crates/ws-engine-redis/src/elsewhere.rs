//! What this server has passed on elsewhere. A publication that is not retained goes to those who follow its channel on the
//! same Redis. While a primary is replaced, or a slot moves, servers may be on two of them for a moment, and both take what
//! is published: nobody on the one hears what is passed on by the other. When this server comes to the other one, it says in
//! which channels that may have happened, and who follows them takes it for a gap.

use std::sync::Arc;

use crate::link::{Batch, Link};
use crate::message::missed;
use crate::shared::Shared;

impl Shared {
    /// This server has come to another Redis than it was on: those who follow there may have missed what it has passed on.
    pub(crate) fn tell_missed(self: &Arc<Self>, writer: &Link) {
        let channels = self.passed.take();
        let tell = |batch: &mut Batch<'_>| {
            for channel in channels {
                let topic = self.keys.topic(self.keys.partition(&channel), &channel).into_bytes();
                let shared = self.clone();
                batch.command([b"SPUBLISH".to_vec(), topic, missed(&self.node)], move |result| {
                    if result.is_err() {
                        // It goes with the next connection.
                        shared.passed.add(&channel);
                    }
                });
            }
        };
        // A connection that has ended is replaced by one to the same Redis, or to one where nobody is yet.
        let _ = writer.send(tell);
    }
}
