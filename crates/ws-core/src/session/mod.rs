//! The session: what a connection has said and what it is answered. A state machine driven by values:
//! frames and times come in, encoded frames are appended to a buffer. It does no I/O and never waits.
//!
//! Call order: [`Session::open`] when the handshake is done. Then, as long as [`Connection::outbox_bytes`] and what is to
//! be sent stay below the bound of the outbox: [`Session::go_on`], and where that continues [`Session::text`] for one text
//! frame, over and over; what they append is sent before the task waits. [`Flow`] says how to go on. While
//! [`Session::is_waiting`], [`Session::go_on`] is called whenever the task is woken. Each of the two appends one answer
//! at most when there is no room for more, so the outbox never goes over its bound by more than that.

mod attached;
mod authenticate;
mod broadcast;
mod claims;
mod echo;
mod get_connections;
mod get_history;
mod get_presence;
mod granted;
mod held;
mod login;
mod open;
mod page;
mod publish;
mod subscribe;
mod unanswered;
mod unsubscribe;

use std::sync::Arc;
use std::task::Waker;

use ws_proto::action::ActionName;
use ws_proto::event::{Notify, Sender};
use ws_proto::{
    ChannelName, ClientMessage, CloseCode, ErrorBody, ErrorCode, OwnedRequestId, Rejection, Request, RequestId,
    encode_error, encode_notification, encode_pong, encode_response,
};

use self::held::{Ended, Held};
use self::login::Login;
use self::unanswered::{Answered, Unanswered};
use crate::access::Wish;
use crate::admission::Membership;
use crate::auth::Unfit;
use crate::budget::ErrorBudget;
use crate::connection::Connection;
use crate::engine::{Done, Engine, EngineError, Pending};
use crate::frame::{self, Opcode};
use crate::grants::Grants;
use crate::options::ChannelOptions;

/// The protocol state of one connection.
#[derive(Debug)]
pub struct Session {
    membership: Membership,
    errors: ErrorBudget,
    /// The frame that cannot be answered yet.
    held: Option<Box<Held>>,
    unanswered: Unanswered,
    /// Nothing while there are no tokens.
    login: Option<Box<Login>>,
    /// The connection is being closed for its tokens: nothing more is done.
    over: Option<CloseCode>,
    /// The bucket of the rate of requests.
    pace: u64,
    /// Newer keys have been looked for, for the frame that runs.
    has_looked_for_keys: bool,
}

/// How to go on after a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The frame is dealt with.
    Continue,
    /// The frame is taken and cannot be answered yet: give no other one before [`Session::go_on`] has continued.
    Hold,
    /// Send what was appended, then close with this code.
    Close(CloseCode),
}

/// Why an action did not give a response.
enum Stop {
    /// It is refused.
    Error(ErrorBody),
    /// It is refused, and the connection is to be closed.
    Last(ErrorBody, CloseCode),
    /// It cannot be answered yet.
    Hold(Box<Held>),
}

impl From<Held> for Stop {
    fn from(held: Held) -> Self {
        Stop::Hold(Box::new(held))
    }
}

impl From<Unfit> for Stop {
    fn from(unfit: Unfit) -> Self {
        Stop::Error(unfit.error)
    }
}

impl From<ErrorBody> for Stop {
    fn from(error: ErrorBody) -> Self {
        Stop::Error(error)
    }
}

impl Session {
    /// The connection's place in the hub.
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Whether the connection has to authenticate before it may ask for anything else.
    pub fn is_stranger(&self) -> bool {
        !self.membership.counts()
    }

    /// Largest message that it takes now, in bytes.
    pub fn message_bytes_max(&self) -> usize {
        let limits = &self.membership.shared().limits;
        if self.is_stranger() { limits.stranger_message_bytes_max() } else { limits.message_bytes_max }
    }

    /// Whether [`go_on`](Self::go_on) has something to do, or to wait for.
    pub fn is_waiting(&self) -> bool {
        let is_joining = self.login.as_ref().is_some_and(|login| !login.joining.is_empty());
        self.owes_answers() || self.is_holding() || is_joining || self.connection().standing().is_due()
    }

    /// Whether the engine owes answers to requests that were taken.
    pub fn owes_answers(&self) -> bool {
        !self.unanswered.is_empty()
    }

    /// Whether a frame is held: no other one may be given.
    pub fn is_holding(&self) -> bool {
        self.held.is_some()
    }

    /// Appends the answers that have come since, in their turn, and goes on with the frame that is held, as long as they
    /// have room; and what the connection has to be told of its tokens. Where one has run out, it asks for the connection
    /// to be closed. What does not have its answer yet wakes the connection's task.
    pub fn go_on(&mut self, now_ms: u64, out: &mut Vec<u8>) -> Flow {
        if self.is_waiting() {
            self.look_at_tokens(now_ms, out);
            self.go_on_joining(out);
            self.give_answers(out);
            self.go_on_with_held(now_ms, out)
        } else {
            self.flow()
        }
    }

