//! An open WebSocket, as a half for reading and one for writing.
//!
//! Both are driven by the same task: `select!` over [`Reader::next`] and [`Writer::drive`], with [`Writer::queue`] in
//! between. Both futures can be dropped at any await without losing anything. Pings are answered by the library while
//! the reader is driven. Nobody waits for the peer's close: [`Socket::close`] says goodbye within a second, and what is
//! left is done without the caller.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{Sink, SinkExt, StreamExt};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::io::Io;

/// How long the last frames may take to leave, and how long the peer's are read and forgotten after that.
const GOODBYE: Duration = Duration::from_secs(1);

/// What came from the server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Incoming {
    /// A message.
    Text(Utf8Bytes),
    /// A Ping or Pong: a sign of life.
    Alive,
    /// The server closed with this code; 1005 if it gave none. Nothing follows.
    Closed { code: u16, reason: String },
    /// The connection broke, or what came is no WebSocket (a damaged frame, one too large, a binary one). For the state
    /// machine this is 1006, whatever it is. Nothing follows.
    Lost { reason: String },
}

/// An open connection.
pub(crate) struct Socket {
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
}

pub(crate) struct Reader {
    stream: SplitStream<WebSocketStream<Box<dyn Io>>>,
}

pub(crate) struct Writer {
    sink: SplitSink<WebSocketStream<Box<dyn Io>>, Message>,
    queued: VecDeque<Message>,
    queued_bytes: usize,
    /// Something was given to the library and not flushed yet.
    is_dirty: bool,
}

impl Socket {
    pub(super) fn new(stream: WebSocketStream<Box<dyn Io>>) -> Self {
        let (sink, stream) = stream.split();
        let writer = Writer { sink, queued: VecDeque::new(), queued_bytes: 0, is_dirty: false };
        Socket { reader: Reader { stream }, writer }
    }

    /// Sends what is queued and a Close with this code, within a second. The peer's answer is not waited for: what it
    /// still sends is read and forgotten by a task of its own, for a second, so that its system sees no reset.
    pub(crate) async fn close(self, code: u16, reason: &'static str) {
        let Socket { mut reader, mut writer } = self;
        let frame = CloseFrame { code: code.into(), reason: reason.into() };
        writer.queued.push_back(Message::Close(Some(frame)));
        // An error or a timeout: the peer is gone, and there is nobody to say goodbye to.
        if let Ok(Ok(())) = timeout(GOODBYE, writer.drive()).await {
            tokio::spawn(timeout(GOODBYE, async move {
                while let Incoming::Text(_) | Incoming::Alive = reader.next().await {}
                drop(writer);
            }));
        }
    }
}

impl Reader {
    /// What comes next. Can be dropped at any time. After [`Incoming::Closed`] and [`Incoming::Lost`] it is not to be
    /// called again.
    pub(crate) async fn next(&mut self) -> Incoming {
        let lost = |reason: &str| Incoming::Lost { reason: reason.to_owned() };
        match self.stream.next().await {
            Some(Ok(Message::Text(text))) => Incoming::Text(text),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Incoming::Alive,
            Some(Ok(Message::Binary(_))) => lost("a binary message"),
            Some(Ok(Message::Close(Some(frame)))) => {
                Incoming::Closed { code: frame.code.into(), reason: frame.reason.to_string() }
            }
            Some(Ok(Message::Close(None))) => Incoming::Closed { code: 1005, reason: String::new() },
            Some(Err(Error::Io(error))) => lost(&error.to_string()),
            Some(Err(error)) => lost(&error.to_string()),
            None => lost("the connection ended"),
        }
    }
}

impl Writer {
    /// Puts a message at the end of the queue. The caller bounds how many there are.
    pub(crate) fn queue(&mut self, text: impl Into<Utf8Bytes>) {
        let text = text.into();
        self.queued_bytes += text.len();
        self.queued.push_back(Message::Text(text));
    }

    /// Whether [`Writer::drive`] has anything to do.
    pub(crate) fn has_work(&self) -> bool {
        self.is_dirty || !self.queued.is_empty()
    }

    /// Writes everything that is queued. Can be dropped at any time, and goes on with the next call.
    ///
    /// # Errors
    /// Why the socket takes no more. The reader will say the same.
    pub(crate) async fn drive(&mut self) -> Result<(), String> {
        let result = self.try_drive().await;
        result.map_err(|error| error.to_string())
    }

    async fn try_drive(&mut self) -> Result<(), Error> {
        while !self.queued.is_empty() {
            std::future::poll_fn(|cx| std::pin::Pin::new(&mut self.sink).poll_ready(cx)).await?;
            // Nothing is awaited between taking a message and handing it over.
            if let Some(message) = self.queued.pop_front() {
                if let Message::Text(text) = &message {
                    self.queued_bytes -= text.len();
                }
                self.is_dirty = true;
                self.sink.start_send_unpin(message)?;
            }
        }
        self.sink.flush().await?;
        self.is_dirty = false;
        Ok(())
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("queued_bytes", &self.writer.queued_bytes).finish_non_exhaustive()
    }
}
