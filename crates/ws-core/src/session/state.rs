//! The protocol state of one connection, and what all actions need from it.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use ws_proto::event::Sender;
use ws_proto::{ChannelName, CloseCode, ErrorBody, OwnedRequestId, RequestId, encode_error};

use super::answer::append;
use super::held::Held;
use super::login::Login;
use super::refused::{Budgets, Refused};
use super::timing::Timing;
use super::unanswered::Unanswered;
use crate::access::{AccessCheck, Grants, TokenRejection};
use crate::connection::Connection;
use crate::options::ChannelOptions;
use crate::state::Membership;

/// The protocol state of one connection.
#[derive(Debug)]
pub struct Session {
    pub(super) membership: Membership,
    /// `None` while no frame was refused.
    pub(super) budgets: Option<Box<Budgets>>,
    /// The frame that cannot be answered yet, if there is one.
    pub(super) held: Option<Box<Held>>,
    pub(super) unanswered: Unanswered,
    /// `None` while there are no tokens.
    pub(super) login: Option<Box<Login>>,
    /// The connection is being closed because of its token: nothing more is done.
    pub(super) closing: Option<CloseCode>,
    /// The bucket of the request rate limit.
    pub(super) rate_bucket: u64,
    /// The bucket of the rate limit of token checks.
    pub(super) token_bucket: u64,
    /// The last token that was looked at was not valid.
    pub(super) has_bad_token: bool,
    /// The keys have been renewed for the frame that runs now.
    pub(super) has_renewed_keys: bool,
    /// It stopped because the outbox was full, and continues when there is room.
    pub(super) out_of_room: bool,
    /// Since when frames may have lain unread, on the hub's clock; `None`: all that had arrived was read.
    pub(super) unread_since_ms: Option<u64>,
    pub(super) timing: Timing,
}

/// What to do after a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The frame is done: the next one may follow.
    Continue,
    /// The frame was taken and cannot be answered yet: call [`Session::text`] again only after [`Session::go_on`] has
    /// returned [`Flow::Continue`].
    Hold,
    /// Send what was appended, then close with this code.
    Close(CloseCode),
}

/// Why an action did not give a response.
pub(super) enum Stop {
    /// It is refused.
    Refused(Refused),
    /// It is refused, and the connection has to be closed.
    Close(ErrorBody, CloseCode),
    /// It cannot be answered yet.
    Hold(Box<Held>),
}

impl From<Held> for Stop {
    fn from(held: Held) -> Self {
        Stop::Hold(Box::new(held))
    }
}

impl From<TokenRejection> for Stop {
    fn from(rejection: TokenRejection) -> Self {
        Stop::Refused(rejection.error.into())
    }
}

impl From<ErrorBody> for Stop {
    fn from(error: ErrorBody) -> Self {
        Stop::Refused(error.into())
    }
}

impl Session {
    /// The connection's membership in the hub.
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Whether the connection still has to authenticate before it may do anything else.
    pub fn is_unauthenticated(&self) -> bool {
        !self.membership.is_counted()
    }

    /// Largest message that it accepts at the moment, in bytes.
    pub fn message_bytes_max(&self) -> usize {
        let limits = &self.membership.shared().limits;
        if self.is_unauthenticated() { limits.unauthenticated_message_bytes_max() } else { limits.message_bytes_max }
    }

    /// Whether publications that were submitted are unanswered.
    pub fn owes_answers(&self) -> bool {
        !self.unanswered.is_empty()
    }

    /// Whether a frame is held: [`text`](Self::text) must not be called.
    pub fn is_holding(&self) -> bool {
        self.held.is_some()
    }

    pub(super) fn is_full(&self, out: &[u8]) -> bool {
        self.connection().outbox_bytes() + out.len() >= self.membership.shared().limits.outbox_bytes_max
    }

    /// Whether one more answer may be appended. If not, the session has to be called again when the socket has accepted
    /// something.
    pub(super) fn has_room(&mut self, out: &[u8]) -> bool {
        let has_room = !self.is_full(out);
        if !has_room {
            self.out_of_room = true;
            self.stop_reading();
        }
        has_room
    }

    /// From now on frames may lie unread: one is held, or the outbox is full. Whoever stops reading for a reason of its
    /// own calls this too.
    pub fn stop_reading(&mut self) {
        let now_ms = self.membership.shared().clock.now_ms();
        self.unread_since_ms.get_or_insert(now_ms);
    }

    /// Whether frames may have lain unread: call [`caught_up`](Self::caught_up) when all that has arrived was read.
    pub fn may_be_behind(&self) -> bool {
        self.unread_since_ms.is_some()
    }

