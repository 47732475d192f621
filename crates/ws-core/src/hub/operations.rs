//! Operations for callers without a connection: an HTTP request, a participant in this process, another node.
//!
//! They take the same path as sessions, wait in the same queues, and get the same answers. The caller has checked the
//! rights.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use serde_json::value::RawValue;
use ws_proto::action::{BroadcastData, GetHistory, GetPresence, HistoryData, PresenceData, Publish, PublishData};
use ws_proto::event::{BroadcastEvent, Sender};
use ws_proto::{ChannelName, ErrorBody, ErrorCode};

use super::handle::Hub;
use crate::engine::{Appended, EngineError, Epoch};
use crate::state::{Broadcasting, Draft, PresenceInfo, PresencePage, Repeat, check_msg_id, unavailable};
use crate::waiter::Waiter;

impl Hub {
    /// Refuses what has waited for so long behind other operations of the same caller, if the engine is known to be away,
    /// for this channel or at all: otherwise the waits add up. For callers that do one after the other.
    ///
    /// # Errors
    /// `engine_unavailable`.
    pub fn check_engine(&self, channel: Option<&str>, waited: Duration) -> Result<(), ErrorBody> {
        self.shared.check_engine(channel, waited)
    }

    /// Publishes in a channel. Waits for room, and for the engine's answer. `from` is `None` if there is no particular
    /// sender. If the future is dropped early, the publication may or may not have been published; publishing again
    /// with the same `msg_id`, and the time since as `age_ms`, is safe where the channel has history.
    ///
    /// # Errors
    /// `invalid_payload`, `invalid_channel`, `unknown_namespace`, `permission_denied` (it is a stream of Claude),
    /// `conflict`, `unknown_outcome`, `overloaded` (nothing was published), `engine_unavailable` (it may have been).
    pub async fn publish<'a>(
        &self,
        publish: &'a Publish<'_, &RawValue>,
        from: Option<&Sender>,
    ) -> Result<PublishData<'a>, ErrorBody> {
        check_msg_id(publish.msg_id.as_deref())?;
        if ChannelName::parse(&publish.channel)?.stream().is_some() {
            let message = "this is a stream of Claude, in which only its run publishes";
            self.shared.channel_options(ChannelName::parse(&publish.channel)?)?;
            return Err(ErrorBody::new(ErrorCode::PermissionDenied, message));
        }
        let repeat = Repeat::of(publish, self.shared.clock.now_ms())?;
        let options = self.shared.channel_options(ChannelName::parse(&publish.channel)?)?;
        let draft = Draft {
            channel: &publish.channel,
            options: &options,
            data: publish.data,
            from,
            msg_id: publish.msg_id.as_deref(),
            shows_id: true,
            is_last: false,
            repeat,
            tags: publish.tags.as_ref(),
            read_us: self.shared.clock.now_us(),
        };
        self.shared.published(&publish.channel, self.submit(&draft).await)
    }

    /// Gives a publication to the engine when there is room, and waits for its answer.
    pub(super) async fn submit(&self, draft: &Draft<'_>) -> Result<Appended, EngineError> {
        let mut waiter = Waiter::default();
        let publishing = poll_fn(|cx| {
            if let Err(error) = self.shared.check_held(draft.channel, draft.options, draft.read_us) {
                return Poll::Ready(Err(error));
            }
            let publishing = self.shared.publish(draft, &mut waiter, || cx.waker().clone());
            publishing.map_or(Poll::Pending, |publishing| Poll::Ready(Ok(publishing)))
        });
        let publishing = publishing.await?;
        poll_fn(|cx| publishing.poll(|| cx.waker().clone()).map_or(Poll::Pending, Poll::Ready)).await
    }

    /// Sends a value to every connection, of all nodes. Waits for room, and in a cluster for the engine's answer. If the
    /// future is dropped early, it may or may not have been sent.
    ///
    /// # Errors
    /// In a cluster: `engine_unavailable`, `overloaded` (it may have been sent).
    pub async fn broadcast(&self, message: &RawValue, from: Option<&Sender>) -> Result<BroadcastData, ErrorBody> {
        let event = BroadcastEvent { message, from: from.cloned() };
        let (read_us, mut broadcasting) = (self.shared.clock.now_us(), Broadcasting::default());
        poll_fn(|cx| {
            let sent = self.shared.broadcast(&event, read_us, &mut broadcasting, || cx.waker().clone());
            sent.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// A page of a channel's history, at most as large as one answer may be (`outbox_bytes_max`).
    ///
    /// # Errors
    /// `invalid_payload`, `invalid_channel`, `unknown_namespace`, `not_available`, `stale_position`, `overloaded`,
    /// `engine_unavailable`.
    pub async fn history<'a>(&self, query: &'a GetHistory<'_>) -> Result<HistoryData<'a, Box<RawValue>>, ErrorBody> {
        let options = self.shared.channel_options(ChannelName::parse(&query.channel)?)?;
        let pending = self.shared.history(query, &options)?;
        let result = poll_fn(|cx| pending.poll(|| cx.waker().clone()).map_or(Poll::Pending, Poll::Ready)).await;
        self.shared.history_data(&query.channel, query.since.as_ref().map(|since| &*since.epoch), result)
    }

    /// Removes all publications of a channel, and with them their `msg_id`s. A new epoch begins: subscribers get a `gap`
    /// with it, before anything that is published in it; what of the old one was not sent to them yet is left out.
    /// Waits for the engine. If the future is dropped early, the history may or may not have been removed.
    ///
    /// # Errors
    /// `invalid_channel`, `unknown_namespace`, `not_available` (no history), `permission_denied` (it is the stream of an
    /// open run), `overloaded` (nothing was removed), `engine_unavailable` (it may have been).
    pub async fn remove_history(&self, channel: &str) -> Result<Epoch, ErrorBody> {
        let name = ChannelName::parse(channel)?;
        let options = self.shared.channel_options(name)?;
        if self.shared.streams.is_held(channel) || self.is_streamed_elsewhere(name).await? {
            let message = "this is the stream of a run of Claude that is open; cancel the run first";
            return Err(ErrorBody::new(ErrorCode::PermissionDenied, message));
        }
        let pending = self.shared.remove_history(channel, &options)?;
        let result = poll_fn(|cx| pending.poll(|| cx.waker().clone()).map_or(Poll::Pending, Poll::Ready)).await;
        result.map_err(|error| unavailable(&error))
    }

    /// A page of a channel's presence, on all nodes. Waits for the cluster, if there is one.
    ///
    /// # Errors
    /// `invalid_payload`, `invalid_channel`, `unknown_namespace`, `not_available`; in a cluster also
    /// `engine_unavailable`, `overloaded`.
    pub async fn presence<'a>(&self, query: &'a GetPresence<'_>) -> Result<PresenceData<'a, PresenceInfo>, ErrorBody> {
        let parsed = self.shared.presence_query(query)?;
        let options = self.shared.channel_options(ChannelName::parse(&query.channel)?)?;
        let pending = match self.shared.presence(&parsed, &options)? {
            PresencePage::Here(data) => return Ok(data),
            PresencePage::Asked(pending) => pending,
        };
        let result = poll_fn(|cx| pending.poll(|| cx.waker().clone()).map_or(Poll::Pending, Poll::Ready)).await;
        self.shared.presence_data(&query.channel, result)
    }
}
