//! One connection as the hub sees it: an outlet behind a short lock, through which only whole frames go.
//!
//! Two write here: the connection's own task ([`send`](Connection::send), [`flush`](Connection::flush))
//! and the fan-out of its shard. Both write at once what the socket takes. What it does not take of a
//! reply waits in the outbox; what it does not take of the log stays in the log, but for the rest of one
//! frame that has been begun. A connection whose socket is full leaves the fan-out's round; its own task
//! flushes it when the socket is writable, and puts it back.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::Waker;

use parking_lot::Mutex;
use uuid::Uuid;
use ws_proto::CloseCode;

use crate::counters::Counters;
use crate::heartbeat::HeartbeatMode;
use crate::outlet::Outlet;

/// No moment of the hub's clock.
const NEVER: u64 = u64::MAX;

/// A connection. Shared by its task, its session and the fan-out of its shard.
#[derive(Debug)]
pub struct Connection {
    id: Uuid,
    mode: HeartbeatMode,
    counters: Arc<Counters>,
    heard_ms: AtomicU64,
    spoke_ms: AtomicU64,
    /// Since when the socket takes nothing; `NEVER` while it does. Changed under the lock of `out`.
    full_since_ms: AtomicU64,
    /// Where the fan-out of the shard keeps it; that task alone uses it.
    pub(crate) slot: AtomicUsize,
    /// Whether it waits at the gate.
    pub(crate) held: AtomicBool,
    out: Mutex<Out>,
}

#[derive(Default)]
struct Out {
    /// Gone when the connection has ended, so that the socket closes with its task.
    outlet: Option<Box<dyn Outlet>>,
    outbox: Outbox,
    /// The fan-out has something for this connection and waits to be resumed.
    waiting: bool,
    /// A close frame is out or the socket is gone: no more data.
    ended: bool,
    /// A write failed: nobody is there any more.
    lost: bool,
    close: Option<CloseCode>,
    task: Option<Waker>,
}

/// Encoded bytes that the socket has not taken yet. Memory is held only while there are some.
#[derive(Debug, Default)]
struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

/// What the connection's task has to know before it sleeps.
#[derive(Debug, Clone, Copy)]
pub struct Attention {
    /// Somebody asks for the connection to be closed.
    pub close: Option<CloseCode>,
    /// A write failed: the socket is gone.
    pub lost: bool,
    /// Something waits for the socket to become writable: call [`Connection::flush`] then.
    pub blocked: bool,
    /// Bytes in the outbox.
    pub outbox_bytes: usize,
}

/// A run of whole frames out of the log: the bytes, and where each frame ends in them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) bytes: &'a [u8],
    /// Ends of the frames, counted from `base` before `bytes`.
    pub(crate) ends: &'a [usize],
    pub(crate) base: usize,
}

/// How much of a [`Run`] a connection took.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// All of it.
    All,
    /// So many frames, the last of them perhaps only in part: the rest of it is in the outbox. The
    /// connection has left the round.
    Blocked(usize),
    /// It has ended.
    Ended,
}

impl Connection {
    /// A new connection with an id of its own. `now_ms` is the hub's clock.
    pub fn new(outlet: Box<dyn Outlet>, mode: HeartbeatMode, counters: Arc<Counters>, now_ms: u64) -> Arc<Self> {
        Arc::new(Connection {
            id: Uuid::new_v4(),
            mode,
            counters,
            heard_ms: AtomicU64::new(now_ms),
            spoke_ms: AtomicU64::new(now_ms),
            full_since_ms: AtomicU64::new(NEVER),
            slot: AtomicUsize::new(usize::MAX),
            held: AtomicBool::new(false),
            out: Mutex::new(Out { outlet: Some(outlet), ..Out::default() }),
        })
    }

    /// Its id, unique for as long as it lasts.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// How it is asked for a sign of life.
    pub fn heartbeat_mode(&self) -> HeartbeatMode {
        self.mode
    }

    /// Notes that `bytes` bytes have arrived.
    pub fn heard(&self, now_ms: u64, bytes: usize) {
        self.heard_ms.store(now_ms, Ordering::Relaxed);
        self.counters.bytes_received.add(bytes as u64);
    }

    /// When something last arrived, and when something last went out, on the hub's clock.
    pub(crate) fn last_ms(&self) -> (u64, u64) {
        (self.heard_ms.load(Ordering::Relaxed), self.spoke_ms.load(Ordering::Relaxed))
    }

    /// Sends whole frames: at once what the socket takes, the rest through the outbox. Never waits; the
    /// caller bounds the outbox by not reading requests while [`Attention::outbox_bytes`] is too high.
    pub fn send(&self, frames: &[u8], now_ms: u64) {
        self.put(frames, now_ms, false);
    }

