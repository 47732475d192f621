//! Where changes of a presence may have been missed, the counts are read anew: on the connection on which the changes come,
//! so that those after it count on from there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use ws_core::LogLimit;
use ws_core::engine::cluster::Change;

use crate::channel::Channel;
use crate::limits::{LOGGED_PER_SECOND, MEMBERS_BATCH_MAX};
use crate::link::Failure;
use crate::member;
use crate::resp::Value;
use crate::shared::Shared;

static FAILURES: LogLimit = LogLimit::new(LOGGED_PER_SECOND);

impl Shared {
    /// Changes may have been missed in these channels. They are asked for together, after what is still to be followed.
    pub(crate) fn recount(self: &Arc<Self>, channels: Vec<Arc<Channel>>) {
        if channels.is_empty() {
            return;
        }
        self.nodes.to_recount.lock().extend(channels);
        if self.feed.to_follow.lock().is_empty() {
            self.recount_all();
        }
    }

    /// Where the store had lost the members, who is not among them any more was not told to have left: when they are there
    /// again, all channels are counted.
    pub(crate) fn recount_renewed(self: &Arc<Self>) {
        if self.nodes.desk.lock().take_renewed() {
            self.recount(self.feed.all());
        }
    }

    /// Asks for what has not been asked for.
    pub(crate) fn recount_all(self: &Arc<Self>) {
        let Some(link) = self.subscriber.read().clone() else { return };
        let mut channels = std::mem::take(&mut *self.nodes.to_recount.lock());
        channels.sort_unstable_by_key(Arc::as_ptr);
        channels.dedup_by_key(|channel| Arc::as_ptr(channel));
        let mut by_partition = BTreeMap::<_, Vec<_>>::new();
        channels.into_iter().for_each(|channel| by_partition.entry(channel.partition).or_default().push(channel));
        for (partition, channels) in by_partition {
            for channels in channels.chunks(MEMBERS_BATCH_MAX) {
                let (shared, channels) = (self.clone(), channels.to_vec());
                let names: Vec<_> = channels.iter().map(|channel| &*channel.name).collect();
                let args = self.counts_args(partition, &names);
                let mut again = Some(channels.clone());
                let ask = link.send(|batch| {
                    again = None;
                    batch.command(args, move |result| shared.recounted(channels, result));
                });
                if ask.is_err() {
                    self.nodes.to_recount.lock().extend(again.into_iter().flatten());
                }
            }
        }
    }

    fn recounted(&self, channels: Vec<Arc<Channel>>, result: Result<Value, Failure>) {
        let counts = match &result {
            Ok(Value::Array(counts)) if counts.len() == channels.len() => counts,
            other => {
                // It is asked for again when the lease has been renewed.
                self.nodes.to_recount.lock().extend(channels);
                match other {
                    Err(Failure::Refused(error)) if !error.starts_with("NOSCRIPT") => {
                        if let Some(left_out) = FAILURES.pass(Instant::now()) {
                            tracing::error!(left_out, "the members of channels cannot be counted: {error}");
                        }
                    }
                    _ => self.nodes.look.notify_one(),
                }
                return;
            }
        };
        let sink = self.nodes.sink();
        for (channel, counts) in channels.iter().zip(counts) {
            if let Some(counts) = counts.as_bytes().and_then(member::counts) {
                sink.changed(&channel.name, Change::Unknown, counts);
            }
        }
    }
}
