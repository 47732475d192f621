//! One connection to Redis. Commands are written in the order in which they are sent, and everything that Redis says is
//! dealt with in the order in which it says it, replies and pushed messages alike, on one task.
//!
//! A link never comes back: when it ends, everything that waits is told, and whether its command may have reached Redis.
//! Whoever needs a connection [dials](crate::dial) another one.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::limits::{PING_AFTER, READ_BYTES, TICK};
use crate::refusal::Refusal;
use crate::resp::{self, Parsed, Value};

/// Takes a reply. Called on the task that reads, or on that of whoever ends the link; it never blocks.
pub(crate) type Reply = Box<dyn FnOnce(Result<Value, Failure>) + Send>;

/// Takes what Redis pushes.
pub(crate) type OnPush = Box<dyn Fn(&[Value]) + Send>;

/// Why there is no reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Redis refused the command, in its words.
    Refused(String),
    /// The link ended; `sent`: the command may have reached Redis.
    Lost { sent: bool, reason: String },
}

const DROPPED: &str = "it was dropped";

/// When a link gives up waiting for a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// So long after the command.
    Command(Duration),
    /// When nothing at all has come for so long: behind a backlog a reply is late, and the link is not dead.
    Silence(Duration),
}

/// A handle. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Link(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    to_write: Notify,
    ended: Notify,
    patience: Patience,
}

struct State {
    out: Vec<u8>,
    /// Bytes that were ever put into `out`, and those of them that were handed to the socket.
    appended: u64,
    handed: u64,
    waiting: VecDeque<Waiting>,
    read: Instant,
    /// Why it ended.
    ended: Option<String>,
}

struct Waiting {
    /// Bytes before its command.
    at: u64,
    since: Instant,
    /// Confirmations that Redis pushes in place of a reply; 0: there is a reply.
    pushes: usize,
    /// Which ones.
    confirmed_by: &'static [u8],
    reply: Reply,
}

const SUBSCRIBED: &[u8] = b"ssubscribe";
const UNSUBSCRIBED: &[u8] = b"sunsubscribe";

/// Commands that are sent together.
pub(crate) struct Batch<'a>(&'a mut State);

impl Batch<'_> {
    /// Adds a command.
    pub(crate) fn command<A: AsRef<[u8]>>(
        &mut self,
        args: impl IntoIterator<Item = A, IntoIter: ExactSizeIterator>,
        reply: impl FnOnce(Result<Value, Failure>) + Send + 'static,
    ) {
        self.push(args.into_iter(), (0, b""), Box::new(reply));
    }

    /// Adds a command that is confirmed by this many pushed messages, or refused by a reply.
    pub(crate) fn subscription<A: AsRef<[u8]>>(
        &mut self,
        args: impl IntoIterator<Item = A, IntoIter: ExactSizeIterator>,
        pushes: usize,
        reply: impl FnOnce(Result<Value, Failure>) + Send + 'static,
    ) {
        let mut args = args.into_iter().peekable();
        let ends = args.peek().is_some_and(|command| command.as_ref().eq_ignore_ascii_case(UNSUBSCRIBED));
        self.push(args, (pushes, if ends { UNSUBSCRIBED } else { SUBSCRIBED }), Box::new(reply));
    }

    fn push<A: AsRef<[u8]>>(
        &mut self,
        args: impl ExactSizeIterator<Item = A>,
        (pushes, confirmed_by): (usize, &'static [u8]),
        reply: Reply,
    ) {
        let state = &mut *self.0;
        let before = state.out.len();
        resp::command(args, &mut state.out);
        state.waiting.push_back(Waiting { at: state.appended, since: Instant::now(), pushes, confirmed_by, reply });
        state.appended += (state.out.len() - before) as u64;
    }
}

impl Link {
    /// Begins to use a connected socket. Call it within a runtime.
    pub(crate) fn begin(
        read: impl AsyncRead + Send + Unpin + 'static,
        write: impl AsyncWrite + Send + Unpin + 'static,
        patience: Patience,
        on_push: OnPush,
    ) -> Self {
        let state = State {
            out: Vec::new(),
            appended: 0,
            handed: 0,
            waiting: VecDeque::new(),
            read: Instant::now(),
            ended: None,
        };
        let inner = Inner { state: Mutex::new(state), to_write: Notify::new(), ended: Notify::new(), patience };
        let link = Link(Arc::new(inner));
        tokio::spawn(link.clone().read(read, on_push));
        tokio::spawn(link.clone().write(write));
        link
    }