    /// Puts whole frames into the outbox without sending them: for what has to go out before anything
    /// else, before the connection joins. [`flush`](Self::flush) sends them.
    pub fn put_first(&self, frames: &[u8]) {
        self.out.lock().outbox.push(frames);
    }

    /// Sends whole frames that end with a close frame: nothing follows.
    pub fn send_last(&self, frames: &[u8], now_ms: u64) {
        self.put(frames, now_ms, true);
    }

    /// Asks the connection's task to close it; the first code that was asked for stays.
    pub fn close(&self, code: CloseCode) {
        let mut out = self.out.lock();
        out.close.get_or_insert(code);
        let task = out.task.take();
        drop(out);
        task.into_iter().for_each(Waker::wake);
    }

    /// Reads what there is to do, and has `waker` called when that changes.
    pub fn attention(&self, waker: &Waker) -> Attention {
        let mut out = self.out.lock();
        if !out.task.as_ref().is_some_and(|task| task.will_wake(waker)) {
            out.task = Some(waker.clone());
        }
        Attention {
            close: out.close,
            lost: out.lost,
            blocked: out.waiting || !out.outbox.is_empty(),
            outbox_bytes: out.outbox.len(),
        }
    }

    /// Whether nothing waits in the outbox.
    pub fn has_sent_all(&self) -> bool {
        self.out.lock().outbox.is_empty()
    }

    /// Writes what waits in the outbox. True when the fan-out waits for this connection and it is ready
    /// again: the caller then hands it to [`Membership::resume`](crate::Membership::resume).
    pub fn flush(&self, now_ms: u64) -> bool {
        let mut out = self.out.lock();
        let mut outbox = std::mem::take(&mut out.outbox);
        let taken = self.write(&mut out, outbox.unsent(), now_ms);
        outbox.advance(taken);
        out.outbox = outbox;
        if out.outbox.is_empty() {
            self.full_since_ms.store(NEVER, Ordering::Relaxed);
        }
        self.counters.bytes_sent.add(taken as u64);
        out.outbox.is_empty() && std::mem::take(&mut out.waiting)
    }

    /// Gives up the outlet, and with it the socket's writing half.
    pub fn end(&self) {
        let mut out = self.out.lock();
        // The waker would keep the task alive, and the task this connection.
        let ended = std::mem::replace(&mut *out, Out { ended: true, ..Out::default() });
        drop(out);
        drop(ended);
    }

    /// Wakes the connection's task.
    pub(crate) fn wake(&self) {
        let task = self.out.lock().task.take();
        task.into_iter().for_each(Waker::wake);
    }

    /// Since when the socket takes nothing, on the hub's clock.
    pub(crate) fn full_since_ms(&self) -> Option<u64> {
        Some(self.full_since_ms.load(Ordering::Relaxed)).filter(|since| *since != NEVER)
    }

    /// Writes a run out of the log, without waiting.
    pub(crate) fn deliver(&self, run: Run<'_>, now_ms: u64) -> Delivered {
        let mut out = self.out.lock();
        if out.ended {
            return Delivered::Ended;
        }
        let taken = if out.outbox.is_empty() { self.write(&mut out, run.bytes, now_ms) } else { 0 };
        if taken == run.bytes.len() {
            return Delivered::All;
        }
        let frames = run.begun(taken);
        if frames > 0 {
            out.outbox.push(&run.bytes[taken..run.ends[frames - 1] - run.base]);
        }
        out.waiting = true;
        let task = out.task.take();
        drop(out);
        task.into_iter().for_each(Waker::wake);
        Delivered::Blocked(frames)
    }

    fn put(&self, frames: &[u8], now_ms: u64, last: bool) {
        let mut out = self.out.lock();
        if out.ended {
            return;
        }
        let taken = if out.outbox.is_empty() { self.write(&mut out, frames, now_ms) } else { 0 };
        out.outbox.push(&frames[taken..]);
        out.ended |= last;
        self.counters.bytes_sent.add(taken as u64);
    }

    /// Writes what the socket takes, and keeps the books on a full one.
    fn write(&self, out: &mut Out, bytes: &[u8], now_ms: u64) -> usize {
        let Some(outlet) = out.outlet.as_ref().filter(|_| !bytes.is_empty() && !out.lost) else { return 0 };
        let taken = match outlet.try_write(bytes) {
            Ok(taken) => taken,
            Err(error) => {
                out.lost = error.kind() != io::ErrorKind::WouldBlock;
                0
            }
        };
        if taken > 0 {
            self.spoke_ms.store(now_ms, Ordering::Relaxed);
        }
        let was_full = self.full_since_ms.load(Ordering::Relaxed) != NEVER;
        if taken == bytes.len() {
            self.full_since_ms.store(NEVER, Ordering::Relaxed);
        } else if taken > 0 || !was_full {
            self.full_since_ms.store(now_ms, Ordering::Relaxed);
        }
        taken
    }
}