    /// Deals with one text frame: appends its answer to `out`, as an encoded frame. Not while one is held.
    pub fn text(&mut self, text: &str, now_ms: u64, out: &mut Vec<u8>) -> Flow {
        if let Some(code) = self.over {
            return Flow::Close(code);
        }
        debug_assert!(!self.is_holding(), "one after the other");
        self.membership.shared().counters.messages_received.add(1);
        match ClientMessage::decode(text) {
            Ok(ClientMessage::Request(request)) => match self.pay(now_ms) {
                Ok(()) => self.request(&request, now_ms, out),
                Err(error) => self.refuse(Some(request.id), error, now_ms, out),
            },
            Ok(ClientMessage::Ping) => {
                append(out, |out| out.extend_from_slice(encode_pong().as_bytes()));
                Flow::Continue
            }
            Ok(ClientMessage::Pong) => Flow::Continue,
            Err(Rejection { id, error }) => match self.pay(now_ms) {
                Ok(()) => self.refuse(id, error, now_ms, out),
                Err(error) => self.refuse(id, error, now_ms, out),
            },
        }
    }

    fn flow(&self) -> Flow {
        match self.over {
            Some(code) => Flow::Close(code),
            None if self.is_holding() => Flow::Hold,
            None => Flow::Continue,
        }
    }

    /// Whether one more answer may follow what is to be sent.
    fn has_room(&self, out: &[u8]) -> bool {
        self.connection().outbox_bytes() + out.len() < self.membership.shared().limits.outbox_bytes_max
    }

    fn give_answers(&mut self, out: &mut Vec<u8>) {
        while self.has_room(out)
            && let Some(Answered { id, channel, result }) = self.unanswered.pop(|| waker(self.membership.connection()))
        {
            match publish::published(self.membership.shared(), &channel, result) {
                Ok(data) => respond(id.as_id(), &data, out),
                Err(error) => self.tell(Some(id.as_id()), &error, out),
            }
        }
    }

    fn go_on_with_held(&mut self, now_ms: u64, out: &mut Vec<u8>) -> Flow {
        if self.over.is_some() || !self.has_room(out) {
            self.held.iter_mut().for_each(|held| held.pass());
            return self.flow();
        }
        match self.held.take() {
            None => Flow::Continue,
            Some(held) if held.is_in_turn() && self.owes_answers() => self.hold(held),
            Some(held) => match held.go_on(self, out) {
                Ok(()) => Flow::Continue,
                Err(Ended { id, stop }) => self.end_request(id.as_ref().map(OwnedRequestId::as_id), stop, now_ms, out),
            },
        }
    }

    fn hold(&mut self, held: Box<Held>) -> Flow {
        self.held = Some(held);
        Flow::Hold
    }

    /// Takes a request out of the rate.
    fn pay(&mut self, now_ms: u64) -> Result<(), ErrorBody> {
        let rate = self.membership.shared().request_rate;
        self.pace = rate.take(self.pace, now_ms).map_err(|wait_ms| {
            let mut error = ErrorBody::new(ErrorCode::RateLimited, "more requests than this connection may send");
            error.retry_after_ms = Some(wait_ms);
            error
        })?;
        Ok(())
    }

    fn request(&mut self, request: &Request<'_>, now_ms: u64, out: &mut Vec<u8>) -> Flow {
        let action = ActionName::from_name(&request.action);
        if self.is_stranger() && action != Some(ActionName::Authenticate) {
            let message = "this connection has to authenticate first: with the action `authenticate`, and a token";
            return self.refuse(Some(request.id), ErrorBody::new(ErrorCode::Unauthenticated, message), now_ms, out);
        }
        if let Some(action) = action {
            self.membership.shared().counters.requests(action).add(1);
        }
        if action != Some(ActionName::Publish) && self.owes_answers() {
            return self.hold(Box::new(Held::Turn(request.into())));
        }
        match self.run(request, out) {
            Ok(()) => Flow::Continue,
            Err(stop) => self.end_request(Some(request.id), stop, now_ms, out),
        }
    }

    fn run(&mut self, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
        match ActionName::from_name(&request.action) {
            Some(ActionName::Echo) => echo::run(request, out),
            Some(ActionName::Broadcast) => broadcast::run(self, request, out),
            Some(ActionName::GetConnections) => get_connections::run(self, request, out),
            Some(ActionName::Subscribe) => subscribe::run(self, request, out),
            Some(ActionName::Unsubscribe) => unsubscribe::run(self, request, out),
            Some(ActionName::Publish) => publish::run(self, request, out),
            Some(ActionName::GetHistory) => get_history::run(self, request, out),
            Some(ActionName::GetPresence) => get_presence::run(self, request, out),
            Some(ActionName::Authenticate) => authenticate::run(self, request, out),
            None => Err(unknown(&request.action).into()),
        }
    }

