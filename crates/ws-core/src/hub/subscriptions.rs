//! Subscriptions that the server API starts and ends. The caller has checked the rights; neither the access modes of a
//! channel nor its list of users bind this caller.
//!
//! The connection's own task does it, between two answers, and the connection gets a `subscribed` or `unsubscribed`
//! event. A subscription that was asked for here, also one that was there already, is not taken away by a token.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};
use uuid::Uuid;
use ws_proto::{ChannelName, ErrorBody, ErrorCode};

use super::handle::Hub;
use crate::limits::CALL_TIMEOUT;
use crate::options::ChannelOptions;
use crate::state::{Answered, Entry, Operation, What};

impl Hub {
    /// Subscribes a connection to a channel, from now on. Returns when the connection has its `subscribed` event in its
    /// outbox. If the future is dropped early, it may or may not happen.
    ///
    /// # Errors
    /// `invalid_channel`, `unknown_namespace`, `not_found`; `already_subscribed` (also if the client is about to be, by
    /// itself), `not_subscribed` (the client has unsubscribed meanwhile), `limit_exceeded` (subscriptions per
    /// connection), `engine_unavailable` (it fails, or does not answer within 5 s); `overloaded` if the connection does not get to it within 5 s, because its
    /// client does not read its answers.
    pub async fn subscribe(&self, id: Uuid, channel: &str) -> Result<(), ErrorBody> {
        self.shared.knows_all("to find a connection")?;
        let what = self.subscribing(channel, false)?;
        let entry = self.entry(id)?;
        one(&entry, what, channel).await
    }

    /// Ends a connection's subscription, whoever has started it. When this returns, nothing more of the channel is
    /// delivered, and the event is next.
    ///
    /// # Errors
    /// `invalid_channel`, `unknown_namespace`, `not_found`, `not_subscribed`, `overloaded`.
    pub async fn unsubscribe(&self, id: Uuid, channel: &str) -> Result<(), ErrorBody> {
        self.shared.knows_all("to find a connection")?;
        self.check_channel(channel)?;
        let entry = self.entry(id)?;
        one(&entry, What::Unsubscribe, channel).await
    }

    /// Subscribes all connections of a user: each whose login is answered before this is called, or under way. Returns
    /// how many are subscribed now, those that were before included, those under way left out, and those whose client or
    /// somebody else has ended it meanwhile. On an error others may be subscribed; to repeat it is safe.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe), but for `not_found`, `already_subscribed` and `not_subscribed`.
    pub async fn subscribe_user(&self, user: &str, channel: &str) -> Result<usize, ErrorBody> {
        self.shared.knows_all("to find the connections of a user")?;
        let what = self.subscribing(channel, true)?;
        self.all(user, what, channel).await
    }

    /// Ends the subscriptions of all connections of a user. Returns how many connections the user has that are not
    /// subscribed now, those that were not before included. To repeat it is safe.
    ///
    /// # Errors
    /// `invalid_channel`, `unknown_namespace`, `overloaded`.
    pub async fn unsubscribe_user(&self, user: &str, channel: &str) -> Result<usize, ErrorBody> {
        self.shared.knows_all("to find the connections of a user")?;
        self.check_channel(channel)?;
        self.all(user, What::Unsubscribe, channel).await
    }

    fn check_channel(&self, channel: &str) -> Result<Arc<ChannelOptions>, ErrorBody> {
        self.shared.channel_options(ChannelName::parse(channel)?)
    }

    fn subscribing(&self, channel: &str, or_keep: bool) -> Result<What, ErrorBody> {
        Ok(What::Subscribe { options: self.check_channel(channel)?, or_keep })
    }

    async fn all(&self, user: &str, what: What, channel: &str) -> Result<usize, ErrorBody> {
        let channel: Arc<str> = channel.into();
        self.shared.logins.record(user, Operation::Call(what.clone(), channel.clone()))?;
        call_all(&self.entries_of(user), &what, &channel).await
    }
}

async fn one(entry: &Entry, what: What, channel: &str) -> Result<(), ErrorBody> {
    answer(entry.call(what, channel.into())?, Instant::now() + CALL_TIMEOUT).await
}

async fn call_all(entries: &[Arc<Entry>], what: &What, channel: &Arc<str>) -> Result<usize, ErrorBody> {
    let by = Instant::now() + CALL_TIMEOUT;
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
            Err(error) if error.code == ErrorCode::NotSubscribed => count += usize::from(ends),
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
