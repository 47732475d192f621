//! Taps: copies of a connection's frames, for whoever watches it.
//!
//! A tap never slows its connection. It copies at most the beginning of a frame, keeps a bounded number of them until
//! its watcher takes them, takes a bounded number a second, and counts the others. A connection that nobody watches
//! pays one branch for a write and one relaxed load for a message.
//!
//! Lock order: a connection → a tap.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use ws_proto::api::{FrameDirection, FrameKind};

use crate::clock::Clock;
use crate::frame;
use crate::limits::{TAP_BYTES_MAX, TAP_FRAME_BYTES_MAX, TAP_FRAMES_MAX, TAP_FRAMES_PER_SECOND_MAX};

/// The connection to be watched has ended.
#[derive(Debug)]
pub(crate) struct Gone;

/// What one watcher has not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Tap(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    batch: TapBatch,
    /// Bytes of the frames in `batch`.
    bytes: usize,
    /// The current second, and frames taken in it.
    second: u64,
    taken: usize,
    waker: Option<Waker>,
}

/// Frames in their order, and what came after them.
#[derive(Debug, Default)]
pub(crate) struct TapBatch {
    pub(crate) frames: VecDeque<TappedFrame>,
    /// Frames that were left out after those.
    pub(crate) dropped: u64,
    /// The connection has ended, with this close code if there was one.
    pub(crate) ended: Option<Option<u16>>,
}

/// A frame that went through a connection.
#[derive(Debug)]
pub(crate) struct TappedFrame {
    /// In milliseconds since 1970.
    pub(crate) at_ms: u64,
    pub(crate) direction: FrameDirection,
    pub(crate) kind: FrameKind,
    /// Bytes of its payload.
    pub(crate) bytes: usize,
    /// The beginning of the payload, at most [`TAP_FRAME_BYTES_MAX`], as it was.
    pub(crate) start: Vec<u8>,
}

/// The taps of a connection. When it is dropped, the connection has ended, as far as its watchers see.
#[derive(Debug, Default)]
pub(super) struct Taps {
    pub(super) taps: Vec<Arc<Tap>>,
    pub(super) close_code: Option<u16>,
}

impl Taps {
    /// Whole frames go out.
    pub(super) fn sent(&self, frames: &[u8]) {
        for (opcode, payload) in frame::split(frames) {
            let kind = match opcode {
                frame::TEXT => FrameKind::Text,
                frame::CLOSE => FrameKind::Close,
                frame::PING_OPCODE => FrameKind::Ping,
                frame::PONG => FrameKind::Pong,
                _ => FrameKind::Binary,
            };
            self.put(FrameDirection::Out, kind, payload);
        }
    }

    pub(super) fn put(&self, direction: FrameDirection, kind: FrameKind, payload: &[u8]) {
        let at_ms = Clock::unix_ms();
        self.taps.iter().for_each(|tap| tap.put(at_ms, direction, kind, payload));
    }
}

impl Drop for Taps {
    fn drop(&mut self) {
        self.taps.iter().for_each(|tap| tap.end(self.close_code));
    }
}

impl Tap {
    fn put(&self, at_ms: u64, direction: FrameDirection, kind: FrameKind, payload: &[u8]) {
        let mut state = self.0.lock();
        if state.second != at_ms / 1000 {
            (state.second, state.taken) = (at_ms / 1000, 0);
        }
        let start = &payload[..payload.len().min(TAP_FRAME_BYTES_MAX)];
        let is_full = state.batch.frames.len() >= TAP_FRAMES_MAX || state.bytes + start.len() > TAP_BYTES_MAX;
        // What comes after a frame that was left out is left out too, until the watcher has taken what is there: so one
        // number says it all.
        if is_full || state.batch.dropped > 0 || state.taken >= TAP_FRAMES_PER_SECOND_MAX {
            state.batch.dropped += 1;
            return;
        }
        state.taken += 1;
        state.bytes += start.len();
        let frame = TappedFrame { at_ms, direction, kind, bytes: payload.len(), start: start.to_vec() };
        state.batch.frames.push_back(frame);
        let waker = state.waker.take();
        drop(state);
        wake(waker);
    }

    fn end(&self, close_code: Option<u16>) {
        let mut state = self.0.lock();
        state.batch.ended = Some(close_code);
        let waker = state.waker.take();
        drop(state);
        wake(waker);
    }

    /// All that is there; pending while there is neither a frame nor an end. A count of frames that were left out wakes
    /// nobody: ask for it with [`take`](Self::take) from time to time.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<TapBatch> {
        let mut state = self.0.lock();
        if state.batch.frames.is_empty() && state.batch.ended.is_none() {
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(state.take())
    }

    /// All that is there now.
    pub(crate) fn take(&self) -> TapBatch {
        self.0.lock().take()
    }
}

impl State {
    fn take(&mut self) -> TapBatch {
        self.bytes = 0;
        // It stays ended.
        let ended = self.batch.ended;
        std::mem::replace(&mut self.batch, TapBatch { ended, ..TapBatch::default() })
    }
}

/// Not under the lock of the tap: what a waker drops may look at it.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(tap: &Tap, at_ms: u64, bytes: usize) {
        tap.put(at_ms, FrameDirection::Out, FrameKind::Text, &vec![b'x'; bytes]);
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let tap = Tap::default();
        (0..TAP_FRAMES_MAX + 7).for_each(|_| put(&tap, 0, 1));
        let batch = tap.take();
        assert_eq!((batch.frames.len(), batch.dropped), (TAP_FRAMES_MAX, 7));
        let large = TAP_FRAME_BYTES_MAX * 2;
        (0..TAP_BYTES_MAX / TAP_FRAME_BYTES_MAX + 3).for_each(|_| put(&tap, 1000, large));
        let batch = tap.take();
        assert_eq!((batch.frames.len(), batch.dropped), (TAP_BYTES_MAX / TAP_FRAME_BYTES_MAX, 3));
        assert!(batch.frames.iter().all(|frame| (frame.bytes, frame.start.len()) == (large, TAP_FRAME_BYTES_MAX)));
    }

    #[test]
    fn a_second_has_a_bound_of_its_own() {
        let tap = Tap::default();
        let mut taken = 0;
        for _ in 0..TAP_FRAMES_PER_SECOND_MAX + 5 {
            put(&tap, 5_999, 1);
            taken += tap.take().frames.len();
        }
        assert_eq!(taken, TAP_FRAMES_PER_SECOND_MAX);
        put(&tap, 6_000, 1);
        assert_eq!(tap.take().frames.len(), 1);
    }

    #[test]
    fn it_stays_ended() {
        let tap = Tap::default();
        put(&tap, 0, 1);
        tap.end(Some(4503));
        let (first, second) = (tap.take(), tap.take());
        assert_eq!((first.frames.len(), first.ended, second.ended), (1, Some(Some(4503)), Some(Some(4503))));
    }
}
