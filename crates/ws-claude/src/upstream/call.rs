//! One question under way.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;
use tokio::task::coop::poll_proceed;
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::asking::{Asking, Reply};
use super::body::body;
use super::decoder::Decoder;
use super::event::Event;
use super::failure::Rejection;
use super::http::ReplyBody;
use super::limits::{DRAIN_BYTES_MAX, DRAIN_TIMEOUT, NAME_BYTES_MAX, WAIT_MAX};
use super::parts::Parts;
use super::progress::{Answer, End, Failure, Known, Progress};
use super::question::{Question, Thinking};
use super::retry;

/// A question under way: ask for its steps with [`next`](Self::next) until [`Progress::End`]. Nothing is sent before the
/// first `next`.
///
/// Dropping it closes the connection to the provider, which then stops to write (and to count tokens).
#[must_use = "nothing is sent before the first `next`"]
pub struct Call {
    parts: Arc<Parts>,
    request: Bytes,
    thinking: Thinking,
    phase: Phase,
    /// What the phase waits for at most.
    timer: Pin<Box<Sleep>>,
    /// Steps that were read and not fetched yet: those of one piece of the body.
    steps: VecDeque<Progress>,
    known: Known,
    stop_reason: Option<String>,
    retries: u32,
    /// Whether the answer has begun, if only with the reason why it ends. Nothing is sent again from then on.
    has_content: bool,
    has_thought: bool,
}

/// Where a call is. Leaving a phase drops what it holds, and with it the connection.
enum Phase {
    /// The request is sent; there is no head yet, or the body of an error is read.
    Asking(Asking),
    /// Until the request is sent again.
    Waiting,
    /// The answer comes in.
    Reading(ReplyBody, Decoder),
    /// The message is complete.
    Stopped,
    /// [`Progress::End`] is among the steps.
    Ended,
}

impl Call {
    /// Must be called within a tokio runtime with time.
    pub(super) fn new(parts: Arc<Parts>, question: &Question) -> Self {
        let request = body(question, parts.settings.cache);
        let (request, error) = match request {
            Ok(request) => (request.into(), None),
            Err(error) => (Bytes::new(), Some(error)),
        };
        let mut call = Call {
            phase: Phase::Asking(parts.ask(request.clone())),
            timer: Box::pin(sleep(parts.settings.first_token_timeout)),
            parts,
            request,
            thinking: question.thinking,
            steps: VecDeque::new(),
            known: Known::default(),
            stop_reason: None,
            retries: 0,
            has_content: false,
            has_thought: false,
        };
        if let Some(error) = error {
            call.rejected(Rejection::internal(&error.to_string(), &call.parts.secrets));
        }
        call
    }

