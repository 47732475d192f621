//! Channels with own subscribers.

use ws_proto::api::ChannelInfo;

use crate::channel::Channel;
use crate::cluster::Page;
use crate::registry::Named;
use crate::state::Shared;

impl Shared {
    /// The next channels whose names begin with `prefix`.
    pub(in crate::hub) fn own_channels(&self, prefix: &str, after: Option<&str>, max: usize) -> Page<ChannelInfo> {
        let found = self.channels.page(after, max + 1, |channel| channel.name().starts_with(prefix));
        let page = Page::of(found, max);
        Page { entries: page.entries.iter().map(|channel| info(channel)).collect(), more: page.more }
    }

    /// How many own connections are subscribed to a channel.
    pub(in crate::hub) fn own_subscribers(&self, name: &str) -> u64 {
        self.channels.get(name).map_or(0, |channel| channel.lock().subscriptions.into())
    }
}

fn info(channel: &Channel) -> ChannelInfo {
    let state = channel.lock();
    let (epoch, end) = (state.epoch, state.end.offset);
    ChannelInfo {
        channel: channel.name().to_owned(),
        subscribers: state.subscriptions.into(),
        epoch: epoch.map(|epoch| epoch.to_string()),
        offset: epoch.map(|_| end),
    }
}
