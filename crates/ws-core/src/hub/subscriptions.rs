//! Subscriptions that the server API starts and ends, on whatever server their connection is. The caller has checked the
//! rights; neither the access modes of a channel nor its list of users bind this caller.
//!
//! The connection's own task does it, between two answers, and the connection gets a `subscribed` or `unsubscribed`
//! event. A subscription that was asked for here, also one that was there already, is not taken away by a token.
//!
//! A connection of this server gets to it within 5 s; other servers have to answer within 2 s.

use tokio::join;
use tokio::time::Instant;
use uuid::Uuid;
use ws_proto::ErrorBody;

use super::handle::Hub;
use crate::cluster::Question;
use crate::limits::CALL_TIMEOUT;

impl Hub {
    /// Subscribes a connection to a channel, from now on. Returns when the connection has its `subscribed` event in its
    /// outbox. If the future is dropped early, it may or may not happen.
    ///
    /// # Errors
    /// `invalid_channel`, `unknown_namespace`, `not_found`; `already_subscribed` (also if the client is about to be, by
    /// itself), `not_subscribed` (the client has unsubscribed meanwhile), `limit_exceeded` (subscriptions per
    /// connection), `engine_unavailable` (it fails, or it or another server does not answer in time: it may have
    /// happened); `overloaded` if the connection does not get to it in time, because its client does not read its
    /// answers, or another server has too much to do.
    pub async fn subscribe(&self, id: Uuid, channel: &str) -> Result<(), ErrorBody> {
        let own = self.shared.subscribe_own(id, channel, Instant::now() + CALL_TIMEOUT).await;
        self.shared.asking.or_elsewhere(own, &Question::Subscribe { id, channel: channel.into() }).await
    }

    /// Ends a connection's subscription, whoever has started it. When this returns, nothing more of the channel is
    /// delivered, and the event is next.
    ///
    /// # Errors
    /// `invalid_channel`, `unknown_namespace`, `not_found`, `not_subscribed`, `overloaded`, `engine_unavailable`.
    pub async fn unsubscribe(&self, id: Uuid, channel: &str) -> Result<(), ErrorBody> {
        let own = self.shared.unsubscribe_own(id, channel, Instant::now() + CALL_TIMEOUT).await;
        self.shared.asking.or_elsewhere(own, &Question::Unsubscribe { id, channel: channel.into() }).await
    }

    /// Subscribes all connections of a user: each whose login is answered before this is called, or under way. Returns
    /// how many are subscribed now, those that were before included, those under way left out, and those whose client or
    /// somebody else has ended it meanwhile. On an error others may be subscribed; to repeat it is safe.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe), but for `not_found`, `already_subscribed` and `not_subscribed`.
    pub async fn subscribe_user(&self, user: &str, channel: &str) -> Result<u64, ErrorBody> {
        self.channel_options(channel)?;
        let question = Question::SubscribeUser { user: user.into(), channel: channel.into() };
        self.everywhere(self.shared.subscribe_own_user(user, channel, Instant::now() + CALL_TIMEOUT), &question).await
    }

    /// Ends the subscriptions of all connections of a user. Returns how many connections the user has that are not
    /// subscribed now, those that were not before included. On an error others may have ended; to repeat it is safe.
    ///
    /// # Errors
    /// `invalid_channel`, `unknown_namespace`, `overloaded`, `engine_unavailable`.
    pub async fn unsubscribe_user(&self, user: &str, channel: &str) -> Result<u64, ErrorBody> {
        self.channel_options(channel)?;
        let question = Question::UnsubscribeUser { user: user.into(), channel: channel.into() };
        self.everywhere(self.shared.unsubscribe_own_user(user, channel, Instant::now() + CALL_TIMEOUT), &question).await
    }

    async fn everywhere(
        &self,
        own: impl Future<Output = Result<u64, ErrorBody>>,
        question: &Question<'_>,
    ) -> Result<u64, ErrorBody> {
        let (own, others) = join!(own, self.shared.asking.all::<u64>(question));
        Ok(own? + others?.iter().sum::<u64>())
    }
}