    /// Sends commands together. If the link has ended, `commands` is not called and gets back what it would have taken.
    ///
    /// # Errors
    /// Why the link has ended.
    pub(crate) fn send(&self, commands: impl FnOnce(&mut Batch<'_>)) -> Result<(), String> {
        let mut state = self.0.state.lock();
        if let Some(reason) = &state.ended {
            return Err(reason.clone());
        }
        commands(&mut Batch(&mut state));
        drop(state);
        self.0.to_write.notify_one();
        Ok(())
    }

    /// Sends one command and waits for its reply.
    ///
    /// # Errors
    /// Redis refused it, or the link has ended.
    pub(crate) async fn call<A: AsRef<[u8]>>(
        &self,
        args: impl IntoIterator<Item = A, IntoIter: ExactSizeIterator>,
    ) -> Result<Value, Failure> {
        let (answer, answered) = oneshot::channel();
        // The receiver is below, or its caller is gone.
        let lost = |reason| Failure::Lost { sent: false, reason };
        self.send(|batch| batch.command(args, move |result| drop(answer.send(result)))).map_err(lost)?;
        answered.await.unwrap_or_else(|_| Err(Failure::Lost { sent: true, reason: DROPPED.to_owned() }))
    }

    /// Sends one command that is confirmed by this many pushed messages, and waits for them.
    ///
    /// # Errors
    /// Redis refused it, or the link has ended.
    pub(crate) async fn subscribe<A: AsRef<[u8]>>(
        &self,
        args: impl IntoIterator<Item = A, IntoIter: ExactSizeIterator>,
        pushes: usize,
    ) -> Result<(), Failure> {
        let (answer, answered) = oneshot::channel();
        // The receiver is below, or its caller is gone.
        let lost = |reason| Failure::Lost { sent: false, reason };
        self.send(|batch| batch.subscription(args, pushes, move |result| drop(answer.send(result)))).map_err(lost)?;
        answered.await.unwrap_or_else(|_| Err(Failure::Lost { sent: true, reason: DROPPED.to_owned() })).map(drop)
    }

    /// Sends commands together and waits for all replies.
    ///
    /// # Errors
    /// The first failure, in words.
    pub(crate) async fn call_all(&self, commands: Vec<Vec<Vec<u8>>>) -> Result<Vec<Value>, String> {
        let mut answers = Vec::with_capacity(commands.len());
        self.send(|batch| {
            for args in commands {
                let (answer, answered) = oneshot::channel();
                // The receiver is below, or its caller is gone.
                batch.command(args, move |result| drop(answer.send(result)));
                answers.push(answered);
            }
        })?;
        let mut values = Vec::with_capacity(answers.len());
        for answered in answers {
            let answer = answered.await.map_err(|_| DROPPED.to_owned())?;
            values.push(answer.map_err(|failure| failure.to_string())?);
        }
        Ok(values)
    }

    /// Waits until the link has ended. Why.
    pub(crate) async fn ended(&self) -> String {
        loop {
            let ended = self.0.ended.notified();
            if let Some(reason) = &self.0.state.lock().ended {
                return reason.clone();
            }
            ended.await;
        }
    }

    /// Ends it, unless it has ended.
    pub(crate) fn end(&self, reason: impl Into<String>) {
        let mut state = self.0.state.lock();
        if state.ended.is_some() {
            return;
        }
        let reason = reason.into();
        state.ended = Some(reason.clone());
        let (waiting, handed) = (std::mem::take(&mut state.waiting), state.handed);
        state.out = Vec::new();
        drop(state);
        for waiting in waiting {
            (waiting.reply)(Err(Failure::Lost { sent: waiting.at < handed, reason: reason.clone() }));
        }
        self.0.ended.notify_waiters();
        self.0.to_write.notify_one();
    }

    /// How long nothing has been read.
    pub(crate) fn silence(&self) -> Duration {
        self.0.state.lock().read.elapsed()
    }

    /// How long a command has waited and nothing has been read; zero where none waits.
    pub(crate) fn stalled_for(&self) -> Duration {
        let state = self.0.state.lock();
        state.waiting.front().map_or(Duration::ZERO, |waiting| waiting.since.max(state.read).elapsed())
    }

    /// Whether this is a handle of the same connection.
    pub(crate) fn is(&self, other: &Link) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn has_ended(&self) -> bool {
        self.0.state.lock().ended.is_some()
    }

    async fn read(self, mut socket: impl AsyncRead + Unpin, on_push: OnPush) {
        let (mut buffer, mut parsed, mut needs) = (Vec::<u8>::new(), 0, 1);
        let reason = loop {
            buffer.reserve(READ_BYTES);
            let read = tokio::select! {
                read = socket.read_buf(&mut buffer) => read,
                reason = self.ended() => break reason,
            };
            match read {
                Ok(0) => break "Redis has closed the connection".to_owned(),
                Ok(_) => self.0.state.lock().read = Instant::now(),
                Err(error) => break broken(&error),
            }
            // What comes after the end would get among what the next link says.
            while buffer.len() - parsed >= needs && !self.has_ended() {
                match resp::parse(&buffer[parsed..]) {
                    Ok(Parsed::Whole(value, bytes)) => {
                        (parsed, needs) = (parsed + bytes, 1);
                        self.dispatch(value, &on_push);
                    }
                    Ok(Parsed::Needs(bytes)) => needs = bytes,
                    Err(resp::Malformed) => return self.end("what answers is not Redis: its reply is malformed"),
                }
            }
            buffer.drain(..std::mem::take(&mut parsed));
            if buffer.is_empty() && buffer.capacity() > 4 * READ_BYTES {
                buffer = Vec::new();
            }
        };
        self.end(reason);
    }

    fn dispatch(&self, value: Value, on_push: &OnPush) {
        let reply = match &value {
            Value::Push(parts) => {
                on_push(parts);
                let kind = parts.first().and_then(Value::as_bytes).unwrap_or_default();
                if !matches!(kind, SUBSCRIBED | UNSUBSCRIBED) {
                    return;
                }
                let mut state = self.0.state.lock();
                match state.waiting.front_mut().filter(|waiting| waiting.pushes > 0 && waiting.confirmed_by == kind) {
                    Some(waiting) if waiting.pushes > 1 => {
                        waiting.pushes -= 1;
                        return;
                    }
                    Some(_) => state.waiting.pop_front(),
                    None => {
                        drop(state);
                        return self.end("Redis has ended a subscription by itself: the data has moved");
                    }
                }
            }
            _ => self.0.state.lock().waiting.pop_front(),
        };
        let Some(waiting) = reply else { return self.end("Redis has answered what was not asked") };
        (waiting.reply)(match value {
            Value::Error(error) => Err(Failure::Refused(error)),
            value => Ok(value),
        });
    }

    async fn write(self, mut socket: impl AsyncWrite + Unpin) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.has_ended() {
            tokio::select! {
                () = self.0.to_write.notified() => {}
                _ = ticks.tick() => self.check(),
            }
            let bytes = {
                let mut state = self.0.state.lock();
                state.handed = state.appended;
                std::mem::take(&mut state.out)
            };
            let write = async {
                socket.write_all(&bytes).await?;
                // TLS holds back what did not fit into the socket.
                socket.flush().await
            };
            let written = tokio::select! {
                written = write => written,
                _ = self.ended() => break,
                reason = self.given_up() => {
                    self.end(reason);
                    break;
                }
            };
            if let Err(error) = written {
                self.end(broken(&error));
            }
        }
        // The peer may be gone already, or stand still: TLS has a goodbye to write.
        let _ = timeout(TICK, socket.shutdown()).await;
    }

