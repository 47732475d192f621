//! The provider's stream: bytes in, events out. No I/O.

use super::event::{self, Event};
use super::limits::EVENT_BYTES_MAX;
use super::sse::{Lines, TooLong};

/// Decodes one response. Any split of its bytes gives the same events. After [`Event::Stop`] there are no more.
#[derive(Debug)]
pub struct Decoder {
    lines: Lines,
    is_stopped: bool,
}

/// An event is longer than 4 MiB: the stream cannot be read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of the provider's stream is longer than {EVENT_BYTES_MAX} bytes")]
pub struct EventTooLong;

impl Default for Decoder {
    fn default() -> Self {
        Decoder { lines: Lines::new(EVENT_BYTES_MAX), is_stopped: false }
    }
}

impl Decoder {
    /// Reads the next bytes and calls `take` with each event that they end.
    ///
    /// # Errors
    /// When an event is too long. The events before it have been taken.
    pub fn feed(&mut self, bytes: &[u8], mut take: impl FnMut(Event)) -> Result<(), EventTooLong> {
        if self.is_stopped {
            return Ok(());
        }
        let Decoder { lines, is_stopped } = self;
        let fed = lines.feed(bytes, |data| decode(is_stopped, data, &mut take));
        match fed {
            Err(TooLong) if !self.is_stopped => Err(EventTooLong),
            Ok(()) | Err(TooLong) => Ok(()),
        }
    }

    /// The bytes have ended: what stands there without an empty line behind it counts as well.
    pub fn finish(&mut self, mut take: impl FnMut(Event)) {
        let Decoder { lines, is_stopped } = self;
        lines.finish(|data| decode(is_stopped, data, &mut take));
    }
}

fn decode(is_stopped: &mut bool, data: &[u8], take: &mut impl FnMut(Event)) {
    if !*is_stopped {
        event::read(data, |event| {
            *is_stopped = event == Event::Stop;
            take(event);
        });
    }
}
