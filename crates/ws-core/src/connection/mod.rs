//! One connection as the hub sees it: an outlet behind a short lock. Only whole frames go through it.
//!
//! There are two writers: the connection's own task ([`send`](Connection::send), [`flush`](Connection::flush)) and the
//! fan-out of its shard. Both immediately write what the socket accepts. The rest of a reply waits in the outbox; the
//! rest of a run from the log stays in the log, except for the remainder of a frame that was partly written, which goes
//! into the outbox. A connection whose socket is full leaves the fan-out's round; its own task flushes it when the
//! socket is writable, and resumes it.

mod auth_state;
mod closing;
mod internal;
mod outbox;
mod outlet;
mod tap;
mod watching;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use parking_lot::Mutex;
use uuid::Uuid;
use ws_proto::CloseCode;

pub(crate) use self::auth_state::AuthState;
use self::outbox::Outbox;
pub use self::outlet::Outlet;
use self::tap::Taps;
pub(crate) use self::tap::{Gone, Tap, TapBatch, TappedFrame};
use crate::access::Identity;
use crate::clock::Clock;
use crate::counters::Counters;
use crate::heartbeat::HeartbeatMode;
use crate::run::Run;

/// Never, on the hub's clock.
const NEVER: u64 = u64::MAX;

/// A connection. Shared by its task, its session and the fan-out of its shard.
#[derive(Debug)]
pub struct Connection {
    id: Uuid,
    mode: HeartbeatMode,
    /// It is the server's own: no heartbeat, no count.
    pub(crate) is_internal: bool,
    counters: Arc<Counters>,
    heard_ms: AtomicU64,
    spoke_ms: AtomicU64,
    /// When it was sent the ping that it has not answered yet, in microseconds; `NEVER`: there is none.
    pinged_us: AtomicU64,
    /// Since when the socket has accepted nothing; `NEVER` while it accepts bytes. Changed under the lock of `out`.
    full_since_ms: AtomicU64,
    /// The index under which the fan-out task of its shard keeps it; used by that task alone.
    pub(crate) slot: AtomicU32,
    /// How many of its subscriptions have ended.
    changes: AtomicU32,
    auth_state: AuthState,
    /// Whether there are taps.
    watched: AtomicBool,
    /// Bytes in the outbox, readable without the lock.
    outbox_bytes: AtomicUsize,
    out: Mutex<Out>,
}

#[derive(Default)]
struct Out {
    /// Dropped when the connection ends, so that the socket closes with its task.
    outlet: Option<Box<dyn Outlet>>,
    outbox: Outbox,
    /// After the last write, the outlet still held bytes that the socket had not accepted.
    unsent: bool,
    /// The fan-out has something for this connection, and waits until the connection is resumed.
    waiting: bool,
    /// A close frame is out or the socket is gone: no more data.
    ended: bool,
    /// A write failed: the peer is gone.
    lost: bool,
    close: Option<CloseCode>,
    /// What the close frame says instead of the code and reason of `close`.
    close_frame: Option<Box<(u16, Box<str>)>>,
    /// The task has been called, and may have looked before it could see why.
    called: bool,
    task: Option<Waker>,
    /// `None` while nobody watches.
    taps: Option<Box<Taps>>,
}

/// What the connection's task has to check before it sleeps.
#[derive(Debug, Clone, Copy)]
pub struct Attention {
    /// The connection is to be closed with this code.
    pub close: Option<CloseCode>,
    /// A write failed: the socket is gone.
    pub lost: bool,
    /// Something waits for the socket to become writable: call [`Connection::flush`] then.
    pub blocked: bool,
    /// Bytes in the outbox.
    pub outbox_bytes: usize,
}

/// How much of a [`Run`] a connection took.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// All of it.
    All,
    /// This many frames. The last of them may have been written only in part: its remainder is in the outbox. The
    /// connection has left the round.
    Blocked(usize),
    /// It has ended.
    Ended,
    /// None of it, because a subscription has ended in the meantime: collect again what the connection reads.
    Changed,
}

impl Connection {
    /// A new connection with a new id. `now_ms` is by the hub's clock.
    pub fn new(outlet: Box<dyn Outlet>, mode: HeartbeatMode, counters: Arc<Counters>, now_ms: u64) -> Arc<Self> {
        Arc::new(Connection {
            id: Uuid::new_v4(),
            mode,
            is_internal: false,
            counters,
            heard_ms: AtomicU64::new(now_ms),
            spoke_ms: AtomicU64::new(now_ms),
            pinged_us: AtomicU64::new(NEVER),
            full_since_ms: AtomicU64::new(NEVER),
            slot: AtomicU32::new(u32::MAX),
            outbox_bytes: AtomicUsize::new(0),
            changes: AtomicU32::new(0),
            auth_state: AuthState::default(),
            watched: AtomicBool::new(false),
            out: Mutex::new(Out { outlet: Some(outlet), ..Out::default() }),
        })
    }

    /// Its id, a random UUID.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// How its heartbeats are sent.
    pub fn heartbeat_mode(&self) -> HeartbeatMode {
        self.mode
    }

