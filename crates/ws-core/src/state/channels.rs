//! Channels come and go with their subscribers.

use std::sync::Arc;

use super::shared::Shared;
use super::subscription::Subscription;
use crate::channel::Channel;
use crate::options::ChannelOptions;
use crate::registry::Named;

impl Shared {
    /// One more subscription of this shard in a channel, which is created if it has none yet.
    pub(crate) fn attach(&self, name: &str, options: &Arc<ChannelOptions>, shard: usize) -> Arc<Channel> {
        // Before the channel exists, so that the engine keeps its epoch for as long as the channel exists.
        self.engine.interest(name, true);
        self.counters.subscribed.add(1);
        loop {
            let channel = self.channels.get_or_insert(name, || Channel::new(name, options.clone(), &self.gate));
            let mut state = channel.lock();
            if !state.gone {
                state.attach(shard);
                drop(state);
                return channel;
            }
        }
    }

    /// One subscription less. The last one takes the channel with it; its history stays with the engine.
    pub(super) fn detach(&self, subscription: &Arc<Subscription>) {
        let channel = subscription.channel();
        let mut state = channel.lock();
        state.subscriptions -= 1;
        let to_notify = self.exit(subscription, &mut state);
        let unused = state.subscriptions == 0;
        drop(state);
        self.tell_left(subscription);
        self.notify_dirty(channel, to_notify);
        if unused {
            self.channels.remove_if(channel, |channel| {
                let mut state = channel.lock();
                state.gone = state.subscriptions == 0;
                state.gone
            });
        }
        self.engine.interest(channel.name(), false);
        self.counters.unsubscribed.add(1);
    }
}
