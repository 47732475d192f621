//! One WebSocket connection: a future that owns the reading half of the socket, the endpoint and, while
//! there is something to parse, the parser. Between messages it is a few hundred bytes.
//!
//! Each time it is woken, it handles one [`Event`] after the other until there is none. All messages of
//! one read are answered with one write.

mod input;
mod options;
mod outlet;
mod phase;
mod reader;
mod scratch;
mod tls;

use std::net::IpAddr;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::Message;
use ws_core::{Connection, Flow, HeartbeatMode, Share};
use ws_proto::CloseCode;

pub(crate) use self::input::Input;
pub(crate) use self::options::SocketOptions;
use self::phase::{Event, Phase};
use self::reader::{Reader, Stop, close_frame, config};
use self::scratch::{SCRATCH, Scratch};
use crate::connection_log::Ending;
use crate::endpoint::Endpoint;
use crate::limits::{
    ANSWERS_TIMEOUT, CLOSE_TIMEOUT, CLOSING_BYTES_MAX, READ_BYTES_MAX, REFUSED_MESSAGE_BYTES_MAX, WRITE_BATCH_BYTES_MAX,
};
use crate::socket_slots::SocketSlot;
use crate::stream::Stream;

/// The task of one connection.
#[derive(Debug)]
pub(crate) struct Socket<E> {
    read: Input,
    connection: Arc<Connection>,
    /// The address of the peer.
    address: IpAddr,
    /// On the clock of all moments.
    opened_ms: u64,
    options: Arc<SocketOptions>,
    /// `None` once the connection has begun to close.
    endpoint: Option<E>,
    reader: Reader,
    /// The endpoint is holding a message and takes no other one.
    paused: bool,
    /// The outbox was full: the endpoint may have more answers, or the reader more messages.
    backlog: bool,
    phase: Phase,
    /// Taken while it is being closed.
    slot: Option<Box<(SocketSlot, Share)>>,
    /// Bytes that it has sent since it began to be closed.
    closing_bytes: usize,
}

/// Makes the hub's side of a connection, and what is needed to run it.
pub(crate) fn open(stream: Stream, mode: HeartbeatMode, options: &SocketOptions) -> (Input, Arc<Connection>) {
    let (read, outlet) = Input::split(stream);
    (read, Connection::new(outlet, mode, options.counters.clone(), options.clock.now_ms()))
}

impl<E: Endpoint> Socket<E> {
    /// `early`: bytes that came right after the handshake.
    pub(crate) fn new(
        read: Input,
        connection: Arc<Connection>,
        address: IpAddr,
        endpoint: E,
        early: &[u8],
        options: Arc<SocketOptions>,
    ) -> Self {
        let mut reader = Reader::new();
        reader.feed(early, &config(options.message_bytes_max));
        Socket {
            read,
            connection,
            address,
            opened_ms: options.clock.now_ms(),
            options,
            endpoint: Some(endpoint),
            reader,
            paused: false,
            backlog: !early.is_empty(),
            phase: Phase::Open,
            slot: None,
            closing_bytes: 0,
        }
    }