    /// Who it is; `None` while it is anonymous.
    pub fn identity(&self) -> Option<Arc<Identity>> {
        self.auth_state.identity()
    }

    /// Who it is, and when its session has to check that again.
    pub(crate) fn auth_state(&self) -> &AuthState {
        &self.auth_state
    }

    /// Notes that `bytes` bytes have arrived.
    pub fn heard(&self, now_ms: u64, bytes: usize) {
        self.heard_ms.store(now_ms, Ordering::Relaxed);
        self.counters.bytes_received.add(bytes as u64);
    }

    /// Notes that a ping is sent at `now_us` on the hub's clock.
    pub(crate) fn pinged(&self, now_us: u64) {
        self.pinged_us.store(now_us, Ordering::Relaxed);
    }

    /// A pong has arrived: records how long it took, if it answers a ping.
    pub fn ponged(&self, clock: Clock) {
        // Most pongs are no answers if somebody floods; the clock is read for an answer alone.
        if self.pinged_us.load(Ordering::Relaxed) == NEVER {
            return;
        }
        let pinged_us = self.pinged_us.swap(NEVER, Ordering::Relaxed);
        if let Some(took_us) = clock.now_us().checked_sub(pinged_us) {
            self.counters.heartbeat_us.record(took_us);
        }
    }

    /// When something last arrived, and when something last went out, on the hub's clock.
    pub(crate) fn last_ms(&self) -> (u64, u64) {
        (self.heard_ms.load(Ordering::Relaxed), self.spoke_ms.load(Ordering::Relaxed))
    }

    /// Sends whole frames: immediately as far as the socket accepts them, the rest through the outbox. Never waits. The
    /// caller bounds the outbox: it must not answer requests while [`outbox_bytes`](Self::outbox_bytes) is too high.
    pub fn send(&self, frames: &[u8], now_ms: u64) {
        self.put(frames, now_ms, false);
    }

    /// Puts whole frames into the outbox: for what has to go out before anything the fan-out is notified of next. They
    /// are sent before whatever is sent next, or by [`flush`](Self::flush).
    pub fn queue(&self, frames: &[u8]) {
        let mut out = self.out.lock();
        if !out.ended {
            self.push(&mut out, frames);
            out.tap_sent(frames);
        }
    }

    /// Bytes that wait for the socket. Check this before each request is answered: one answer may exceed the bound.
    pub fn outbox_bytes(&self) -> usize {
        self.outbox_bytes.load(Ordering::Relaxed)
    }

    /// Sends whole frames that end with a close frame. Nothing is sent after them.
    pub fn send_last(&self, frames: &[u8], now_ms: u64) {
        self.put(frames, now_ms, true);
    }

    /// What there is to do; `waker` is woken when that changes.
    pub fn attention(&self, waker: &Waker) -> Attention {
        let mut out = self.out.lock();
        if !out.task.as_ref().is_some_and(|task| task.will_wake(waker)) {
            out.task = Some(waker.clone());
        }
        if std::mem::take(&mut out.called) {
            waker.wake_by_ref();
        }
        Attention {
            close: out.close,
            lost: out.lost,
            blocked: out.waiting || !out.is_clear(),
            outbox_bytes: out.outbox.len(),
        }
    }

    /// Whether nothing waits for the socket.
    pub fn has_sent_all(&self) -> bool {
        self.out.lock().is_clear()
    }

    /// Writes what waits in the outbox. True if the fan-out waits for this connection and it is ready again: call
    /// [`Membership::resume`](crate::Membership::resume) then.
    pub fn flush(&self, now_ms: u64) -> bool {
        let mut out = self.out.lock();
        self.write_outbox(&mut out, now_ms);
        out.is_clear() && std::mem::take(&mut out.waiting)
    }

    /// Drops the outlet, and with it the socket's writing half.
    pub fn end(&self) {
        let mut out = self.out.lock();
        // Drops the waker too: it keeps the task alive, and the task keeps this connection alive.
        let ended = std::mem::replace(&mut *out, Out { ended: true, ..Out::default() });
        self.outbox_bytes.store(0, Ordering::Relaxed);
        drop(out);
        drop(ended);
    }

