//! The session of a connection: requests and their answers. A state machine driven by values: frames and times come in,
//! encoded frames are appended to a buffer. It does no I/O and never blocks.
//!
//! Call order: [`Session::open`] when the handshake is done. Then, as long as [`Connection::outbox_bytes`] and what is
//! to be sent stay below the bound of the outbox, repeat: [`Session::go_on`], and if that returns [`Flow::Continue`],
//! [`Session::text`] for one text frame. Send what they append before the task waits. [`Flow`] says what to do next.
//! What follows one read or wake-up is a batch: call [`Session::begin_batch`] first, and [`Session::end_batch`] before
//! its answers are sent. While [`Session::is_waiting`], call [`Session::go_on`] whenever the task is woken. Both append
//! at most one answer when the outbox has no room for more, so its bound is exceeded by at most one answer.

mod answer;
mod ask_claude;
mod attached;
mod attaching;
mod authenticate;
mod batch;
mod broadcast;
mod calls;
mod claims;
mod echo;
mod get_connections;
mod get_history;
mod get_presence;
mod granted;
mod held;
mod listed;
mod login;
mod open;
mod publish;
mod refused;
mod resume;
mod state;
mod streams;
mod subscribe;
mod subscription_grant;
mod timing;
mod tokens;
mod unanswered;
mod unsubscribe;

use ws_proto::action::ActionName;
use ws_proto::{ClientMessage, ErrorBody, ErrorCode, OwnedRequestId, Rejection, Request, RequestId, encode_pong};

use self::answer::{append, respond};
use self::held::Held;
use self::refused::Refused;
use self::state::{Ended, Stop, waker};
pub use self::state::{Flow, Session};
use self::unanswered::Answered;
use crate::state::clip;

impl Session {
    /// Whether [`go_on`](Self::go_on) has something to do or to wait for.
    pub fn is_waiting(&self) -> bool {
        let is_attaching = self.login.as_ref().is_some_and(|login| !login.listed.is_empty());
        self.owes_answers()
            || self.is_holding()
            || is_attaching
            || self.is_called()
            || self.connection().auth_state().is_due()
    }

    /// Appends the answers that have come, in the order of their requests, and retries the held frame, as long as the
    /// outbox has room. Also appends events about tokens; if the login token has expired, it asks for the connection to
    /// be closed, and does what the server API asks for. Whatever is still pending wakes the connection's task.
    pub fn go_on(&mut self, now_ms: u64, out: &mut Vec<u8>) -> Flow {
        self.out_of_room = false;
        if self.is_full(out) {
            self.stop_reading();
        }
        if self.is_waiting() {
            self.check_tokens(now_ms, out);
            self.go_on_with_listed(out);
            self.append_answers(out);
            self.go_on_with_calls(out);
            self.go_on_with_held(now_ms, out)
        } else {
            self.flow()
        }
    }

    /// Handles one text frame: appends its answer to `out`, as an encoded frame. Must not be called while a frame is
    /// held.
    pub fn text(&mut self, text: &str, now_ms: u64, out: &mut Vec<u8>) -> Flow {
        if let Some(code) = self.closing {
            return Flow::Close(code);
        }
        debug_assert!(!self.is_holding(), "no frame while another is held");
        self.membership.shared().counters.messages_received.add(1);
        self.connection().tap_received(text);
        match ClientMessage::decode(text) {
            Ok(ClientMessage::Request(request)) => match self.take_from_rate(now_ms) {
                Ok(()) => {
                    let flow = self.request(&request, now_ms, out);
                    self.end_frame();
                    flow
                }
                Err(error) => {
                    let refused = self.too_fast(&request, error);
                    self.refuse(Some(request.id), refused, now_ms, out)
                }
            },
            Ok(ClientMessage::Ping) => {
                append(out, |out| out.extend_from_slice(encode_pong().as_bytes()));
                Flow::Continue
            }
            Ok(ClientMessage::Pong) => {
                self.connection().ponged(self.membership.shared().clock);
                Flow::Continue
            }
            Err(Rejection { id, error }) => {
                let error = self.take_from_rate(now_ms).err().unwrap_or(error);
                self.refuse(id, error.into(), now_ms, out)
            }
        }
    }

    fn flow(&self) -> Flow {
        match self.closing {
            Some(code) => Flow::Close(code),
            None if self.is_holding() => Flow::Hold,
            None => Flow::Continue,
        }
    }

    fn append_answers(&mut self, out: &mut Vec<u8>) {
        while self.has_room(out)
            && let Some(Answered { id, channel, read_us, result }) =
                self.unanswered.pop(|| waker(self.membership.connection()))
        {
            let shared = self.membership.shared();
            shared.counters.request_us(ActionName::Publish).record(self.timing.since(read_us));
            match shared.published(&channel, result) {
                Ok(data) => respond(id.as_id(), &data, out),
                Err(error) => self.append_error(Some(id.as_id()), &error, out),
            }
        }
    }

