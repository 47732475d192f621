//! A client of the hub: does the steps of a transport's task, over a socket with a given amount of room.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use ws_core::{Attention, Connection, Flow, HeartbeatMode, Hub, Outlet, Permit, Session};
use ws_proto::{CloseCode, ServerMessage};

use super::super::frames::frames;
use super::view::View;

/// The clients' address.
pub(super) const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A socket that takes `room` bytes and keeps what it took.
#[derive(Debug, Clone, Default)]
struct Pipe(Arc<Mutex<(usize, Vec<u8>)>>);

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, (usize, Vec<u8>)> {
        self.0.lock().expect("no panic while locked")
    }

    fn make_room(&self, room: usize) {
        self.lock().0 += room;
    }
}

impl Outlet for Pipe {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut pipe = self.lock();
        let taken = bytes.len().min(pipe.0);
        if taken == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        pipe.0 -= taken;
        pipe.1.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Client {
    hub: Hub,
    connection: Arc<Connection>,
    session: Session,
    pipe: Pipe,
    /// Bytes of an incomplete frame.
    partial: Vec<u8>,
    /// The text of the request that waits in the session.
    held: Option<String>,
    view: View,
    /// Its socket has to be closed.
    has_ended: bool,
}

impl Client {
    /// Opens a connection; `None` if the token is refused, its key has to be fetched first, or there is no
    /// place for it to wait.
    pub(super) fn open(hub: &Hub, mut permit: Permit, room: usize, token: Option<&str>, app: bool) -> Option<Self> {
        let pipe = Pipe::default();
        pipe.make_room(room);
        let mode = if app { HeartbeatMode::App } else { HeartbeatMode::Ping };
        let now_ms = hub.clock().now_ms();
        let connection = Connection::new(Box::new(pipe.clone()), mode, hub.counters().clone(), now_ms);
        let login = match token {
            Some(token) => Some(at_once(hub.log_in(&mut permit, token))?.ok()?),
            None => None,
        };
        match Session::open(permit, &connection, login, "fuzz", Vec::new()) {
            Ok(session) => {
                let view = View::new(token, !session.is_unauthenticated());
                let (hub, partial) = (hub.clone(), Vec::new());
                let mut client = Client { hub, connection, session, pipe, partial, held: None, view, has_ended: false };
                client.flush();
                client.read();
                Some(client)
            }
            Err(code) => {
                pipe.make_room(1 << 20);
                connection.flush(now_ms);
                refused(code, &pipe.lock().1);
                connection.end();
                None
            }
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    pub(super) fn is_unauthenticated(&self) -> bool {
        self.session.is_unauthenticated()
    }

    pub(super) fn view(&self) -> &View {
        &self.view
    }

    /// Receives a text, unless a request waits or the answers have no room.
    pub(super) fn say(&mut self, text: String) {
        let has_room = self.attention().outbox_bytes < self.hub.limits().outbox_bytes_max;
        if self.held.is_none() && has_room && text.len() <= self.hub.limits().message_bytes_max {
            self.connection.heard(self.hub.clock().now_ms(), text.len());
            self.held = Some(text);
            self.take();
        }
    }

    /// Receives something other than a message.
    pub(super) fn live(&self) {
        self.connection.heard(self.hub.clock().now_ms(), 6);
    }

    /// Gives the socket `room` more bytes of room.
    pub(super) fn make_room(&mut self, room: usize) {
        self.pipe.make_room(room);
        self.flush();
    }

    /// Does what the connection's task does when it is woken, and reads what has arrived.
    pub(super) fn wake(&mut self) {
        let attention = self.attention();
        if attention.lost || attention.close.is_some() {
            self.has_ended = true;
        } else if self.held.is_some() || self.session.is_waiting() {
            self.take();
        }
        self.read();
    }

    /// Whether everything it sent has been accepted and answered.
    pub(super) fn is_quiet(&self) -> bool {
        self.held.is_none() && self.view.owed() == 0
    }

    /// Lets the session continue, and gives it the text, unless it has it already.
    fn take(&mut self) {
        let (mut out, now_ms) = (Vec::new(), self.hub.clock().now_ms());
        let holds = self.session.is_holding();
        let mut flow = self.session.go_on(now_ms, &mut out);
        if let Some(text) = self.held.take() {
            if flow == Flow::Continue && !holds {
                flow = self.session.text(&text, now_ms, &mut out);
            }
            match flow {
                Flow::Hold => self.held = Some(text),
                Flow::Continue => self.view.said(&text),
                Flow::Close(_) => {
                    self.view.said(&text);
                    self.has_ended = true;
                }
            }
        }
        self.connection.send(&out, now_ms);
    }

    fn flush(&mut self) {
        if self.attention().blocked && self.connection.flush(self.hub.clock().now_ms()) {
            self.session.membership().resume();
        }
    }

    fn attention(&self) -> Attention {
        self.connection.attention(Waker::noop())
    }

    /// Checks the complete frames that have arrived.
    fn read(&mut self) {
        self.partial.append(&mut self.pipe.lock().1);
        let (frames, taken) = frames(&self.partial);
        for (opcode, payload) in frames {
            match opcode {
                0x1 => self.view.read(str::from_utf8(payload).expect("text is UTF-8"), self.hub.is_draining()),
                0x9 => assert!(payload.is_empty()),
                other => panic!("opcode {other:#x} from a hub"),
            }
        }
        self.partial.drain(..taken);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.connection.end();
    }
}

/// The result of a future that is ready at once; `None` if it would have to wait.
fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Checks that in place of a greeting there is one error without an id, and nothing else.
fn refused(code: CloseCode, bytes: &[u8]) {
    let expect = [CloseCode::InvalidToken, CloseCode::TokenExpired, CloseCode::UserConnectionLimit];
    assert!(expect.contains(&code), "{code:?}");
    let (frames, taken) = frames(bytes);
    assert!(taken == bytes.len() && frames.len() == 1, "{}", bytes.escape_ascii());
    let text = str::from_utf8(frames[0].1).expect("text is UTF-8");
    assert!(matches!(ServerMessage::decode(text), Ok(ServerMessage::Error { id: None, .. })), "{text}");
}
