//! What a run says.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use serde::Deserialize;
use serde_json::Value;

use super::status::RunStatus;
use crate::channel::Channel;
use crate::event::Event;
use crate::machine::{Gap, Kind, Problem};
use crate::position::Position;
use crate::subscription::Subscription;

/// What a run says, in order.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RunEvent {
    /// The next words of the answer.
    Text {
        /// The words.
        text: String,
    },
    /// The next words of the model's thinking; empty where it only says that it thinks.
    Thinking {
        /// The words.
        text: String,
    },
    /// The provider failed before it said anything, and is asked again.
    Retrying {
        /// After so many milliseconds.
        after_ms: u64,
        /// Why.
        error: RunError,
    },
    /// Words are gone, because the stream was longer than the server keeps: the whole text is in `finished` in the channel
    /// where it was asked.
    Gap(Gap),
    /// The end.
    Finished(Finished),
    /// Something that this crate does not know, as it came.
    Other(Value),
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Finished {
    /// How.
    pub status: RunStatus,
    /// Why the model stopped, in the provider's words.
    #[serde(default)]
    pub stop_reason: Option<String>,
    /// The model that answered.
    #[serde(default)]
    pub model: Option<String>,
    /// What the provider counted.
    #[serde(default)]
    pub usage: Option<Usage>,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<RunError>,
    /// The request's id at the provider, for its support.
    #[serde(default)]
    pub request_id: Option<String>,
}

/// Why a run, or one attempt of it, failed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct RunError {
    /// `upstream_failed`, `rate_limited`, `overloaded`, `timeout` or `internal`.
    pub code: String,
    /// For people.
    pub message: String,
    /// When to try again, in milliseconds, where that is known.
    #[serde(default)]
    pub retry_after_ms: Option<u64>,
}

/// What the provider counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Usage {
    /// Tokens read anew.
    #[serde(default)]
    pub input_tokens: Option<u64>,
    /// Tokens written; absent where the run did not come to its end.
    #[serde(default)]
    pub output_tokens: Option<u64>,
    /// Tokens put into the provider's cache.
    #[serde(default)]
    pub cache_creation_input_tokens: Option<u64>,
    /// Tokens read from the provider's cache.
    #[serde(default)]
    pub cache_read_input_tokens: Option<u64>,
}

/// A publication of a stream.
#[derive(Deserialize)]
#[serde(tag = "claude", rename_all = "snake_case")]
enum Said {
    Text { text: String },
    Thinking { text: String },
    Retrying { after_ms: u64, error: RunError },
    Finished(Finished),
}

impl From<Value> for RunEvent {
    fn from(data: Value) -> Self {
        match serde_json::from_value(data.clone()) {
            Ok(Said::Text { text }) => RunEvent::Text { text },
            Ok(Said::Thinking { text }) => RunEvent::Thinking { text },
            Ok(Said::Retrying { after_ms, error }) => RunEvent::Retrying { after_ms, error },
            Ok(Said::Finished(finished)) => RunEvent::Finished(finished),
            Err(_) => RunEvent::Other(data),
        }
    }
}

/// The stream of [`Claude::follow`](super::Claude::follow). It ends with [`RunEvent::Finished`], or with the first error:
/// what the server refuses; `Gap` where this run's stream is no longer kept; `Closed` with the client.
#[derive(Debug)]
pub struct RunEvents {
    stream: Channel<Value>,
    /// `None`: it has ended.
    events: Option<Subscription<Value>>,
    /// What was yielded goes so far.
    place: Position,
}

impl RunEvents {
    pub(super) fn new(stream: Channel<Value>, place: Position) -> Self {
        let events = stream.subscribe().since(place.clone()).start();
        RunEvents { stream, events: Some(events), place }
    }
}

impl Stream for RunEvents {
    type Item = Result<RunEvent, Problem>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(events) = &mut self.events else { return Poll::Ready(None) };
            let item = match ready!(Pin::new(events).poll_next(cx)) {
                // Its place was forgotten, as another user has logged in: what it missed is asked for.
                Some(Event::Live { position: Some(position), recovered: Some(false) }) if position != self.place => {
                    self.events = Some(self.stream.subscribe().since(self.place.clone()).start());
                    continue;
                }
                Some(Event::Publication(publication)) => {
                    if let Some(position) = publication.position {
                        self.place = position;
                    }
                    Ok(RunEvent::from(publication.data))
                }
                Some(Event::Gap(Gap::Epoch { .. })) => Err(Problem::new(Kind::Gap)),
                Some(Event::Gap(gap)) => {
                    if let Gap::Offsets { to, .. } = gap {
                        self.place.offset = to;
                    }
                    Ok(RunEvent::Gap(gap))
                }
                Some(Event::Refused(problem)) => Err(problem),
                None => Err(Problem::new(Kind::Closed)),
                Some(_) => continue,
            };
            if matches!(item, Err(_) | Ok(RunEvent::Finished(_))) {
                self.events = None;
            }
            return Poll::Ready(Some(item));
        }
    }
}