    /// Wakes the connection's task.
    pub(crate) fn wake(&self) {
        let task = self.out.lock().task.take();
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Wakes the connection's task, and has it look once more if it is running now.
    pub(crate) fn call(&self) {
        let mut out = self.out.lock();
        out.called = !out.ended;
        let task = out.task.take();
        drop(out);
        if let Some(task) = task {
            task.wake();
        }
    }

    /// How many of its subscriptions have ended. Whatever is delivered must have been collected after the last of them.
    pub(crate) fn changes(&self) -> u32 {
        self.changes.load(Ordering::Acquire)
    }

    /// A subscription has ended. When this returns, nothing that was collected before is delivered any more.
    pub(crate) fn change(&self) {
        let _out = self.out.lock();
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Since when the socket has accepted nothing, on the hub's clock.
    pub(crate) fn full_since_ms(&self) -> Option<u64> {
        Some(self.full_since_ms.load(Ordering::Relaxed)).filter(|since| *since != NEVER)
    }

    /// Writes a run of frames without waiting. `changes` is the value of [`changes`](Self::changes) from before the run
    /// was collected.
    pub(crate) fn deliver(&self, run: Run<'_>, changes: u32, now_ms: u64) -> Delivered {
        let mut out = self.out.lock();
        if out.ended {
            return Delivered::Ended;
        }
        if changes != self.changes() {
            return Delivered::Changed;
        }
        let taken = if self.flush_queued(&mut out, now_ms) { self.write(&mut out, run.bytes, now_ms) } else { 0 };
        if taken == run.bytes.len() {
            out.tap_sent(run.bytes);
            out.wake_if_unclear();
            return Delivered::All;
        }
        let frames = run.frames_started(taken);
        if frames > 0 {
            let end = run.ends[frames - 1].end - run.base;
            self.push(&mut out, &run.bytes[taken..end]);
            out.tap_sent(&run.bytes[..end]);
        }
        out.waiting = true;
        let task = out.task.take();
        drop(out);
        if let Some(task) = task {
            task.wake();
        }
        Delivered::Blocked(frames)
    }

    fn put(&self, frames: &[u8], now_ms: u64, last: bool) {
        let mut out = self.out.lock();
        if out.ended {
            return;
        }
        let was_clear = out.is_clear();
        let taken = if self.flush_queued(&mut out, now_ms) { self.write(&mut out, frames, now_ms) } else { 0 };
        self.push(&mut out, &frames[taken..]);
        out.tap_sent(frames);
        if last {
            (out.ended, out.taps) = (true, None);
        }
        if was_clear {
            // Only once: a task that was woken by each of its own writes would never sleep.
            out.wake_if_unclear();
        }
        self.counters.bytes_sent.add(taken as u64);
    }

    fn push(&self, out: &mut Out, bytes: &[u8]) {
        if !bytes.is_empty() {
            out.outbox.push(bytes);
            self.outbox_bytes.store(out.outbox.len(), Ordering::Relaxed);
        }
    }

    /// Sends what was queued. True if the outbox is empty afterwards.
    fn flush_queued(&self, out: &mut Out, now_ms: u64) -> bool {
        if !out.outbox.is_empty() && self.full_since_ms().is_none() {
            self.write_outbox(out, now_ms);
        }
        out.outbox.is_empty()
    }

    fn write_outbox(&self, out: &mut Out, now_ms: u64) {
        let mut outbox = std::mem::take(&mut out.outbox);
        let taken = self.write(out, outbox.unsent(), now_ms);
        outbox.advance(taken);
        out.outbox = outbox;
        self.outbox_bytes.store(out.outbox.len(), Ordering::Relaxed);
        if out.is_clear() {
            self.full_since_ms.store(NEVER, Ordering::Relaxed);
        }
        self.counters.bytes_sent.add(taken as u64);
    }

    /// Writes what the socket accepts, and notes when it became full.
    fn write(&self, out: &mut Out, bytes: &[u8], now_ms: u64) -> usize {
        let Some(outlet) = out.outlet.as_ref().filter(|_| !out.lost && (!bytes.is_empty() || out.unsent)) else {
            return 0;
        };
        let mut sent = 0;
        if out.unsent {
            match outlet.try_flush() {
                Ok(flushed) => sent = flushed,
                Err(error) => out.lost = error.kind() != io::ErrorKind::WouldBlock,
            }
            out.unsent = outlet.has_unsent();
        }
        let mut taken = 0;
        if !out.unsent && !out.lost && !bytes.is_empty() {
            match outlet.try_write(bytes) {
                Ok(written) => (taken, out.unsent) = (written, outlet.has_unsent()),
                Err(error) => out.lost = error.kind() != io::ErrorKind::WouldBlock,
            }
        }
        if sent + taken > 0 {
            self.spoke_ms.store(now_ms, Ordering::Relaxed);
        }
        let was_full = self.full_since_ms.load(Ordering::Relaxed) != NEVER;
        if taken == bytes.len() && !out.unsent {
            self.full_since_ms.store(NEVER, Ordering::Relaxed);
        } else if sent + taken > 0 || !was_full {
            self.full_since_ms.store(now_ms, Ordering::Relaxed);
        }
        taken
    }
}

/// Waking a connection wakes its task, which then asks its session again.
impl Wake for Connection {
    fn wake(self: Arc<Self>) {
        Connection::wake(&self);
    }
}

impl Out {
    /// Whether nothing waits to be sent.
    fn is_clear(&self) -> bool {
        self.outbox.is_empty() && !self.unsent
    }

    fn tap_sent(&self, frames: &[u8]) {
        if let Some(taps) = &self.taps {
            taps.sent(frames);
        }
    }

    /// Has the connection's task send the rest when the socket is writable.
    fn wake_if_unclear(&mut self) {
        if !self.is_clear()
            && let Some(task) = self.task.take()
        {
            task.wake();
        }
    }
}

impl std::fmt::Debug for Out {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Out")
            .field("outbox_bytes", &self.outbox.len())
            .field("waiting", &self.waiting)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
