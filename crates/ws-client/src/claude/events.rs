//! What a run says.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use serde::Deserialize;
use serde_json::Value;
use ws_proto::claude::{self, Finished, Piece, Retrying, RunError};

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
        error: RunError<'static>,
    },
    /// Words are gone, because the stream was longer than the server keeps: the whole text is in `finished` in the channel
    /// where it was asked.
    Gap(Gap),
    /// The end.
    /// Its `text` is not here: it is in the channel where Claude was asked.
    Finished(Box<Finished<'static>>),
    /// Something that this crate does not know, as it came.
    Other(Value),
}

impl From<Value> for RunEvent {
    fn from(data: Value) -> Self {
        match claude::RunEvent::deserialize(&data).map(claude::RunEvent::into_owned) {
            Ok(claude::RunEvent::Text(Piece { text, .. })) => RunEvent::Text { text: text.into_owned() },
            Ok(claude::RunEvent::Thinking(Piece { text, .. })) => RunEvent::Thinking { text: text.into_owned() },
            Ok(claude::RunEvent::Retrying(Retrying { after_ms, error })) => RunEvent::Retrying { after_ms, error },
            Ok(claude::RunEvent::Finished(finished)) => RunEvent::Finished(Box::new(finished)),
            Ok(claude::RunEvent::Started(_)) | Err(_) => RunEvent::Other(data),
        }
    }
}

/// The stream of [`Claude::follow`](super::Claude::follow). It ends with [`RunEvent::Finished`], or with the first error:
/// what the server refuses; `Gap` where nothing of this run's stream is kept any more; `Closed` with the client.
#[derive(Debug)]
pub struct RunEvents {
    stream: Channel<Value>,
    /// `None`: it has ended.
    events: Option<Subscription<Value>>,
    /// What was yielded goes so far.
    place: Position,
    /// The last event was a gap that leads there.
    is_behind_gap: bool,
}

impl RunEvents {
    pub(super) fn new(stream: Channel<Value>, place: Position) -> Self {
        let events = stream.subscribe().since(place.clone()).start();
        RunEvents { stream, events: Some(events), place, is_behind_gap: false }
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
                // The newest publication of a run that goes on is always kept.
                Some(Event::Live { position: Some(position), .. }) if self.is_behind_gap && position == self.place => {
                    Err(Problem::new(Kind::Gap))
                }
                Some(Event::Publication(publication)) => {
                    self.is_behind_gap = false;
                    if let Some(position) = publication.position {
                        self.place = position;
                    }
                    Ok(RunEvent::from(publication.data))
                }
                Some(Event::Gap(gap)) => {
                    self.is_behind_gap = match &gap {
                        Gap::Offsets { to, .. } => {
                            self.place.offset = *to;
                            true
                        }
                        // Of what the store has lost something may be left, and then the run goes on after that.
                        Gap::Epoch { epoch, after } => {
                            self.place = Position { epoch: epoch.clone(), offset: *after };
                            *after == 0
                        }
                        Gap::Missed { .. } => false,
                    };
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
