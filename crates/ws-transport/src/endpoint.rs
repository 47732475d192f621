//! What stands behind a WebSocket.

use ws_core::{Flow, Session};
use ws_proto::CloseCode;

use crate::limits::REFUSED_MESSAGE_BYTES_MAX;

/// Deals with the messages of one connection. Dropped when the closing begins.
///
/// Encoded frames (`ws_core::frame`) are appended to `out`. Before each message [`go_on`](Self::go_on) is called; with
/// [`Flow::Hold`] of either no further message is given before it continues. A message is given only while there is room
/// in the outbox, and then brings one answer at most.
pub trait Endpoint: Send + 'static {
    /// A text message. `now_ms` is the hub's clock.
    fn text(&mut self, text: &str, now_ms: u64, out: &mut Vec<u8>) -> Flow;

    /// A binary message.
    fn binary(&mut self, bytes: &[u8], now_ms: u64, out: &mut Vec<u8>) -> Flow;

    /// Whether [`go_on`](Self::go_on) has something to do, or to wait for: then it is called whenever the task is woken.
    fn is_waiting(&self) -> bool {
        false
    }

    /// Whether what it took goes on elsewhere, and its sender has to be told what came of it.
    fn owes_answers(&self) -> bool {
        false
    }

    /// Whether [`go_on`](Self::go_on) stopped for want of room in the outbox: it is called again when there is some.
    fn is_out_of_room(&self) -> bool {
        false
    }

    /// Appends the answers that have come since, and goes on with the message that is held, as long as there is room.
    /// `now_ms` is the hub's clock.
    fn go_on(&mut self, _now_ms: u64, _out: &mut Vec<u8>) -> Flow {
        Flow::Continue
    }

    /// Largest message that it takes now, in bytes; `configured` is what the operator allows.
    fn message_bytes_max(&self, configured: usize) -> usize {
        configured
    }

    /// The socket was full while the fan-out had something for it, and takes bytes again.
    fn writable(&mut self) {}
}

/// The protocol of ws-server: JSON in text frames. Without a session where the connection was refused when it was
/// opened, and only waits for its end.
#[derive(Debug)]
pub(crate) struct SessionEndpoint(pub(crate) Option<Session>);

impl Endpoint for SessionEndpoint {
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

    fn writable(&mut self) {
        self.0.iter().for_each(|session| session.membership().resume());
    }
}
