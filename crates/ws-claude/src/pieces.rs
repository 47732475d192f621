//! What waits to be published in a stream: pieces of text, joined, at most one in each interval. No clock, no I/O.
//!
//! Call order: [`Pieces::push`] and [`Pieces::push_other`] as things come; [`Pieces::ready_at`] says when the next one may
//! go; [`Pieces::take`] gives it, and [`Pieces::published`] starts the interval.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::Instant;
use ws_proto::claude::{Piece, RunEvent};

/// What a piece is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The answer.
    Text,
    /// The thinking before it.
    Thinking,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Pieces {
    interval: Duration,
    waiting: VecDeque<Waiting>,
    /// Of the next piece.
    index: u64,
    /// When the next piece may go.
    next_at: Option<Instant>,
    has_had_text: bool,
}

#[derive(Debug)]
enum Waiting {
    Piece(Kind, String),
    Other(Box<RawValue>),
}

impl Pieces {
    pub(crate) fn new(interval: Duration) -> Self {
        Pieces { interval, waiting: VecDeque::new(), index: 0, next_at: None, has_had_text: false }
    }

    /// The next words: they join those that wait, if these are of the same kind.
    pub(crate) fn push(&mut self, kind: Kind, text: &str) {
        if kind == Kind::Text && !self.has_had_text {
            self.has_had_text = true;
            // The first text goes out at once, and what comes before it with it.
            self.next_at = None;
        }
        match self.waiting.back_mut() {
            Some(Waiting::Piece(last, waiting)) if *last == kind => waiting.push_str(text),
            _ => self.waiting.push_back(Waiting::Piece(kind, text.to_owned())),
        }
    }

    /// Something that goes out at once, in its turn.
    pub(crate) fn push_other(&mut self, data: Box<RawValue>) {
        self.waiting.push_back(Waiting::Other(data));
    }

    /// Drops what waits: the model declined, so it is no part of the conversation.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When the next one may go; `None`: nothing waits, or it may go now if [`is_empty`](Self::is_empty) is false.
    pub(crate) fn ready_at(&self) -> Option<Instant> {
        match self.waiting.front() {
            Some(Waiting::Piece(..)) => self.next_at,
            Some(Waiting::Other(_)) | None => None,
        }
    }

    /// Whether the next one may go.
    pub(crate) fn is_ready(&self, now: Instant) -> bool {
        !self.is_empty() && self.ready_at().is_none_or(|at| at <= now)
    }

    /// The data of the next publication.
    pub(crate) fn take(&mut self) -> Option<Box<RawValue>> {
        match self.waiting.pop_front()? {
            Waiting::Other(data) => Some(data),
            Waiting::Piece(kind, text) => {
                let piece = Piece { index: self.index, text: text.into() };
                self.index += 1;
                Some(raw(&match kind {
                    Kind::Text => RunEvent::Text(piece),
                    Kind::Thinking => RunEvent::Thinking(piece),
                }))
            }
        }
    }

    /// A publication has begun: the interval counts from here, unless a first text is to follow at once.
    pub(crate) fn published(&mut self, now: Instant) {
        let leads_first_text = self.next_at.is_none() && self.index > 0 && !self.waiting.is_empty();
        if !leads_first_text {
            self.next_at = Some(now + self.interval);
        }
    }
}

/// JSON of something that always serializes.
pub(crate) fn raw<T: Serialize>(data: &T) -> Box<RawValue> {
    to_raw_value(data).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(40);

    fn next(pieces: &mut Pieces, now: Instant) -> Option<String> {
        if !pieces.is_ready(now) {
            return None;
        }
        let data = pieces.take().map(|data| data.get().to_owned());
        pieces.published(now);
        data
    }

    #[test]
    fn the_first_text_at_once_then_one_in_each_interval() {
        let (mut pieces, begun) = (Pieces::new(INTERVAL), Instant::now());
        assert!(!pieces.is_ready(begun));
        pieces.push(Kind::Text, "a");
        let text = |index: u64, text: &str| Some(format!(r#"{{"claude":"text","index":{index},"text":"{text}"}}"#));
        assert_eq!(next(&mut pieces, begun), text(0, "a"));
        pieces.push(Kind::Text, "b");
        pieces.push(Kind::Text, "c");
        assert_eq!((next(&mut pieces, begun), pieces.ready_at()), (None, Some(begun + INTERVAL)));
        assert_eq!(next(&mut pieces, begun + INTERVAL), text(1, "bc"));
        pieces.push(Kind::Text, "d");
        assert_eq!(next(&mut pieces, begun + INTERVAL), None);
        assert_eq!(next(&mut pieces, begun + 2 * INTERVAL), text(2, "d"));
    }

    #[test]
    fn thinking_and_text_are_not_joined_and_share_their_numbers() {
        let (mut pieces, now) = (Pieces::new(INTERVAL), Instant::now());
        pieces.push(Kind::Thinking, "");
        let thinking = r#"{"claude":"thinking","index":0,"text":""}"#;
        assert_eq!(next(&mut pieces, now).as_deref(), Some(thinking));
        pieces.push(Kind::Thinking, "hm");
        assert_eq!(next(&mut pieces, now), None);
        pieces.push(Kind::Text, "a");
        let both = [next(&mut pieces, now), next(&mut pieces, now), next(&mut pieces, now)];
        let expect = [r#"{"claude":"thinking","index":1,"text":"hm"}"#, r#"{"claude":"text","index":2,"text":"a"}"#];
        assert_eq!(
            both,
            [Some(expect[0].to_owned()), Some(expect[1].to_owned()), None],
            "the first text goes out at once"
        );
    }

    #[test]
    fn others_do_not_wait_and_keep_their_place() {
        let (mut pieces, now) = (Pieces::new(INTERVAL), Instant::now());
        pieces.push_other(RawValue::from_string("1".to_owned()).expect("JSON"));
        pieces.push_other(RawValue::from_string("2".to_owned()).expect("JSON"));
        assert_eq!([next(&mut pieces, now), next(&mut pieces, now)], [Some("1".to_owned()), Some("2".to_owned())]);
        pieces.push(Kind::Text, "a");
        assert!(next(&mut pieces, now).is_some(), "the first text goes out at once");
        pieces.push(Kind::Text, "b");
        pieces.clear();
        assert!(pieces.is_empty() && pieces.take().is_none());
    }
}