    /// All that has arrived was read, and nothing of it is left to be handed over.
    pub fn caught_up(&mut self) {
        self.unread_since_ms = None;
    }

    /// When the frame that runs now may have arrived at the earliest.
    pub(super) fn arrived_ms(&self) -> u64 {
        self.unread_since_ms.unwrap_or_else(|| self.membership.shared().clock.now_ms())
    }

    /// For how long the frame that runs now may have waited to be read.
    fn behind(&self) -> Duration {
        let now_ms = || self.membership.shared().clock.now_ms();
        Duration::from_millis(self.unread_since_ms.map_or(0, |since_ms| now_ms().saturating_sub(since_ms)))
    }

    /// Whether [`go_on`](Self::go_on) stopped because the outbox was full: call it again when there is room, even if
    /// the outbox is empty by now.
    pub fn is_out_of_room(&self) -> bool {
        self.out_of_room
    }

    pub(super) fn append_error(&self, id: Option<RequestId<'_>>, error: &ErrorBody, out: &mut Vec<u8>) {
        append(out, |out| encode_error(id, error, out));
        self.membership.shared().counters.errors(error.code).add(1);
    }

    pub(super) fn sender(&self) -> Sender {
        let connection = self.connection();
        let user = connection.identity().map(|identity| identity.user().to_string());
        Sender { connection_id: Some(connection.id()), user, service: None }
    }

    /// Parses the name of a channel.
    pub(super) fn channel<'a>(&self, name: &'a str) -> Result<ChannelName<'a>, ErrorBody> {
        ChannelName::parse(name)
    }

    /// The options of a channel.
    pub(super) fn options(&self, channel: ChannelName<'_>) -> Result<Arc<ChannelOptions>, ErrorBody> {
        self.membership.shared().channel_options(channel)
    }

    /// Checks whether this connection may do what the request asks for, and whether the engine is there for it.
    pub(super) fn check(&self, request: RequestId<'_>, check: AccessCheck<'_>) -> Result<(), ErrorBody> {
        let granted = |channel: ChannelName<'_>| self.subscription_grants(channel.as_str());
        let grant = check.channel.and_then(|channel| granted(channel).or_else(|| granted(channel.asking())));
        self.check_with(request, check, grant)?;
        self.check_engine(check.channel)
    }

    /// What has waited behind other requests does not wait for an engine that is known to be away.
    pub(super) fn check_engine(&self, channel: Option<ChannelName<'_>>) -> Result<(), ErrorBody> {
        self.membership.shared().check_engine(channel.map(|channel| channel.as_str()), self.behind())
    }

    /// Checks whether this connection may do what the request asks for, with the grants of a subscription token for the
    /// channel.
    pub(super) fn check_with(
        &self,
        request: RequestId<'_>,
        check: AccessCheck<'_>,
        grant: Option<&Grants>,
    ) -> Result<(), ErrorBody> {
        let connection = self.connection();
        // Whoever is in the channel where Claude was asked is as good as in its streams.
        let is_subscribed =
            || check.channel.is_some_and(|channel| self.is_subscribed(channel) || self.is_subscribed(channel.asking()));
        let identity = connection.identity();
        check.decide(identity.as_deref(), grant, is_subscribed).map_err(|denial| {
            let channel = check.channel.map(|channel| channel.as_str());
            let (right, access) = (check.right, check.access);
            let request = &*request.text();
            tracing::debug!(connection = %connection.id(), request, ?right, channel, ?denial, %access, "denied");
            check.denied(denial, identity.is_none())
        })
    }

    /// Whether this connection is subscribed to a channel.
    pub(super) fn is_subscribed(&self, channel: ChannelName<'_>) -> bool {
        let subscriptions = self.membership.entry.subscriptions.lock();
        subscriptions.as_ref().is_some_and(|subscriptions| subscriptions.contains(channel.as_str()))
    }

    /// What wakes the connection's task.
    pub(super) fn waker(&self) -> Waker {
        waker(self.connection())
    }

    pub(super) fn connection(&self) -> &Arc<Connection> {
        self.membership.connection()
    }
}

pub(super) fn waker(connection: &Arc<Connection>) -> Waker {
    connection.clone().into()
}

/// A request that has not given a response.
pub(super) struct Ended {
    pub(super) id: Option<OwnedRequestId>,
    pub(super) stop: Stop,
}

impl Ended {
    pub(super) fn new(id: OwnedRequestId, stop: impl Into<Stop>) -> Self {
        Ended { id: Some(id), stop: stop.into() }
    }

    /// The frame is held further.
    pub(super) fn held(held: Held) -> Self {
        Ended { id: None, stop: held.into() }
    }
}