    /// The next step. [`Progress::End`] is the last one and comes exactly once; behind it this never returns.
    ///
    /// Cancel-safe: no step is lost when the future is dropped, and the connection stays.
    pub async fn next(&mut self) -> Progress {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// What the provider has told so far, for whoever drops the call before its end.
    #[must_use]
    pub fn known(&self) -> Known {
        let mut known = self.known.clone();
        known.stop_reason.clone_from(&self.stop_reason);
        if known.stop_reason.is_none() {
            known.usage.output_tokens = None;
        }
        known
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Progress> {
        loop {
            if let Some(step) = self.steps.pop_front() {
                return Poll::Ready(step);
            }
            // A provider that always has something to say must not keep the thread.
            let coop = ready!(poll_proceed(cx));
            match &mut self.phase {
                Phase::Asking(asking) => match asking.as_mut().poll(cx) {
                    Poll::Ready(Ok(Reply { body, request_id })) => {
                        self.known.request_id = self.name(request_id);
                        self.phase = Phase::Reading(body, Decoder::default());
                    }
                    Poll::Ready(Err(rejection)) => self.rejected(rejection),
                    Poll::Pending => {
                        ready!(self.timer.as_mut().poll(cx));
                        self.too_late();
                    }
                },
                Phase::Waiting => {
                    ready!(self.timer.as_mut().poll(cx));
                    self.ask_again();
                }
                Phase::Reading(body, _) => match Pin::new(body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        self.read(&frame.into_data().unwrap_or_default());
                        if !self.has_content && self.timer.as_mut().poll(cx).is_ready() {
                            self.too_late();
                        }
                    }
                    Poll::Ready(Some(Err(error))) => {
                        tracing::debug!(cause = self.parts.secrets.mask(&error.0), "the provider's answer broke off");
                        self.ended_by(Failure::broke_off());
                    }
                    Poll::Ready(None) => self.finish(),
                    Poll::Pending => {
                        ready!(self.timer.as_mut().poll(cx));
                        self.too_late();
                    }
                },
                Phase::Stopped | Phase::Ended => return Poll::Pending,
            }
            coop.made_progress();
        }
    }

    fn ask_again(&mut self) {
        self.known = Known::default();
        self.phase = Phase::Asking(self.parts.ask(self.request.clone()));
        self.set_timer(self.parts.settings.first_token_timeout);
    }

    fn set_timer(&mut self, after: Duration) {
        // Far away where it would overflow: decades.
        let at = Instant::now().checked_add(after).unwrap_or_else(|| Instant::now() + Duration::from_secs(1 << 30));
        self.timer.as_mut().reset(at);
    }

    fn read(&mut self, bytes: &[u8]) {
        let Phase::Reading(_, decoder) = &mut self.phase else { return };
        // Behind the reason why it ends only the end is left: pings do not put that off.
        let goes_on = self.stop_reason.is_none();
        let mut events = Vec::new();
        let fed = decoder.feed(bytes, |event| events.push(event));
        events.into_iter().for_each(|event| self.take(event));
        if self.has_content && goes_on && !bytes.is_empty() {
            self.set_timer(self.parts.settings.idle_timeout);
        }
        if fed.is_err() {
            self.ended_by(Failure::event_too_long());
        }
    }

    fn finish(&mut self) {
        let Phase::Reading(_, decoder) = &mut self.phase else { return };
        let mut events = Vec::new();
        decoder.finish(|event| events.push(event));
        events.into_iter().for_each(|event| self.take(event));
        self.ended_by(Failure::no_stop_reason());
    }

    fn take(&mut self, event: Event) {
        if matches!(self.phase, Phase::Reading(..)) {
            match event {
                Event::Begun { id, model } => {
                    self.known.message_id = self.name(id).or(self.known.message_id.take());
                    self.known.model = self.name(model).or(self.known.model.take());
                }
                Event::Counted(usage) => self.known.usage.merge(usage),
                Event::Thinking(text) => self.think(text),
                Event::Text(text) => {
                    self.has_content = true;
                    self.steps.push_back(Progress::Text(text));
                }
                Event::OtherContent => self.has_content = true,
                Event::StopReason(reason) => {
                    self.has_content = true;
                    self.stop_reason = self.name(Some(reason));
                }
                Event::Stop => self.stop(),
                Event::Error(error) => {
                    let rejection = Rejection::event(error, &self.parts.secrets);
                    if self.has_content {
                        self.known.request_id = self.known.request_id.take().or(rejection.request_id);
                        self.ended_by(rejection.failure);
                    } else {
                        self.rejected(rejection);
                    }
                }
            }
        }
    }

    /// The message is complete, and with it the answer, whether or not the body ends as well.
    fn stop(&mut self) {
        if let Phase::Reading(body, _) = mem::replace(&mut self.phase, Phase::Stopped) {
            tokio::spawn(drain(body));
        }
        self.ended_by(Failure::no_stop_reason());
    }

    fn think(&mut self, text: String) {
        self.has_content = true;
        let is_first = !mem::replace(&mut self.has_thought, true);
        match self.thinking {
            Thinking::Omitted if is_first => self.steps.push_back(Progress::Thinking(String::new())),
            Thinking::Summarized if !text.is_empty() => self.steps.push_back(Progress::Thinking(text)),
            Thinking::Omitted | Thinking::Summarized => {}
        }
    }

    /// The request failed before its first token.
    fn rejected(&mut self, rejection: Rejection) {
        let Rejection { failure, is_passing, request_id } = rejection;
        let said = failure.retry_after_ms.map(Duration::from_millis);
        self.known.request_id = request_id.or(self.known.request_id.take());
        if !is_passing || self.retries >= self.parts.settings.retries_max || said.is_some_and(|said| said > WAIT_MAX) {
            return self.end(End::Failed(failure));
        }
        let wait = retry::wait(said, self.retries, (self.parts.chance)());
        self.retries += 1;
        self.phase = Phase::Waiting;
        self.set_timer(wait);
        self.steps.push_back(Progress::Retrying { after_ms: wait.as_millis().try_into().unwrap_or(u64::MAX), failure });
    }

    fn too_late(&mut self) {
        let settings = &self.parts.settings;
        self.ended_by(match self.has_content {
            true => Failure::timeout("nothing", settings.idle_timeout),
            false => Failure::timeout("no token", settings.first_token_timeout),
        });
    }

    /// The stream has ended. With a stop reason it is the end which that names, however it ended; without one, it failed.
    fn ended_by(&mut self, failure: Failure) {
        if !matches!(self.phase, Phase::Ended | Phase::Waiting) {
            self.end(match self.stop_reason.as_deref() {
                Some(reason) => End::of(reason),
                None => End::Failed(failure),
            });
        }
    }

    fn end(&mut self, end: End) {
        self.phase = Phase::Ended;
        let Known { model, message_id, request_id, mut usage, .. } = self.known.clone();
        if matches!(end, End::Failed(_)) {
            usage.output_tokens = None;
        }
        let stop_reason = self.stop_reason.clone();
        self.steps.push_back(Progress::End(Answer { end, stop_reason, model, usage, message_id, request_id }));
    }

    /// A name that the provider gave, as it may be shown.
    fn name(&self, name: Option<String>) -> Option<String> {
        name.map(|name| self.parts.secrets.shown(&name, NAME_BYTES_MAX))
    }
}

/// Reads the end of a body, so that its connection can be used again. One whose end does not come soon is closed.
async fn drain(mut body: ReplyBody) {
    let whole = async {
        let mut left = DRAIN_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await
            && let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len))
        {
            left = rest;
        }
    };
    let _ = timeout(DRAIN_TIMEOUT, whole).await;
}

/// Without what is said in it.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("known", &self.known).field("retries", &self.retries).finish_non_exhaustive()
    }
}