    /// What becomes of a request that has given no response.
    fn end_request(&mut self, id: Option<RequestId<'_>>, stop: Stop, now_ms: u64, out: &mut Vec<u8>) -> Flow {
        match stop {
            Stop::Hold(held) => self.hold(held),
            Stop::Error(error) => self.refuse(id, error, now_ms, out),
            Stop::Last(error, code) => {
                self.tell(id, &error, out);
                Flow::Close(code)
            }
        }
    }

    /// Answers with an error, which may be one too many. Held while others are to be answered before.
    fn refuse(&mut self, id: Option<RequestId<'_>>, error: ErrorBody, now_ms: u64, out: &mut Vec<u8>) -> Flow {
        if self.owes_answers() {
            return self.hold(Box::new(Held::Refusal(id.map(OwnedRequestId::from), error)));
        }
        self.tell(id, &error, out);
        let shared = self.membership.shared();
        let (max, window) = (shared.limits.errors_max, shared.limits.errors_window);
        let window_ms = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
        if error.code.counts_against_budget() && !self.errors.spend(now_ms, max, window_ms) {
            return Flow::Close(CloseCode::TooManyErrors);
        }
        Flow::Continue
    }

    fn tell(&self, id: Option<RequestId<'_>>, error: &ErrorBody, out: &mut Vec<u8>) {
        append(out, |out| encode_error(id, error, out));
        self.membership.shared().counters.errors(error.code).add(1);
    }

    fn sender(&self) -> Sender {
        let connection = self.connection();
        let user = connection.identity().map(|identity| identity.user().to_string());
        Sender { connection_id: Some(connection.id()), user }
    }

    /// The name of a channel, if it is in order.
    fn channel<'a>(&self, name: &'a str) -> Result<ChannelName<'a>, ErrorBody> {
        ChannelName::parse(name)
    }

    /// What a channel offers.
    fn options(&self, channel: ChannelName<'_>) -> Result<Arc<ChannelOptions>, ErrorBody> {
        let namespace = channel.namespace();
        self.membership.shared().namespaces.get(namespace).cloned().ok_or_else(|| {
            let message = format!(
                "no namespace {:?} is configured; a channel without one has no `:` in its name",
                clip(namespace.unwrap_or_default())
            );
            ErrorBody::new(ErrorCode::UnknownNamespace, message)
        })
    }

    /// Whether this connection may do it.
    fn check(&self, wish: Wish<'_>) -> Result<(), ErrorBody> {
        self.check_with(wish, self.pass(wish.channel.map_or("", |channel| channel.as_str())))
    }

    /// The same, with what a subscription token grants in the channel.
    fn check_with(&self, wish: Wish<'_>, pass: Option<&Grants>) -> Result<(), ErrorBody> {
        let connection = self.connection();
        let is_subscribed = || {
            let subscriptions = connection.subscriptions.lock();
            let name = wish.channel.map_or("", |channel| channel.as_str());
            subscriptions.as_ref().is_some_and(|subscriptions| subscriptions.contains(name))
        };
        wish.decide(connection.identity().as_deref(), pass, is_subscribed).map_err(|rule| {
            let channel = wish.channel.map(|channel| channel.as_str());
            tracing::debug!(connection = %connection.id(), right = ?wish.right, channel, ?rule, "denied");
            wish.denied(rule)
        })
    }

    /// Asks the engine.
    fn ask<T: Send + 'static>(&self, call: impl FnOnce(&dyn Engine, Done<T>)) -> Pending<T> {
        Pending::call(|done| call(&*self.membership.shared().engine, done))
    }

    /// What wakes the connection's task.
    fn waker(&self) -> Waker {
        waker(self.connection())
    }

    fn connection(&self) -> &Arc<Connection> {
        self.membership.connection()
    }
}

fn waker(connection: &Arc<Connection>) -> Waker {
    connection.clone().into()
}

fn respond<D: serde::Serialize>(id: RequestId<'_>, data: &D, out: &mut Vec<u8>) {
    append(out, |out| encode_response(id, data, out));
}

fn append_event<E: Notify>(event: &E, out: &mut Vec<u8>) {
    append(out, |out| encode_notification(event, out));
}

fn append(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    frame::append(Opcode::Text, out, write);
}

/// What a client is told of an engine that could not.
fn unavailable(error: &EngineError) -> ErrorBody {
    let code = if *error == EngineError::Overloaded { ErrorCode::Overloaded } else { ErrorCode::EngineUnavailable };
    ErrorBody::new(code, error.to_string())
}

fn unknown(action: &str) -> ErrorBody {
    let known = ActionName::ALL.map(ActionName::as_str).join(", ");
    ErrorBody::new(ErrorCode::UnknownAction, format!("no action {:?}; there are: {known}", clip(action)))
}

/// The beginning of a text that a client sent, short enough to be quoted back.
fn clip(text: &str) -> &str {
    &text[..text.floor_char_boundary(64)]
}