    /// Ends a link that waits for too long, and pings one that has been silent.
    fn check(&self) {
        if let Some(reason) = self.overdue() {
            return self.end(reason);
        }
        if self.silence() > PING_AFTER && self.0.state.lock().waiting.is_empty() {
            // An error is an answer too. If the link has ended, nobody needs it.
            let _ = self.send(|batch| batch.command(["PING"], |_| {}));
        }
    }

    /// Waits until it waits for too long.
    async fn given_up(&self) -> String {
        loop {
            tokio::time::sleep(TICK).await;
            if let Some(reason) = self.overdue() {
                return reason;
            }
        }
    }

    fn overdue(&self) -> Option<String> {
        let state = self.0.state.lock();
        let waiting = state.waiting.front()?;
        let (since, within) = match self.0.patience {
            Patience::Command(within) => (waiting.since, within),
            Patience::Silence(within) => (waiting.since.max(state.read), within),
        };
        (since.elapsed() > within).then(|| format!("Redis has not answered within {within:?}"))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("ended", &self.0.state.lock().ended).finish()
    }
}

impl Failure {
    /// Whether it may work in a moment, on another connection or on this one.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Failure::Refused(error) => Refusal::of(error) != Refusal::Unknown,
            Failure::Lost { .. } => true,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Refused(error) => write!(f, "Redis says: {error}"),
            Failure::Lost { reason, .. } => write!(f, "the connection to Redis is lost: {reason}"),
        }
    }
}

fn broken(error: &io::Error) -> String {
    format!("Redis cannot be reached any more: {error}")
}

#[cfg(test)]
mod tests;