    fn next_event(&mut self, cx: &mut Context<'_>, input: &mut [u8]) -> Poll<Event> {
        let attention = self.connection.attention(cx.waker());
        if attention.lost {
            return Poll::Ready(Event::Lost);
        }
        match &mut self.phase {
            Phase::Open => {
                if let Some(code) = attention.close.filter(|code| !self.is_unheard(*code)) {
                    return Poll::Ready(Event::Close(code));
                }
            }
            Phase::HalfClosed(timeout) => {
                let is_owed = self.backlog || owes_answers(&self.endpoint);
                let has_all = !is_owed && self.connection.has_sent_all();
                if has_all || timeout.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Event::Timeout);
                }
            }
            Phase::Leaving(timeout) => {
                if !owes_answers(&self.endpoint) || timeout.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Event::Close(CloseCode::GoingAway));
                }
            }
            Phase::Closing(timeout) | Phase::Flushing(timeout) | Phase::Lingering(timeout) => {
                if timeout.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Event::Timeout);
                }
            }
        }
        if attention.blocked && self.read.poll_write_ready(cx).is_ready() {
            return Poll::Ready(Event::Writable);
        }
        let has_room = attention.outbox_bytes < self.options.outbox_bytes_max;
        if !has_room || matches!(self.phase, Phase::Flushing(_)) {
            self.endpoint.iter_mut().for_each(Endpoint::stop_reading);
            return Poll::Pending;
        }
        if std::mem::take(&mut self.backlog) {
            return Poll::Ready(Event::Input(0));
        }
        if self.paused || matches!(self.phase, Phase::HalfClosed(_) | Phase::Leaving(_)) {
            return Poll::Pending;
        }
        let mut buffer = ReadBuf::new(input);
        match self.read.poll_read(cx, &mut buffer) {
            Poll::Pending => {
                self.note_all_read();
                Poll::Pending
            }
            Poll::Ready(Ok(())) if !buffer.filled().is_empty() => Poll::Ready(Event::Input(buffer.filled().len())),
            Poll::Ready(Ok(())) => Poll::Ready(Event::Eof),
            Poll::Ready(Err(_)) => Poll::Ready(Event::Lost),
        }
    }

    /// Tells the endpoint, if it wants to know, when nothing is left to be read. A read may also be pending because the
    /// task has used up its turn.
    fn note_all_read(&mut self) {
        if let Some(endpoint) = self.endpoint.as_mut().filter(|endpoint| endpoint.may_be_behind())
            && !self.read.has_unread()
        {
            endpoint.caught_up();
        }
    }

    /// Whether a connection that is about to be closed for its silence has sent something that was not read yet,
    /// because the server stalled or its outbox was full. Such a connection stays open.
    fn is_unheard(&self, code: CloseCode) -> bool {
        let is_unheard = code == CloseCode::HeartbeatTimeout && self.read.has_unread();
        if is_unheard {
            self.connection.keep_alive(self.options.clock.now_ms());
        }
        is_unheard
    }

    fn on_event(&mut self, event: Event, scratch: &mut Scratch) -> ControlFlow<()> {
        match event {
            Event::Input(bytes) => self.on_input(&scratch.input[..bytes], &mut scratch.out),
            Event::Eof | Event::Lost => {
                self.tell(Ending::Lost);
                if matches!(event, Event::Eof) { self.peer_finished() } else { ControlFlow::Break(()) }
            }
            Event::Writable => {
                if self.connection.flush(self.options.clock.now_ms())
                    && let Some(endpoint) = &mut self.endpoint
                {
                    endpoint.writable();
                }
                self.go_on_closing()
            }
            Event::Close(code) => {
                if code == CloseCode::GoingAway && matches!(self.phase, Phase::Open) && owes_answers(&self.endpoint) {
                    self.phase = Phase::Leaving(timer(ANSWERS_TIMEOUT));
                    return ControlFlow::Continue(());
                }
                self.start_closing(code, &mut scratch.out);
                self.go_on_closing()
            }
            Event::Timeout => ControlFlow::Break(()),
        }
    }

    fn on_input(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> ControlFlow<()> {
        let now_us = self.options.clock.now_us();
        if !bytes.is_empty() {
            self.connection.heard(now_us / 1000, bytes.len());
        }
        if self.endpoint.is_none() {
            self.closing_bytes += bytes.len();
            if self.closing_bytes > CLOSING_BYTES_MAX {
                return ControlFlow::Break(());
            }
        }
        if matches!(self.phase, Phase::Lingering(_)) {
            return ControlFlow::Continue(());
        }
        self.reader.feed(bytes, &config(self.options.message_bytes_max));
        self.take_messages(now_us, !bytes.is_empty(), out);
        self.go_on_closing()
    }

    /// Hands the endpoint the messages that have been read, each after the answers still outstanding, and sends its
    /// answers. Stops when the outbox and the answers reach the limit, which one answer may exceed.
    /// `is_read`: they were read at `now_us`, not before.
    fn take_messages(&mut self, now_us: u64, is_read: bool, out: &mut Vec<u8>) {
        out.clear();
        let now_ms = now_us / 1000;
        self.endpoint.iter_mut().for_each(|endpoint| endpoint.begin_batch(now_us, is_read));
        loop {
            let mut flow = self.endpoint.as_mut().map_or(Flow::Continue, |endpoint| endpoint.go_on(now_ms, out));
            self.paused = false;
            let has_room = self.has_room(out);
            // By what the endpoint saw: the outbox may have been emptied since, which wakes nobody.
            self.backlog |= !has_room || self.endpoint.as_ref().is_some_and(Endpoint::is_out_of_room);
            if flow == Flow::Continue && has_room {
                flow = match self.reader.next(self.message_bytes_max(), out) {
                    Ok(message) => self.take_message(&message, now_ms, out),
                    Err(Stop::Starved) => return self.send(out, now_ms),
                    Err(Stop::Closed(code)) => return self.peer_closed(code, now_ms, out),
                    Err(Stop::Failed(code)) if self.endpoint.is_some() => Flow::Close(code),
                    // Our close frame has been sent, and this is not the answer to it.
                    Err(Stop::Failed(_)) => return self.linger(),
                };
            }
            match flow {
                Flow::Continue if has_room => {}
                Flow::Continue | Flow::Hold => {
                    self.paused = flow == Flow::Hold;
                    return self.send(out, now_ms);
                }
                Flow::Close(code) => return self.close_after(code, out),
            }
        }
    }

    /// Sends the answers of a batch.
    fn send(&mut self, out: &[u8], now_ms: u64) {
        self.endpoint.iter_mut().for_each(Endpoint::end_batch);
        self.connection.send(out, now_ms);
    }

    /// Drops the endpoint, after the last batch.
    fn end_endpoint(&mut self) {
        self.endpoint.take().into_iter().for_each(|mut endpoint| endpoint.end_batch());
    }

    /// Whether one more answer may follow `out` in one write.
    fn has_room(&self, out: &[u8]) -> bool {
        out.len() < WRITE_BATCH_BYTES_MAX && self.connection.outbox_bytes() + out.len() < self.options.outbox_bytes_max
    }

    /// Largest message that is taken now, in bytes. While it is being closed, nobody has a use for one.
    fn message_bytes_max(&self) -> usize {
        let configured = self.options.message_bytes_max;
        self.endpoint
            .as_ref()
            .map_or(configured.min(REFUSED_MESSAGE_BYTES_MAX), |endpoint| endpoint.message_bytes_max(configured))
    }

    fn take_message(&mut self, message: &Message, now_ms: u64, out: &mut Vec<u8>) -> Flow {
        let Some(endpoint) = &mut self.endpoint else { return Flow::Continue };
        match message {
            Message::Text(text) => endpoint.text(text, now_ms, out),
            Message::Binary(bytes) => endpoint.binary(bytes, now_ms, out),
            Message::Pong(_) => {
                self.connection.ponged(self.options.clock);
                Flow::Continue
            }
            _ => Flow::Continue,
        }
    }

    /// The peer sends nothing more. It still gets what is owed to it, and the rest of what ends with our close frame.
    fn peer_finished(&mut self) -> ControlFlow<()> {
        let is_unsent = !self.connection.has_sent_all();
        self.phase = match std::mem::replace(&mut self.phase, Phase::Open) {
            Phase::Open if is_unsent || owes_answers(&self.endpoint) => Phase::HalfClosed(timer(ANSWERS_TIMEOUT)),
            Phase::Closing(timer) | Phase::Lingering(timer) if is_unsent => Phase::Flushing(timer),
            _ => return ControlFlow::Break(()),
        };
        ControlFlow::Continue(())
    }

    /// Discards what the peer still sends; nothing of it is kept any more.
    fn linger(&mut self) {
        self.reader = Reader::new();
        self.phase = Phase::Lingering(self.close_timer());
    }

    /// The peer's close frame came. Ours is in `out`, or was sent before.
    fn peer_closed(&mut self, code: u16, now_ms: u64, out: &[u8]) {
        self.tell(Ending::Peer(code));
        // Before the peer can see the close, so that it is no longer counted once it does.
        self.end_endpoint();
        self.connection.send_last(out, now_ms);
        self.take_slot();
        self.phase = Phase::Flushing(self.close_timer());
    }

    fn start_closing(&mut self, code: CloseCode, out: &mut Vec<u8>) {
        out.clear();
        self.close_after(code, out);
    }

    /// Sends `out` and then our close frame.
    fn close_after(&mut self, code: CloseCode, out: &mut Vec<u8>) {
        self.tell(Ending::Server(code));
        self.end_endpoint();
        self.paused = false;
        let own = if code == CloseCode::Disconnected { self.connection.close_frame() } else { None };
        self.reader.close(close_frame(code, own), &config(self.options.message_bytes_max), out);
        self.connection.send_last(out, self.options.clock.now_ms());
        self.take_slot();
        match code {
            CloseCode::Protocol | CloseCode::InvalidUtf8 | CloseCode::TooBig => self.linger(),
            // A drain closes all connections at once, without a slot for each. It has a deadline of its own.
            CloseCode::GoingAway => self.phase = Phase::Closing(timer(CLOSE_TIMEOUT)),
            _ => self.phase = Phase::Closing(self.close_timer()),
        }
    }

    /// Takes what a socket holds while it is being closed, once.
    fn take_slot(&mut self) {
        if self.slot.is_none() {
            self.slot = self.options.closing(self.address);
        }
    }

    /// Time for the peer's close frame. None if too many connections are being closed already.
    fn close_timer(&self) -> Pin<Box<Sleep>> {
        timer(if self.slot.is_some() { CLOSE_TIMEOUT } else { Duration::ZERO })
    }

    /// Once everything has gone out: ends, or sends the FIN and waits for the peer's.
    fn go_on_closing(&mut self) -> ControlFlow<()> {
        match self.phase {
            Phase::Flushing(_) if self.connection.has_sent_all() => ControlFlow::Break(()),
            Phase::Lingering(_) if self.connection.has_sent_all() => {
                self.connection.end();
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

impl<E: Endpoint + Unpin> Future for Socket<E> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let socket = self.get_mut();
        let mut scratch = SCRATCH.take();
        scratch.input.resize(READ_BYTES_MAX, 0);
        if socket.endpoint.as_ref().is_some_and(Endpoint::is_waiting) {
            // There may be room or an answer now. The waker must be registered before the endpoint checks, or a change
            // right after the check would wake nobody.
            socket.connection.attention(cx.waker());
            socket.take_messages(socket.options.clock.now_us(), false, &mut scratch.out);
        }
        let poll = loop {
            match socket.next_event(cx, &mut scratch.input) {
                Poll::Pending => break Poll::Pending,
                Poll::Ready(event) => {
                    if socket.on_event(event, &mut scratch).is_break() {
                        break Poll::Ready(());
                    }
                }
            }
        };
        scratch.out.clear();
        scratch.out.shrink_to(2 * WRITE_BATCH_BYTES_MAX);
        SCRATCH.set(scratch);
        poll
    }
}

impl<E> Socket<E> {
    /// Whether nobody has begun to close.
    fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Leaving(_))
    }

    /// Counts the end of the connection and writes it into the log when it begins. What ends it first counts: a peer
    /// that has half-closed is lost, and not closed again by what its last messages bring.
    fn tell(&self, ending: Ending) {
        if !self.is_open() {
            return;
        }
        let counters = &self.options.counters;
        match ending {
            Ending::Peer(_) => counters.closed(CloseCode::Normal).add(1),
            Ending::Lost => counters.connections_lost.add(1),
            Ending::Server(code) => counters.closed(code).add(1),
            // Counted whenever it comes.
            Ending::Panic => {}
        }
        self.connection.tap_close_code(ending.close_code(&self.connection));
        let lasted = Duration::from_millis(self.options.clock.now_ms().saturating_sub(self.opened_ms));
        self.options.log.closed(&self.connection, self.address, ending, lasted);
    }
}

impl<E> Drop for Socket<E> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.options.counters.panics.add(1);
            self.tell(Ending::Panic);
        }
        // Others may still refer to the connection for a moment, but the socket closes now.
        self.connection.end();
    }
}

fn owes_answers(endpoint: &Option<impl Endpoint>) -> bool {
    endpoint.as_ref().is_some_and(Endpoint::owes_answers)
}

fn timer(duration: Duration) -> Pin<Box<Sleep>> {
    Box::pin(tokio::time::sleep(duration))
}

#[cfg(test)]
mod tests;
