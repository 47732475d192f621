//! One run from `started` to `finished`: reads the answer, publishes it, ends it once.

use std::pin::Pin;
use std::sync::Arc;

use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until};
use ws_core::{HeldStream, Hub, RunCounts, RunErrorKind, TokenKind};
use ws_proto::ErrorBody;
use ws_proto::claude::{Finished, Retrying, RunError, RunErrorCode, RunErrorDetails, RunEvent, RunStatus, Usage};
use ws_proto::event::Sender;

use crate::limits::TEXT_BYTES_MAX;
use crate::open::{OpenRun, Stop};
use crate::options::RunOptions;
use crate::pieces::{Kind, Pieces, raw};
use crate::provider::Answering;
use crate::publish::{Publication, end_id, publish};
use crate::upstream::{Answer, End, Failure, FailureCode, Known, Progress};

/// A run whose `started` is published.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) hub: Hub,
    pub(crate) open: Arc<OpenRun>,
    pub(crate) stream_epoch: String,
    pub(crate) held: HeldStream,
    pub(crate) from: Arc<Sender>,
    pub(crate) begun: Instant,
}

/// How a run ended, and what is said of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: RunStatus,
    pub(crate) text: String,
    pub(crate) stop_reason: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) usage: Option<Usage>,
    pub(crate) error: Option<RunError<'static>>,
    pub(crate) message_id: Option<String>,
    pub(crate) request_id: Option<String>,
}

/// What is being published in the stream.
type Publishing = Pin<Box<dyn Future<Output = Result<(), ErrorBody>> + Send>>;

/// What a run waits for.
enum Next {
    Progress(Progress),
    Stopped(Stop),
    TooLate,
    Published(Result<(), ErrorBody>),
    Ready,
}

impl Run {
    /// Reads the whole answer, and publishes it in the stream. What it says stays until it is published.
    pub(crate) async fn stream(
        &self,
        mut answer: Box<dyn Answering>,
        options: &RunOptions,
        counts: &RunCounts,
    ) -> Outcome {
        let mut pieces = Pieces::new(options.delta_interval);
        let (mut text, mut thought, mut sent) = (String::new(), 0, 0_u64);
        let mut publishing: Option<Publishing> = None;
        let deadline = self.begun + options.run_timeout;
        let mut outcome = loop {
            if publishing.is_none() && pieces.is_ready(Instant::now()) {
                publishing = self.next_piece(&mut pieces, &mut sent);
            }
            let is_idle = publishing.is_none();
            let next = tokio::select! {
                biased;
                stop = self.open.stopped() => Next::Stopped(stop),
                () = sleep_until(deadline) => Next::TooLate,
                result = published(&mut publishing) => Next::Published(result),
                progress = answer.next() => Next::Progress(progress),
                () = ready(&pieces, is_idle) => Next::Ready,
            };
            match next {
                Next::Ready => {}
                Next::Published(result) => {
                    publishing = None;
                    if let Err(error) = result {
                        break Outcome::broken(&answer.known(), internal(&error));
                    }
                }
                Next::Progress(Progress::Text(more)) => {
                    if text.is_empty() {
                        let us = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
                        counts.first_text_us.record(us);
                    }
                    text.push_str(&more);
                    pieces.push(Kind::Text, &more);
                }
                Next::Progress(Progress::Thinking(more)) => {
                    thought += more.len();
                    pieces.push(Kind::Thinking, &more);
                }
                Next::Progress(Progress::Retrying { after_ms, failure }) => {
                    counts.retries.add(1);
                    counts.errors(kind(&failure)).add(1);
                    let error = run_error(failure);
                    tracing::info!(run = %self.open.id(), channel = %self.open.channel(), after_ms, code = ?error.code, "claude: retrying");
                    pieces.push_other(raw(&RunEvent::Retrying(Retrying { after_ms, error })));
                }
                Next::Progress(Progress::End(answer)) => break Outcome::of(answer),
                Next::Stopped(stop) => break Outcome::cut(&answer.known(), |known| Outcome::stopped(known, stop)),
                Next::TooLate => {
                    break Outcome::cut(&answer.known(), |known| Outcome::broken(known, too_late(options)));
                }
            }
            if text.len() + thought > TEXT_BYTES_MAX {
                break Outcome::broken(&answer.known(), too_long());
            }
        };
        // The provider's connection is closed before anything else is waited for.
        drop(answer);
        self.open.set_outcome(outcome.status);
        if outcome.status == RunStatus::Refused {
            pieces.clear();
            text.clear();
        }
        outcome.text = text;
        if let Some(publishing) = publishing {
            // What cannot be published does not keep the run from its end.
            let _ = publishing.await;
        }
        while let Some(publishing) = self.next_piece(&mut pieces, &mut sent) {
            let _ = publishing.await;
        }
        outcome
    }

