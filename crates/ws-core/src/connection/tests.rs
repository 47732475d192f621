//! Tests of a connection alone, over sockets that accept as much as a test says.

use super::outlet::tests::{BLOCK, Blocks, Pipe};
use super::*;
use crate::run::FrameEnd;

fn connect(pipe: &Pipe) -> Arc<Connection> {
    Connection::new(Box::new(pipe.clone()), HeartbeatMode::Ping, Arc::default(), 0)
}

fn attention(connection: &Connection) -> Attention {
    connection.attention(Waker::noop())
}

const ENDS: [FrameEnd; 3] = [end(13), end(15), end(19)];
const RUN: Run<'static> = Run { bytes: b"aaabbcccc", ends: &ENDS, base: 10 };

const fn end(end: usize) -> FrameEnd {
    FrameEnd { end, offset: 0 }
}

#[test]
fn a_run_is_taken_frame_by_frame() {
    let check = |room: usize, expect: Delivered, rest: &str| {
        let pipe = Pipe::with_room(room);
        let connection = connect(&pipe);
        assert_eq!(connection.deliver(RUN, 0, 0), expect, "room {room}");
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
    assert_eq!(connection.deliver(RUN, 0, 0), Delivered::Blocked(0));
    connection.send(b"reply2", 0);
    assert_eq!(attention(&connection).outbox_bytes, 8);
    pipe.make_room(3);
    assert!(!connection.flush(0), "not empty yet");
    pipe.make_room(100);
    assert!(connection.flush(0), "the fan-out waits");
    assert!(!connection.flush(0), "and is told once");
    assert_eq!(connection.deliver(RUN, 0, 0), Delivered::All);
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
    assert_eq!(connection.deliver(RUN, 0, 0), Delivered::Ended);
    assert_eq!(pipe.take(), b"close");
}

#[test]
fn nothing_follows_the_end_of_a_subscription() {
    let pipe = Pipe::with_room(100);
    let connection = connect(&pipe);
    let before = connection.changes();
    connection.change();
    assert_eq!(connection.deliver(RUN, before, 0), Delivered::Changed);
    assert_eq!(connection.deliver(RUN, connection.changes(), 0), Delivered::All);
    assert_eq!(pipe.take(), RUN.bytes);
}

#[test]
fn the_first_reason_to_close_stays() {
    let connection = connect(&Pipe::with_room(0));
    connection.close(CloseCode::GoingAway);
    connection.close(CloseCode::TooSlow);
    assert_eq!(attention(&connection).close, Some(CloseCode::GoingAway));
}

fn connect_over(blocks: &Blocks) -> Arc<Connection> {
    Connection::new(Box::new(blocks.clone()), HeartbeatMode::Ping, Arc::default(), 0)
}

/// Bytes that the outlet holds and the socket has not accepted count as unsent.
#[test]
fn bytes_in_the_outlet_count_as_unsent() {
    let blocks = Blocks::default();
    let connection = connect_over(&blocks);
    connection.send(&[7; BLOCK], 5);
    assert!(attention(&connection).blocked && !connection.has_sent_all());
    assert_eq!((attention(&connection).outbox_bytes, connection.full_since_ms()), (0, Some(5)));
    blocks.pipe.make_room(BLOCK / 2);
    assert!(!connection.flush(6));
    assert!(attention(&connection).blocked && !connection.has_sent_all());
    blocks.pipe.make_room(BLOCK);
    connection.flush(7);
    assert!(!attention(&connection).blocked && connection.has_sent_all());
    assert_eq!((blocks.pipe.take(), connection.full_since_ms()), (vec![7; BLOCK], None));
}

#[test]
fn a_run_that_the_outlet_keeps_is_delivered_and_the_next_one_waits() {
    let blocks = Blocks::default();
    let connection = connect_over(&blocks);
    let small = RUN;
    assert_eq!(connection.deliver(small, 0, 1), Delivered::All);
    assert!(attention(&connection).blocked);
    assert_eq!(connection.deliver(RUN, 0, 2), Delivered::Blocked(0));
    blocks.pipe.make_room(1 << 10);
    assert!(connection.flush(3), "the fan-out waits for it");
    assert_eq!(blocks.pipe.take(), small.bytes);
}

#[test]
fn bytes_that_do_not_fit_into_the_outlet_follow() {
    let blocks = Blocks::default();
    let connection = connect_over(&blocks);
    let bytes: Vec<u8> = (0..BLOCK as u8 * 3 + 2).collect();
    connection.send(&bytes, 1);
    assert_eq!(attention(&connection).outbox_bytes, bytes.len() - BLOCK);
    let mut arrived = Vec::new();
    for _ in 0..20 {
        blocks.pipe.make_room(BLOCK / 2);
        connection.flush(2);
        arrived.extend(blocks.pipe.take());
    }
    assert!(arrived == bytes && connection.has_sent_all() && !attention(&connection).blocked);
}

/// Counts its wake-ups.
#[derive(Debug, Default)]
struct Woken(AtomicU32);

impl std::task::Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Otherwise a task that sends nothing while it waits for something else would spin.
#[test]
fn the_task_is_woken_once_when_the_socket_becomes_full() {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let connection = connect(&Pipe::with_room(0));
    connection.attention(&waker);
    connection.send(b"abc", 1);
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    for _ in 0..3 {
        connection.attention(&waker);
        connection.send(b"", 2);
        connection.send(b"def", 3);
    }
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    let open = connect(&Pipe::with_room(1 << 10));
    open.attention(&waker);
    open.send(b"abc", 1);
    assert_eq!(woken.0.load(Ordering::Relaxed), 1, "nor when all has gone out");
}

/// Bytes that the outlet sends late are progress, even if nothing new is accepted.
#[test]
fn bytes_that_the_outlet_sends_late_are_progress() {
    let blocks = Blocks::default();
    let connection = connect_over(&blocks);
    connection.send(&[7; BLOCK], 5);
    assert_eq!(connection.full_since_ms(), Some(5));
    connection.flush(50);
    assert_eq!(connection.full_since_ms(), Some(5), "nothing has gone out");
    blocks.pipe.make_room(1);
    connection.flush(90);
    assert_eq!(connection.full_since_ms(), Some(90));
}

#[test]
fn only_silence_is_forgiven() {
    let connection = connect(&Pipe::default());
    let close = || connection.attention(Waker::noop()).close;
    connection.close(CloseCode::HeartbeatTimeout);
    assert_eq!(close(), Some(CloseCode::HeartbeatTimeout));
    connection.keep_alive(1);
    assert_eq!(close(), None);
    connection.close(CloseCode::HeartbeatTimeout);
    connection.close(CloseCode::GoingAway);
    connection.close(CloseCode::HeartbeatTimeout);
    connection.keep_alive(1);
    assert_eq!(close(), Some(CloseCode::GoingAway));
}
