//! Subscriptions that the server API starts and ends. The caller has checked the rights; neither the access modes of a
//! channel nor its list of users bind this caller.
//!
//! The connection's own task does it, between two answers, and the connection gets a `subscribed` or `unsubscribed`
//! event. A subscription that was started here ends with its connection, and no token takes it away.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;
use ws_proto::{ChannelName, ErrorBody, ErrorCode};

use super::handle::Hub;
use crate::limits::CALL_TIMEOUT;
use crate::state::{Entry, What};

type Answered = oneshot::Receiver<Result<(), ErrorBody>>;

impl Hub {
    /// Subscribes a connection to a channel, from now on. Returns when the connection has its `subscribed` event in its
    /// outbox. If the future is dropped early, it may or may not happen.
    ///
    /// # Errors
    /// `invalid_channel`, `unknown_namespace`, `not_found`; `already_subscribed` (also if the client is about to be, by
    /// itself), `not_subscribed` (the client has unsubscribed meanwhile), `limit_exceeded` (subscriptions per
    /// connection), `engine_unavailable`; `overloaded` if the connection does not get to it within 5 s, because its
    /// client does not read its answers.
    pub async fn subscribe(&self, id: Uuid, channel: &str) -> Result<(), ErrorBody> {
        let what = self.subscribing(channel)?;
        let entry = self.entry(id)?;
        one(&entry, what, channel).await
    }

    /// Ends a connection's subscription, whoever has started it. When this returns, nothing more of the channel is
    /// delivered, and the event is next.
    ///
    /// # Errors
    /// `invalid_channel`, `unknown_namespace`, `not_found`, `not_subscribed`, `overloaded`.
    pub async fn unsubscribe(&self, id: Uuid, channel: &str) -> Result<(), ErrorBody> {
        self.subscribing(channel)?;
        let entry = self.entry(id)?;
        one(&entry, What::Unsubscribe, channel).await
    }

    /// Subscribes all connections of a user: each whose login is answered before this is called. Returns how many are
    /// subscribed now, those that were before included. On an error others may be subscribed; to repeat it is safe.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe), but for `not_found` and `already_subscribed`.
    pub async fn subscribe_user(&self, user: &str, channel: &str) -> Result<usize, ErrorBody> {
        let what = self.subscribing(channel)?;
        all(&self.entries_of(user), &what, channel, ErrorCode::AlreadySubscribed).await
    }

    /// Ends the subscriptions of all connections of a user. Returns how many connections the user has that are not
    /// subscribed now, those that were not before included. To repeat it is safe.
    ///
    /// # Errors
    /// `invalid_channel`, `unknown_namespace`, `overloaded`.
    pub async fn unsubscribe_user(&self, user: &str, channel: &str) -> Result<usize, ErrorBody> {
        self.subscribing(channel)?;
        all(&self.entries_of(user), &What::Unsubscribe, channel, ErrorCode::NotSubscribed).await
    }

    fn subscribing(&self, channel: &str) -> Result<What, ErrorBody> {
        Ok(What::Subscribe(self.shared.channel_options(ChannelName::parse(channel)?)?))
    }
}

async fn one(entry: &Entry, what: What, channel: &str) -> Result<(), ErrorBody> {
    answer(entry.call(what, channel.into())?, Instant::now() + CALL_TIMEOUT).await
}

/// `done`: the error that says that a connection already is as it should be.
async fn all(entries: &[Arc<Entry>], what: &What, channel: &str, done: ErrorCode) -> Result<usize, ErrorBody> {
    let (channel, by) = (Arc::<str>::from(channel), Instant::now() + CALL_TIMEOUT);
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
            Err(error) if error.code == done => count += 1,
            // It has ended.
            Err(error) if error.code == ErrorCode::NotFound => {}
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(count), Err)
}

async fn answer(answered: Answered, by: Instant) -> Result<(), ErrorBody> {
    match timeout_at(by, answered).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(ErrorBody::new(ErrorCode::NotFound, "the connection has ended")),
        Err(_) => Err(ErrorBody::new(ErrorCode::Overloaded, "the connection does not read its answers; try again")),
    }
}