    fn next_piece(&self, pieces: &mut Pieces, sent: &mut u64) -> Option<Publishing> {
        let data = pieces.take()?;
        pieces.published(Instant::now());
        let publication = self.in_stream(data, sent.to_string(), false);
        *sent += 1;
        Some(Box::pin(publish(self.hub.clone(), publication)))
    }

    fn in_stream(&self, data: Box<RawValue>, id: String, is_last: bool) -> Publication {
        let (channel, from) = (self.open.stream().clone(), self.from.clone());
        Publication { channel, data: data.into(), from, id, is_last }
    }

    /// Publishes `finished`: in the stream without its text, then in the channel. Repeated until both are stored.
    pub(crate) async fn finish(&self, outcome: Outcome) {
        let run_id = self.open.id();
        let mut finished = outcome.finished(run_id);
        let text = finished.text.take();
        let last = self.in_stream(raw(&RunEvent::Finished(finished.clone())), "end".to_owned(), true);
        self.publish_end(last).await;
        self.held.release();
        finished.text = text;
        let (channel, from) = (self.open.channel().clone(), self.from.clone());
        let data = raw(&RunEvent::Finished(finished)).into();
        let id = end_id(run_id, &self.stream_epoch);
        self.publish_end(Publication { channel, data, from, id, is_last: false }).await;
    }

    async fn publish_end(&self, publication: Publication) {
        let channel = publication.channel.clone();
        if let Err(error) = publish(self.hub.clone(), publication).await {
            tracing::error!(run = %self.open.id(), %channel, %error, "claude: the end of a run cannot be published");
        }
    }
}

/// Waits for what is being published.
async fn published(publishing: &mut Option<Publishing>) -> Result<(), ErrorBody> {
    match publishing {
        Some(publishing) => publishing.await,
        None => std::future::pending().await,
    }
}

