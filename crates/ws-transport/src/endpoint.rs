//! What handles the messages of a WebSocket.

use ws_core::{Flow, Session};
use ws_proto::CloseCode;

use crate::limits::REFUSED_MESSAGE_BYTES_MAX;

/// Handles the messages of one connection. Dropped when the connection begins to close.
///
/// Answers are appended to `out` as encoded frames (`ws_core::frame`). [`go_on`](Self::go_on) is called before each
/// message. After [`Flow::Hold`] from any of these, no further message is handed over until `go_on` returns
/// [`Flow::Continue`]. A message is handed over only while the outbox has room, and causes at most one answer.
pub trait Endpoint: Send + 'static {
    /// Messages are handed over, or answers appended, from here until [`end_batch`](Self::end_batch). `is_read`: the
    /// messages have just been read, at `now_us` on the hub's clock; otherwise they had been read before.
    fn begin_batch(&mut self, _now_us: u64, _is_read: bool) {}

    /// The answers of the batch are complete, and are sent next.
    fn end_batch(&mut self) {}

    /// A text message. `now_ms` is the hub's clock.
    fn text(&mut self, text: &str, now_ms: u64, out: &mut Vec<u8>) -> Flow;

    /// A binary message.
    fn binary(&mut self, bytes: &[u8], now_ms: u64, out: &mut Vec<u8>) -> Flow;

    /// Whether [`go_on`](Self::go_on) has something to do or to wait for. If so, it is called whenever the task is
    /// woken.
    fn is_waiting(&self) -> bool {
        false
    }

    /// Whether requests are still being processed elsewhere and their answers are outstanding.
    fn owes_answers(&self) -> bool {
        false
    }

    /// Whether [`go_on`](Self::go_on) stopped for want of room in the outbox: it is called again when there is some.
    fn is_out_of_room(&self) -> bool {
        false
    }

    /// Appends the answers that have arrived, and continues with the message that was held, as long as there is room.
    /// `now_ms` is the hub's clock.
    fn go_on(&mut self, _now_ms: u64, _out: &mut Vec<u8>) -> Flow {
        Flow::Continue
    }

    /// Largest message that it takes now, in bytes. `configured`: the operator's limit.
    fn message_bytes_max(&self, configured: usize) -> usize {
        configured
    }

    /// From now on messages may lie unread, because the outbox is full.
    fn stop_reading(&mut self) {}

    /// Whether messages may have lain unread since; [`caught_up`](Self::caught_up) is called when all were read.
    fn may_be_behind(&self) -> bool {
        false
    }

    /// All that has arrived was read and handed over.
    fn caught_up(&mut self) {}

    /// The socket was full when the fan-out had something to write, and takes bytes again.
    fn writable(&mut self) {}
}

/// The protocol of ws-server: JSON in text frames. Without a session, the connection was refused when it was opened and
/// is only waiting to close.
#[derive(Debug)]
pub(crate) struct SessionEndpoint(pub(crate) Option<Session>);

impl Endpoint for SessionEndpoint {
    fn begin_batch(&mut self, now_us: u64, is_read: bool) {
        self.0.iter_mut().for_each(|session| session.begin_batch(now_us, is_read));
    }

    fn end_batch(&mut self) {
        self.0.iter_mut().for_each(Session::end_batch);
    }

    fn text(&mut self, text: &str, now_ms: u64, out: &mut Vec<u8>) -> Flow {
        self.0.as_mut().map_or(Flow::Continue, |session| session.text(text, now_ms, out))
    }

    fn binary(&mut self, _: &[u8], _: u64, _: &mut Vec<u8>) -> Flow {
        Flow::Close(CloseCode::Unsupported)
    }

    fn is_waiting(&self) -> bool {
        self.0.as_ref().is_some_and(Session::is_waiting)
    }

    fn owes_answers(&self) -> bool {
        self.0.as_ref().is_some_and(Session::owes_answers)
    }

    fn is_out_of_room(&self) -> bool {
        self.0.as_ref().is_some_and(Session::is_out_of_room)
    }

    fn go_on(&mut self, now_ms: u64, out: &mut Vec<u8>) -> Flow {
        self.0.as_mut().map_or(Flow::Continue, |session| session.go_on(now_ms, out))
    }

    fn message_bytes_max(&self, configured: usize) -> usize {
        self.0.as_ref().map_or(configured.min(REFUSED_MESSAGE_BYTES_MAX), Session::message_bytes_max)
    }

    fn stop_reading(&mut self) {
        self.0.iter_mut().for_each(Session::stop_reading);
    }

    fn may_be_behind(&self) -> bool {
        self.0.as_ref().is_some_and(Session::may_be_behind)
    }

    fn caught_up(&mut self) {
        self.0.iter_mut().for_each(Session::caught_up);
    }

    fn writable(&mut self) {
        self.0.iter().for_each(|session| session.membership().resume());
    }
}