    fn go_on_with_held(&mut self, now_ms: u64, out: &mut Vec<u8>) -> Flow {
        if self.closing.is_some() || !self.has_room(out) {
            if let Some(held) = &mut self.held {
                held.yield_turn();
            }
            return self.flow();
        }
        match self.held.take() {
            None => Flow::Continue,
            Some(held) if held.waits_for_answers() && self.owes_answers() => self.hold(held),
            Some(held) => {
                let flow = match resume::go_on(*held, self, out) {
                    Ok(()) => Flow::Continue,
                    Err(Ended { id, stop }) => {
                        self.end_request(id.as_ref().map(OwnedRequestId::as_id), stop, now_ms, out)
                    }
                };
                self.end_frame();
                flow
            }
        }
    }

    /// If the frame is done, so is the login that it may have been.
    fn end_frame(&mut self) {
        if !self.is_holding() {
            self.membership.permit().end_login();
            self.timing.end();
        }
    }

    fn hold(&mut self, held: Box<Held>) -> Flow {
        self.held = Some(held);
        self.stop_reading();
        Flow::Hold
    }

    /// Takes one request from the rate limit.
    fn take_from_rate(&mut self, now_ms: u64) -> Result<(), ErrorBody> {
        let rate = self.membership.shared().request_rate;
        self.rate_bucket = rate.take(self.rate_bucket, now_ms).map_err(|wait_ms| {
            ErrorBody::rate_limited(
                "this connection sends more requests than it may (limits.requests_per_second)",
                wait_ms,
            )
        })?;
        Ok(())
    }

    fn request(&mut self, request: &Request<'_>, now_ms: u64, out: &mut Vec<u8>) -> Flow {
        let action = ActionName::from_name(&request.action);
        if self.is_unauthenticated() && !matches!(action, Some(ActionName::Authenticate | ActionName::Echo)) {
            let message = "authenticate first: send the action `authenticate` with a token";
            let error = ErrorBody::new(ErrorCode::Unauthenticated, message);
            return self.refuse(Some(request.id), error.into(), now_ms, out);
        }
        if let Some(action) = action {
            self.membership.shared().counters.requests(action).add(1);
            self.timing.run(action);
        }
        if action == Some(ActionName::Authenticate) && self.connection().identity().is_none() {
            self.membership.permit().begin_login();
        }
        if action != Some(ActionName::Publish) && self.owes_answers() {
            return self.hold(Box::new(Held::Queued(request.into())));
        }
        match self.run(action, request, out) {
            Ok(()) => Flow::Continue,
            Err(stop) => self.end_request(Some(request.id), stop, now_ms, out),
        }
    }

    fn run(&mut self, action: Option<ActionName>, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
        match action {
            Some(ActionName::Echo) => echo::run(request, out),
            Some(ActionName::Broadcast) => broadcast::run(self, request, out),
            Some(ActionName::GetConnections) => get_connections::run(self, request, out),
            Some(ActionName::Subscribe) => subscribe::run(self, request, out),
            Some(ActionName::Unsubscribe) => unsubscribe::run(self, request, out),
            Some(ActionName::Publish) => publish::run(self, request, out),
            Some(ActionName::GetHistory) => get_history::run(self, request, out),
            Some(ActionName::GetPresence) => get_presence::run(self, request, out),
            Some(ActionName::Authenticate) => authenticate::run(self, request, out),
            Some(ActionName::AskClaude) => ask_claude::ask(self, request, out),
            Some(ActionName::CancelClaude) => ask_claude::cancel(self, request, out),
            None => Err(unknown(&request.action).into()),
        }
    }

    /// Handles a request that did not give a response.
    fn end_request(&mut self, id: Option<RequestId<'_>>, stop: Stop, now_ms: u64, out: &mut Vec<u8>) -> Flow {
        match stop {
            Stop::Hold(held) => self.hold(held),
            Stop::Refused(refused) => self.refuse(id, refused, now_ms, out),
            Stop::Close(error, code) => {
                self.append_error(id, &error, out);
                Flow::Close(code)
            }
        }
    }

    /// Answers with an error, and closes the connection if that is one too many. Held while earlier requests are
    /// unanswered.
    fn refuse(&mut self, id: Option<RequestId<'_>>, refused: Refused, now_ms: u64, out: &mut Vec<u8>) -> Flow {
        if self.owes_answers() {
            return self.hold(Box::new(Held::Refusal(id.map(OwnedRequestId::from), refused)));
        }
        self.append_error(id, &refused.error, out);
        let limits = &self.membership.shared().limits;
        let end = self.budgets.get_or_insert_default().spend(&refused, now_ms, limits);
        end.map_or(Flow::Continue, Flow::Close)
    }
}

fn unknown(action: &str) -> ErrorBody {
    let known = ActionName::ALL.map(ActionName::as_str).join(", ");
    ErrorBody::new(ErrorCode::UnknownAction, format!("no action {:?}; there are: {known}", clip(action)))
}
