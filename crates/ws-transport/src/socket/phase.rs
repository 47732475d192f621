//! The phases of a connection, and the events that move it from one to the next. The usual paths:
//!
//! ```text
//! Open ──► HalfClosed ──────────────────────────► end   the peer has sent its FIN: answers still go out
//!   │
//!   ├────► Leaving ──► Closing ──► Flushing ────► end   the server drains: answers first, then its close frame
//!   ├────► Closing ──► Flushing ────────────────► end   the server closes; the peer answers
//!   ├────► Flushing ────────────────────────────► end   the peer closes; the server answers
//!   └────► Lingering ───────────────────────────► end   the peer broke the protocol
//! ```
//!
//! All but `Open` have a timer. A broken connection ends in any of them.

use std::pin::Pin;

use tokio::time::Sleep;
use ws_proto::CloseCode;

/// How far a connection is on its way to its end.
#[derive(Debug)]
pub(super) enum Phase {
    Open,
    /// The peer sends nothing more, and still gets the answers to what it has sent.
    HalfClosed(Pin<Box<Sleep>>),
    /// The server is draining: nothing more is read, and outstanding answers go out before our close frame.
    Leaving(Pin<Box<Sleep>>),
    /// Our close frame has been sent; the peer's is awaited.
    Closing(Pin<Box<Sleep>>),
    /// Both close frames have been exchanged; the rest of the outbox has to go out.
    Flushing(Pin<Box<Sleep>>),
    /// The peer broke the protocol; what it still sends is discarded until it has read our close frame.
    Lingering(Pin<Box<Sleep>>),
}

/// What can happen to a connection.
#[derive(Debug)]
pub(super) enum Event {
    /// This many bytes have arrived. 0: the outbox has room again for the backlog.
    Input(usize),
    /// The peer will send nothing more.
    Eof,
    /// The connection is broken.
    Lost,
    /// A full socket takes bytes again.
    Writable,
    /// The hub asks for the connection to be closed.
    Close(CloseCode),
    /// The time for closing is over.
    Timeout,
}
