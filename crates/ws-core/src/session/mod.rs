//! The session: what a connection has said and what it is answered. A state machine driven by values:
//! frames and times come in, encoded frames are appended to a buffer. It does no I/O and never waits.
//!
//! Call order: [`Session::open`] when the handshake is done; then [`Session::text`] for each
//! text frame, and the bytes it appended are sent before the next frame is read. [`Flow`] says how to go on.
//! While [`Session::is_waiting`], [`Session::answers`] is called whenever the connection's task is woken.

mod attached;
mod authenticate;
mod broadcast;
mod claims;
mod echo;
mod get_connections;
mod get_history;
mod get_presence;
mod granted;
mod login;
mod open;
mod page;
mod publish;
mod subscribe;
mod unanswered;
mod unsubscribe;

use std::sync::Arc;

use ws_proto::action::ActionName;
use ws_proto::event::{Notify, Sender};
use ws_proto::{
    ChannelName, ClientMessage, CloseCode, ErrorBody, ErrorCode, Rejection, Request, RequestId, encode_error,
    encode_notification, encode_pong, encode_response,
};

use self::attached::Attached;
use self::login::Login;
use self::unanswered::{Answered, Unanswered};
use crate::access::Wish;
use crate::admission::Membership;
use crate::auth::Unfit;
use crate::budget::ErrorBudget;
use crate::connection::Connection;
use crate::engine::{Done, Engine, EngineError, History, Pending};
use crate::frame::{self, Opcode};
use crate::grants::Grants;
use crate::options::ChannelOptions;

/// The protocol state of one connection.
#[derive(Debug)]
pub struct Session {
    membership: Membership,
    errors: ErrorBudget,
    /// What was asked for the frame that is held.
    asked: Option<Asked>,
    unanswered: Unanswered,
    /// Nothing while there are no tokens.
    login: Option<Box<Login>>,
    /// The connection is being closed for its tokens: nothing more is done.
    over: Option<CloseCode>,
    /// The bucket of the rate of requests.
    pace: u64,
    /// The frame that is held was taken out of it.
    paid: bool,
}

/// A question whose answer has not come within the call.
#[derive(Debug)]
enum Asked {
    /// For keys that are newer than those at hand.
    Keys(Pending<()>),
    Position(Attached),
    History(Pending<History>),
}

/// How to go on after a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The frame is dealt with.
    Continue,
    /// The frame was **not** taken: keep it, read nothing more, and give it again when the connection's
    /// task is woken.
    Hold,
    /// The frame is dealt with; send what was appended, then close with this code.
    Close(CloseCode),
}

/// Why an action did not give a response.
enum Stop {
    /// It is refused.
    Error(ErrorBody),
    /// It is refused, and the connection is to be closed.
    Last(ErrorBody, CloseCode),
    /// It cannot be taken yet.
    Hold,
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

    /// Whether [`answers`](Self::answers) has something to do, or to wait for.
    pub fn is_waiting(&self) -> bool {
        let is_joining = self.login.as_ref().is_some_and(|login| !login.joining.is_empty());
        self.owes_answers() || is_joining || self.connection().standing().is_due()
    }

    /// Whether the engine owes answers to requests that were taken.
    pub fn owes_answers(&self) -> bool {
        !self.unanswered.is_empty()
    }

    /// Appends the answers that have come since, as far as it is their turn, and what the connection has to be told
    /// of its tokens. Where one has run out, it asks for the connection to be closed.
    pub fn answers(&mut self, now_ms: u64, out: &mut Vec<u8>) {
        self.go_on_joining(out);
        self.look_at_tokens(now_ms, out);
        while let Some(Answered { id, channel, result }) = self.unanswered.pop(self.membership.connection()) {
            match publish::published(self.membership.shared(), &channel, result) {
                Ok(data) => respond(id.as_id(), &data, out),
                Err(error) => self.tell(Some(id.as_id()), &error, out),
            }
        }
    }

