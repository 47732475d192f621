//! The session: what a connection has said and what it is answered. A state machine driven by values:
//! frames and times come in, encoded frames are appended to a buffer. It does no I/O and never waits.
//!
//! Call order: [`Session::open`] when the handshake is done. Then, as long as [`Connection::outbox_bytes`] and what is to
//! be sent stay below the bound of the outbox: [`Session::go_on`], and where that continues [`Session::text`] for one text
//! frame, over and over; what they append is sent before the task waits. [`Flow`] says how to go on. While
//! [`Session::is_waiting`], [`Session::go_on`] is called whenever the task is woken. Each of the two appends one answer
//! at most when there is no room for more, so the outbox never goes over its bound by more than that.

mod answer;
mod attached;
mod attaching;
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
mod pass;
mod publish;
mod resume;
mod state;
mod subscribe;
mod tokens;
mod unanswered;
mod unsubscribe;

use ws_proto::action::ActionName;
use ws_proto::{
    ClientMessage, CloseCode, ErrorBody, ErrorCode, OwnedRequestId, Rejection, Request, RequestId, encode_pong,
};

use self::answer::{append, respond};
use self::held::Held;
use self::state::{Ended, Stop, waker};
pub use self::state::{Flow, Session};
use self::unanswered::Answered;
use crate::hub::clip;

impl Session {
    /// Whether [`go_on`](Self::go_on) has something to do, or to wait for.
    pub fn is_waiting(&self) -> bool {
        let is_joining = self.login.as_ref().is_some_and(|login| !login.joining.is_empty());
        self.owes_answers() || self.is_holding() || is_joining || self.connection().auth_state().is_due()
    }

    /// Appends the answers that have come since, in their turn, and goes on with the frame that is held, as long as they
    /// have room; and what the connection has to be told of its tokens. Where one has run out, it asks for the connection
    /// to be closed. What does not have its answer yet wakes the connection's task.
    pub fn go_on(&mut self, now_ms: u64, out: &mut Vec<u8>) -> Flow {
        self.out_of_room = false;
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
        if let Some(code) = self.closing {
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
        match self.closing {
            Some(code) => Flow::Close(code),
            None if self.is_holding() => Flow::Hold,
            None => Flow::Continue,
        }
    }

    fn give_answers(&mut self, out: &mut Vec<u8>) {
        while self.has_room(out)
            && let Some(Answered { id, channel, result }) = self.unanswered.pop(|| waker(self.membership.connection()))
        {
            match self.membership.shared().published(&channel, result) {
                Ok(data) => respond(id.as_id(), &data, out),
                Err(error) => self.tell(Some(id.as_id()), &error, out),
            }
        }
    }

    fn go_on_with_held(&mut self, now_ms: u64, out: &mut Vec<u8>) -> Flow {
        if self.closing.is_some() || !self.has_room(out) {
            self.held.iter_mut().for_each(|held| held.pass());
            return self.flow();
        }
        match self.held.take() {
            None => Flow::Continue,
            Some(held) if held.is_in_turn() && self.owes_answers() => self.hold(held),
            Some(held) => match resume::go_on(*held, self, out) {
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
}

fn unknown(action: &str) -> ErrorBody {
    let known = ActionName::ALL.map(ActionName::as_str).join(", ");
    ErrorBody::new(ErrorCode::UnknownAction, format!("no action {:?}; there are: {known}", clip(action)))
}