/// Waits until the next piece may go, unless one is on its way.
async fn ready(pieces: &Pieces, is_idle: bool) {
    match pieces.ready_at().filter(|_| is_idle && !pieces.is_empty()) {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl Outcome {
    /// Of an answer that has come to its end.
    fn of(answer: Answer) -> Self {
        let Answer { end, stop_reason, model, usage, message_id, request_id } = answer;
        let (status, error) = match end {
            End::Complete => (RunStatus::Complete, None),
            End::Refused => (RunStatus::Refused, None),
            End::Failed(failure) => (RunStatus::Failed, Some(failure)),
        };
        Outcome::new(status, &Known { model, message_id, request_id, usage, stop_reason }, error)
    }

    /// Of one whose stream is left: one that is complete stays what it is.
    fn cut(known: &Known, otherwise: impl FnOnce(&Known) -> Self) -> Self {
        let status = known.stop_reason.as_deref().map(|reason| match End::of(reason) {
            End::Refused => RunStatus::Refused,
            End::Complete | End::Failed(_) => RunStatus::Complete,
        });
        status.map_or_else(|| otherwise(known), |status| Outcome::new(status, known, None))
    }

    /// Of one whose server has died.
    pub(crate) fn interrupted(text: String) -> Self {
        Outcome { text, ..Outcome::new(RunStatus::Interrupted, &Known::default(), None) }
    }

    /// Of one whose end is known from its stream.
    pub(crate) fn known(finished: Finished<'static>, text: String) -> Self {
        let owned = |text: Option<std::borrow::Cow<'static, str>>| text.map(std::borrow::Cow::into_owned);
        let is_refused = finished.status == RunStatus::Refused;
        Outcome {
            status: finished.status,
            text: if is_refused { String::new() } else { text },
            stop_reason: owned(finished.stop_reason),
            model: owned(finished.model),
            usage: finished.usage,
            error: finished.error,
            message_id: owned(finished.message_id),
            request_id: owned(finished.request_id),
        }
    }

    /// Of one that is given up.
    fn broken(known: &Known, failure: Failure) -> Self {
        Outcome::new(RunStatus::Failed, known, Some(failure))
    }

    /// Of one that somebody has stopped.
    fn stopped(known: &Known, stop: Stop) -> Self {
        let status = match stop {
            Stop::Cancelled => RunStatus::Cancelled,
            Stop::Interrupted => RunStatus::Interrupted,
        };
        Outcome::new(status, known, None)
    }

    fn new(status: RunStatus, known: &Known, failure: Option<Failure>) -> Self {
        let Known { model, message_id, request_id, usage, stop_reason } = known.clone();
        let usage = Usage {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cache_creation_input_tokens: usage.cache_creation_input_tokens,
            cache_read_input_tokens: usage.cache_read_input_tokens,
        };
        Outcome {
            status,
            text: String::new(),
            stop_reason,
            model,
            usage: Some(usage).filter(|usage| *usage != Usage::default()),
            error: failure.map(run_error),
            message_id,
            request_id,
        }
    }

    fn finished(&self, run_id: &str) -> Finished<'static> {
        let owned = |text: &Option<String>| text.clone().map(Into::into);
        Finished {
            run_id: run_id.to_owned().into(),
            status: self.status,
            text: Some(self.text.clone().into()),
            stop_reason: owned(&self.stop_reason),
            model: owned(&self.model),
            usage: self.usage,
            error: self.error.clone(),
            message_id: owned(&self.message_id),
            request_id: owned(&self.request_id),
        }
    }

    /// Counts it.
    pub(crate) fn count(&self, counts: &RunCounts, asked: &str) {
        counts.ended(self.status).add(1);
        if let Some(error) = &self.error {
            let kind = error.details.as_ref().and_then(|details| details.kind.as_deref());
            counts.errors(kind.map_or(RunErrorKind::Other, RunErrorKind::from_name)).add(1);
        }
        let usage = self.usage.unwrap_or_default();
        let tokens = [
            (TokenKind::Input, usage.input_tokens),
            (TokenKind::Output, usage.output_tokens),
            (TokenKind::CacheCreation, usage.cache_creation_input_tokens),
            (TokenKind::CacheRead, usage.cache_read_input_tokens),
        ];
        tokens.into_iter().for_each(|(kind, n)| counts.tokens(asked, kind).add(n.unwrap_or_default()));
    }
}

fn kind(failure: &Failure) -> RunErrorKind {
    failure.kind.as_deref().map_or(RunErrorKind::Other, RunErrorKind::from_name)
}

fn run_error(failure: Failure) -> RunError<'static> {
    let code = match failure.code {
        FailureCode::UpstreamFailed => RunErrorCode::UpstreamFailed,
        FailureCode::RateLimited => RunErrorCode::RateLimited,
        FailureCode::Overloaded => RunErrorCode::Overloaded,
        FailureCode::Timeout => RunErrorCode::Timeout,
        FailureCode::Internal => RunErrorCode::Internal,
    };
    let details = RunErrorDetails { kind: failure.kind.map(Into::into), status: failure.status };
    RunError {
        code,
        message: failure.message.into(),
        details: Some(details).filter(|details| *details != RunErrorDetails::default()),
        retry_after_ms: failure.retry_after_ms,
    }
}

fn failure(code: FailureCode, message: String) -> Failure {
    Failure { code, message, kind: None, status: None, retry_after_ms: None }
}

fn internal(error: &ErrorBody) -> Failure {
    failure(FailureCode::Internal, format!("the answer cannot be published: {error}"))
}

fn too_long() -> Failure {
    failure(FailureCode::UpstreamFailed, format!("the answer is longer than {TEXT_BYTES_MAX} bytes"))
}

fn too_late(options: &RunOptions) -> Failure {
    failure(FailureCode::Timeout, format!("the run took longer than {:?} (claude.run_timeout)", options.run_timeout))
}