impl Outbox {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    fn advance(&mut self, taken: usize) {
        self.sent += taken;
        if self.sent == self.bytes.len() {
            *self = Outbox::default();
        }
    }
}

impl Run<'_> {
    /// How many frames the first `taken` bytes begin.
    fn begun(&self, taken: usize) -> usize {
        if taken == 0 { 0 } else { self.ends.partition_point(|end| *end - self.base < taken) + 1 }
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
pub(crate) mod tests {
    use super::*;

    /// A socket that takes `room` bytes and keeps what it took.
    #[derive(Debug, Clone, Default)]
    pub(crate) struct Pipe(Arc<Mutex<(usize, Vec<u8>)>>);

    impl Pipe {
        pub(crate) fn with_room(room: usize) -> Self {
            Pipe(Arc::new(Mutex::new((room, Vec::new()))))
        }

        pub(crate) fn make_room(&self, room: usize) {
            self.0.lock().0 += room;
        }

        pub(crate) fn take(&self) -> Vec<u8> {
            std::mem::take(&mut self.0.lock().1)
        }
    }

    impl Outlet for Pipe {
        fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
            let mut pipe = self.0.lock();
            let taken = bytes.len().min(pipe.0);
            if taken == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            pipe.0 -= taken;
            pipe.1.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }
    }

    pub(crate) fn connect(pipe: &Pipe) -> Arc<Connection> {
        Connection::new(Box::new(pipe.clone()), HeartbeatMode::Ping, Arc::default(), 0)
    }

    fn attention(connection: &Connection) -> Attention {
        connection.attention(Waker::noop())
    }

    const RUN: Run<'static> = Run { bytes: b"aaabbcccc", ends: &[13, 15, 19], base: 10 };

    #[test]
    fn a_run_is_taken_frame_by_frame() {
        let check = |room: usize, expect: Delivered, rest: &str| {
            let pipe = Pipe::with_room(room);
            let connection = connect(&pipe);
            assert_eq!(connection.deliver(RUN, 0), expect, "room {room}");
            pipe.take();
            pipe.make_room(100);
            connection.flush(0);
            assert_eq!(String::from_utf8_lossy(&pipe.take()), rest, "room {room}");
        };
        check(100, Delivered::All, "");
        check(9, Delivered::All, "");
        check(8, Delivered::Blocked(3), "c");
        check(6, Delivered::Blocked(3), "ccc");
        check(5, Delivered::Blocked(2), "");
        check(4, Delivered::Blocked(2), "b");
        check(1, Delivered::Blocked(1), "aa");
        check(0, Delivered::Blocked(0), "");
    }

    #[test]
    fn replies_and_the_log_never_cut_each_other() {
        let pipe = Pipe::with_room(4);
        let connection = connect(&pipe);
        connection.send(b"reply1", 0);
        assert_eq!(connection.deliver(RUN, 0), Delivered::Blocked(0));
        connection.send(b"reply2", 0);
        assert_eq!(attention(&connection).outbox_bytes, 8);
        pipe.make_room(3);
        assert!(!connection.flush(0), "not empty yet");
        pipe.make_room(100);
        assert!(connection.flush(0), "the fan-out waits");
        assert!(!connection.flush(0), "and is told once");
        assert_eq!(connection.deliver(RUN, 0), Delivered::All);
        assert_eq!(pipe.take(), b"reply1reply2aaabbcccc");
    }

    #[test]
    fn a_full_socket_is_timed_from_its_last_progress() {
        let pipe = Pipe::with_room(2);
        let connection = connect(&pipe);
        connection.send(b"abcd", 5);
        assert_eq!(connection.full_since_ms(), Some(5));
        connection.flush(9);
        assert_eq!(connection.full_since_ms(), Some(5));
        pipe.make_room(1);
        connection.flush(11);
        assert_eq!(connection.full_since_ms(), Some(11));
        pipe.make_room(1);
        connection.flush(12);
        assert_eq!(connection.full_since_ms(), None);
    }

    #[test]
    fn nothing_follows_the_last_frame() {
        let pipe = Pipe::with_room(100);
        let connection = connect(&pipe);
        connection.send_last(b"close", 0);
        assert_eq!(connection.deliver(RUN, 0), Delivered::Ended);
        assert_eq!(pipe.take(), b"close");
    }

    #[test]
    fn the_first_reason_to_close_stays() {
        let connection = connect(&Pipe::with_room(0));
        connection.close(CloseCode::GoingAway);
        connection.close(CloseCode::TooSlow);
        assert_eq!(attention(&connection).close, Some(CloseCode::GoingAway));
    }
}
