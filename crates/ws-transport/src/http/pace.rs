//! How long an HTTP connection may wait. A head has to be complete in one time, however slowly it trickles in; between
//! two requests there is another, longer one. While a request is answered there is none here: bodies and answers have
//! their own.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep};

use super::content::Content;
use crate::limits::{HTTP_LIFE, HTTP_REQUESTS_MAX};
use crate::socket_slots::SocketSlot;

/// How long a connection may wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For a TLS handshake, for a complete head, and for the peer to take an answer.
    pub(crate) head: Duration,
    /// Between two requests.
    pub(crate) keep_alive: Duration,
}

/// What a connection does. Its socket and its service say it, and [`Pace`] looks.
#[derive(Debug)]
pub(super) struct Activity(Mutex<Now>);

#[derive(Debug)]
struct Now {
    stage: Stage,
    /// How often the stage has changed.
    changes: u32,
    requests: u32,
    began: Instant,
    /// The answer that is being made is a 101.
    switching: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// A part of a head may have come; nothing yet on a new connection.
    Head,
    /// A request is being answered.
    Answering,
    /// hyper has the whole answer, and the socket may not.
    Answered,
    /// Nothing of the next request has come.
    Idle,
}

/// A request that is being answered, until it is dropped.
#[derive(Debug)]
pub(super) struct Busy(Arc<Activity>);

/// The body of an answer: with its end the request is answered.
#[derive(Debug)]
pub(super) struct AnswerBody {
    body: Content,
    _busy: Busy,
}

/// Why a connection ends that hyper would continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// It has waited for too long.
    Late,
    /// It was idle, and another socket has its slot now.
    Evicted,
}

/// The timer of a connection.
#[derive(Debug)]
pub(super) struct Pace<'a> {
    activity: Arc<Activity>,
    patience: Patience,
    slot: &'a mut SocketSlot,
    /// The change that the timer was set for.
    seen: u32,
    timer: Pin<Box<Sleep>>,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        let (stage, began) = (Stage::Head, Instant::now());
        Arc::new(Activity(Mutex::new(Now { stage, changes: 0, requests: 0, began, switching: false })))
    }

    /// A request has begun. True: it is the last one that this connection may make, in number or in time.
    pub(super) fn begin(self: &Arc<Self>) -> (Busy, bool) {
        let mut now = self.0.lock();
        now.enter(Stage::Answering);
        now.requests += 1;
        let is_last = now.requests >= HTTP_REQUESTS_MAX || now.began.elapsed() >= HTTP_LIFE;
        drop(now);
        (Busy(self.clone()), is_last)
    }

    /// Bytes have arrived.
    pub(super) fn heard(&self) {
        self.0.lock().leave(Stage::Idle, Stage::Head);
    }

    /// The socket has taken all that there was.
    pub(super) fn flushed(&self) {
        self.0.lock().leave(Stage::Answered, Stage::Idle);
    }

    /// The next answer is a 101.
    pub(super) fn switch(&self) {
        self.0.lock().switching = true;
    }

    pub(super) fn is_switching(&self) -> bool {
        self.0.lock().switching
    }

    /// Whether what is written now may be an answer of hyper's own.
    pub(super) fn may_be_refused(&self) -> bool {
        self.0.lock().stage != Stage::Answering
    }
}

impl Now {
    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.changes = self.changes.wrapping_add(1);
    }

    fn leave(&mut self, stage: Stage, next: Stage) {
        if self.stage == stage {
            self.enter(next);
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.0.lock().leave(Stage::Answering, Stage::Answered);
    }
}

impl<'a> Pace<'a> {
    /// The time for the first head begins.
    pub(super) fn new(activity: Arc<Activity>, patience: Patience, slot: &'a mut SocketSlot) -> Self {
        let timer = Box::pin(tokio::time::sleep(patience.head));
        Pace { activity, patience, slot, seen: 0, timer }
    }

    /// Call it after the connection has done what it could.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<Over> {
        let now = self.activity.0.lock();
        let (stage, is_new) = (now.stage, now.changes != self.seen);
        self.seen = now.changes;
        drop(now);
        if stage != Stage::Idle || is_new {
            self.slot.work();
        }
        if stage == Stage::Idle && !self.slot.rest(cx.waker()) {
            return Poll::Ready(Over::Evicted);
        }
        if stage == Stage::Answering {
            return Poll::Pending;
        }
        if is_new {
            let wait = if stage == Stage::Head { self.patience.head } else { self.patience.keep_alive };
            self.timer.as_mut().reset(Instant::now() + wait);
        }
        self.timer.as_mut().poll(cx).map(|()| Over::Late)
    }
}

impl AnswerBody {
    pub(super) fn new(body: Content, busy: Busy) -> Self {
        AnswerBody { body, _busy: busy }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = <Content as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
