//! How a subscription starts: in two steps, because the engine may take time to report the position of the stream.
//! First the subscription is attached to the channel. When the position is known it gets its cursor, from which on the
//! channel keeps everything for it, and the answer is queued. Only then is the fan-out notified, so the answer comes
//! before all publications.

use std::sync::Arc;

use ws_proto::action::SubscribeData;
use ws_proto::{ChannelName, ErrorBody, ErrorCode};

use super::start_at::StartAt;
use crate::channel::{Channel, Shards};
use crate::engine::{Engine, History};
use crate::kind::Kind;
use crate::options::ChannelOptions;
use crate::registry::Named;
use crate::state::{Membership, Notice, Start, Subscription};

/// The cursor of a subscription that the fan-out has not been notified of yet.
#[derive(Debug)]
pub(crate) struct Started {
    start: Start,
    to_notify: Shards,
}

impl Membership {
    /// Attaches the connection to a channel. Call [`start`](Self::start) or [`unsubscribe`](Self::unsubscribe)
    /// afterwards.
    ///
    /// # Errors
    /// `already_subscribed`, `limit_exceeded`.
    pub(crate) fn attach(
        &self,
        name: ChannelName<'_>,
        options: &Arc<ChannelOptions>,
    ) -> Result<Arc<Subscription>, ErrorBody> {
        let (shared, name) = (self.shared(), name.as_str());
        self.check_attach(name)?;
        // Not under the lock of the subscriptions: an engine asks for them under locks that it takes in this call. Nobody
        // else adds any meanwhile.
        let channel = shared.attach(name, options, self.shard());
        let subscription = Arc::new(Subscription::new(channel, self.connection().clone()));
        self.entry.subscriptions.lock().get_or_insert_default().insert(subscription.clone());
        Ok(subscription)
    }

    /// Whether there may be one more subscription.
    fn check_attach(&self, name: &str) -> Result<(), ErrorBody> {
        let subscriptions = self.entry.subscriptions.lock();
        if subscriptions.as_ref().is_some_and(|subscriptions| subscriptions.contains(name)) {
            return Err(already_subscribed());
        }
        let max = self.shared().limits.channels_per_connection_max;
        if subscriptions.as_ref().map_or(0, |subscriptions| subscriptions.len()) >= max {
            let message =
                format!("this connection has {max} subscriptions already (limits.channels_per_connection_max)");
            return Err(ErrorBody::new(ErrorCode::LimitExceeded, message));
        }
        Ok(())
    }

    /// Gives a subscription its cursor, and returns the data of the answer. `history` is the position that the engine
    /// reported, if it was asked. Returns `None` if the engine has to be asked again. Call [`follow`](Self::follow)
    /// after the answer has been queued.
    pub(crate) fn start<'a>(
        &self,
        subscription: &Arc<Subscription>,
        from: &StartAt<'a>,
        history: Option<&History>,
    ) -> Option<(Started, SubscribeData<'a>)> {
        let channel = subscription.channel();
        let mut state = channel.lock();
        let mut to_notify = Shards::default();
        if let Some(history) = history {
            match state.epoch {
                Some(epoch) if epoch != history.epoch => return None,
                // The engine has told of it only now: who reads already looks in the history for what is between.
                Some(_) if history.top > state.end.offset => {
                    to_notify = channel.skip(&mut state, history.top, &self.shared().gate);
                }
                _ => state.found(history.epoch, history.top),
            }
        }
        // Before the cursor is set, so that it does not get its own join event.
        to_notify = to_notify.and(self.shared().enter(subscription, &mut state));
        let (live, generation) = (state.end, channel.generation());
        state.start_reader(self.shard());
        drop(state);
        subscription.set_started();
        self.shared().tell_entered(subscription);
        let mut data = SubscribeData { channel: channel.name().to_owned().into(), ..SubscribeData::default() };
        let after = match history {
            Some(history) => {
                data.epoch = Some(history.epoch.to_string().into());
                data.offset = Some(live.offset);
                let after = from.resolve(history, live.offset, &mut data);
                data.after = Some(after);
                after
            }
            None => live.offset,
        };
        Some((Started { start: Start { generation, live, after }, to_notify }, data))
    }

    /// Notifies the fan-out of a subscription whose answer has been queued.
    pub(crate) fn follow(&self, subscription: Arc<Subscription>, started: &Started) {
        self.shared().notify_dirty(subscription.channel(), started.to_notify);
        self.notify(Notice::Subscribe(subscription, started.start));
    }

    /// The position of a channel that the connection is subscribed to.
    pub(crate) fn position<'a>(&self, name: &'a str) -> SubscribeData<'a> {
        let mut data = SubscribeData { channel: name.into(), ..SubscribeData::default() };
        let subscriptions = self.entry.subscriptions.lock();
        if let Some(subscription) = subscriptions.as_ref().and_then(|subscriptions| subscriptions.get(name)) {
            let state = subscription.channel().lock();
            data.epoch = state.epoch.map(|epoch| epoch.to_string().into());
            data.offset = state.epoch.map(|_| state.end.offset);
        }
        data
    }
}

pub(crate) fn already_subscribed() -> ErrorBody {
    ErrorBody::new(ErrorCode::AlreadySubscribed, "this connection is already subscribed to the channel")
}

/// Whether a subscription has to ask the engine before it can start: for the position, or whether what other servers
/// publish arrives already.
pub(crate) fn asks_engine(channel: &Channel, engine: &dyn Engine) -> bool {
    channel.kind() == Kind::Retained || engine.is_shared()
}