    /// Deals with one text frame: appends its answer to `out`, as an encoded frame.
    pub fn text(&mut self, text: &str, now_ms: u64, out: &mut Vec<u8>) -> Flow {
        self.answers(now_ms, out);
        if let Some(code) = self.over {
            return Flow::Close(code);
        }
        let message = ClientMessage::decode(text);
        let flow = match message {
            Ok(ClientMessage::Request(request)) => match self.pay(now_ms) {
                Ok(()) => self.request(&request, now_ms, out),
                Err(error) => self.refuse(Some(request.id), &error, now_ms, out),
            },
            Ok(ClientMessage::Ping) => {
                append(out, |out| out.extend_from_slice(encode_pong().as_bytes()));
                Flow::Continue
            }
            Ok(ClientMessage::Pong) => Flow::Continue,
            Err(Rejection { id, error }) => match self.pay(now_ms) {
                Ok(()) => self.refuse(id, &error, now_ms, out),
                Err(error) => self.refuse(id, &error, now_ms, out),
            },
        };
        if flow != Flow::Hold {
            self.paid = false;
            self.membership.shared().counters.messages_received.add(1);
        }
        flow
    }

    /// Takes a request out of the rate, once though it may be held and come again.
    fn pay(&mut self, now_ms: u64) -> Result<(), ErrorBody> {
        if !self.paid {
            let rate = self.membership.shared().request_rate;
            self.pace = rate.take(self.pace, now_ms).map_err(|wait_ms| {
                let mut error = ErrorBody::new(ErrorCode::RateLimited, "more requests than this connection may send");
                error.retry_after_ms = Some(wait_ms);
                error
            })?;
            self.paid = true;
        }
        Ok(())
    }

    fn request(&mut self, request: &Request<'_>, now_ms: u64, out: &mut Vec<u8>) -> Flow {
        let action = ActionName::from_name(&request.action);
        if self.is_stranger() && action != Some(ActionName::Authenticate) {
            let message = "this connection has to authenticate first: with the action `authenticate`, and a token";
            return self.refuse(Some(request.id), &ErrorBody::new(ErrorCode::Unauthenticated, message), now_ms, out);
        }
        let Some(action) = action else {
            let known = ActionName::ALL.map(ActionName::as_str).join(", ");
            let message = format!("no action {:?}; there are: {known}", clip(&request.action));
            return self.refuse(Some(request.id), &ErrorBody::new(ErrorCode::UnknownAction, message), now_ms, out);
        };
        if action != ActionName::Publish && self.owes_answers() {
            return Flow::Hold;
        }
        let done = match action {
            ActionName::Echo => echo::run(request, out),
            ActionName::Broadcast => broadcast::run(self, request, out),
            ActionName::GetConnections => get_connections::run(self, request, out),
            ActionName::Subscribe => subscribe::run(self, request, out),
            ActionName::Unsubscribe => unsubscribe::run(self, request, out),
            ActionName::Publish => publish::run(self, request, out),
            ActionName::GetHistory => get_history::run(self, request, out),
            ActionName::GetPresence => get_presence::run(self, request, out),
            ActionName::Authenticate => authenticate::run(self, request, out),
        };
        let flow = match done {
            Ok(()) => Flow::Continue,
            Err(Stop::Hold) => Flow::Hold,
            Err(Stop::Error(error)) => self.refuse(Some(request.id), &error, now_ms, out),
            Err(Stop::Last(error, code)) => {
                self.tell(Some(request.id), &error, out);
                Flow::Close(code)
            }
        };
        if flow != Flow::Hold {
            self.membership.shared().counters.requests(action).add(1);
        }
        flow
    }

    /// Answers with an error, which may be one too many. Held while others are to be answered before.
    fn refuse(&mut self, id: Option<RequestId<'_>>, error: &ErrorBody, now_ms: u64, out: &mut Vec<u8>) -> Flow {
        if self.owes_answers() {
            return Flow::Hold;
        }
        self.tell(id, error, out);
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

    /// Asks the engine. When it answers later, the connection's task is woken.
    fn ask<T: Send + 'static>(&self, call: impl FnOnce(&dyn Engine, Done<T>)) -> Pending<T> {
        let (engine, connection) = (&self.membership.shared().engine, self.connection().clone());
        Pending::start(|done| call(&**engine, done), move || connection.wake())
    }

    fn connection(&self) -> &Arc<Connection> {
        self.membership.connection()
    }
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

/// The beginning of a text that a client sent, short enough to be quoted back.
fn clip(text: &str) -> &str {
    &text[..text.floor_char_boundary(64)]
}
