//! Subscriptions of own connections. The connection's own task starts and ends them; see
//! [`subscriptions`](crate::hub).

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};
use uuid::Uuid;
use ws_proto::{ChannelName, ErrorBody, ErrorCode};

use crate::state::{Answered, Entry, Operation, Shared, What};

impl Shared {
    /// Subscribes a connection, by then.
    ///
    /// # Errors
    /// As `Hub::subscribe`.
    pub(in crate::hub) async fn subscribe_own(&self, id: Uuid, channel: &str, by: Instant) -> Result<(), ErrorBody> {
        let what = self.subscribing(channel, false)?;
        answer(self.own_entry(id)?.call(what, channel.into())?, by).await
    }

    /// Ends the subscription of a connection, by then.
    ///
    /// # Errors
    /// As `Hub::unsubscribe`.
    pub(in crate::hub) async fn unsubscribe_own(&self, id: Uuid, channel: &str, by: Instant) -> Result<(), ErrorBody> {
        self.channel_options(ChannelName::parse(channel)?)?;
        answer(self.own_entry(id)?.call(What::Unsubscribe, channel.into())?, by).await
    }

    /// Subscribes all connections of a user, by then. Returns how many are subscribed.
    ///
    /// # Errors
    /// As `Hub::subscribe_user`.
    pub(in crate::hub) async fn subscribe_own_user(
        &self,
        user: &str,
        channel: &str,
        by: Instant,
    ) -> Result<u64, ErrorBody> {
        let what = self.subscribing(channel, true)?;
        self.call_own(user, &what, channel, by).await
    }

    /// Ends the subscriptions of all connections of a user, by then. Returns how many are not subscribed.
    ///
    /// # Errors
    /// As `Hub::unsubscribe_user`.
    pub(in crate::hub) async fn unsubscribe_own_user(
        &self,
        user: &str,
        channel: &str,
        by: Instant,
    ) -> Result<u64, ErrorBody> {
        self.channel_options(ChannelName::parse(channel)?)?;
        self.call_own(user, &What::Unsubscribe, channel, by).await
    }

    fn subscribing(&self, channel: &str, or_keep: bool) -> Result<What, ErrorBody> {
        Ok(What::Subscribe { options: self.channel_options(ChannelName::parse(channel)?)?, or_keep })
    }

    async fn call_own(&self, user: &str, what: &What, channel: &str, by: Instant) -> Result<u64, ErrorBody> {
        let channel: Arc<str> = channel.into();
        self.logins.record(user, Operation::Call(what.clone(), channel.clone()))?;
        call_all(&self.own_entries(user), what, &channel, by).await
    }
}

async fn call_all(entries: &[Arc<Entry>], what: &What, channel: &Arc<str>, by: Instant) -> Result<u64, ErrorBody> {
    let ends = matches!(what, What::Unsubscribe);
    // All are called before the first is waited for.
    let calls: Vec<_> = entries.iter().map(|entry| entry.call(what.clone(), channel.clone())).collect();
    let mut count = 0;
    let mut failed = None;
    for call in calls {
        let result = match call {
            Ok(answered) => answer(answered, by).await,
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => count += 1,
            // There is none: it was not subscribed before, or somebody has ended it meanwhile.
            Err(error) if error.code == ErrorCode::NotSubscribed => count += u64::from(ends),
            // It has ended.
            Err(error) if error.code == ErrorCode::NotFound => {}
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(count), Err)
}

async fn answer(mut answered: Answered, by: Instant) -> Result<(), ErrorBody> {
    match timeout_at(by, &mut answered.result).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(ErrorBody::new(ErrorCode::NotFound, "the connection has ended")),
        Err(_) if answered.waits_for_engine() => {
            Err(ErrorBody::new(ErrorCode::EngineUnavailable, "the engine has not answered in time"))
        }
        Err(_) => Err(ErrorBody::new(ErrorCode::Overloaded, "the connection does not read its answers; try again")),
    }
}
