//! Bytes in, messages out: tungstenite's protocol, fed from a buffer instead of a socket.
//!
//! Between messages a connection holds no buffer and no parser. Both are created when bytes arrive, and
//! dropped if these were whole messages. That is the case when the sizes on the wire of the parsed
//! messages, each in its shortest form, add up to the number of bytes fed.

use std::io::{self, Read, Write};

use tokio_tungstenite::tungstenite::error::{CapacityError, Error, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode as WireCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use ws_proto::CloseCode;

use crate::limits::READ_CHUNK_BYTES;

/// Stands for a close frame without a code (RFC 6455, section 7.4.1).
const NO_CODE: u16 = 1005;

/// The reading side of one WebSocket.
#[derive(Debug)]
pub(super) struct Reader {
    parser: Option<Box<Parser>>,
}

#[derive(Debug)]
struct Parser {
    context: WebSocketContext,
    /// Fed, but not read by the context yet.
    rest: Vec<u8>,
    fed_bytes: u64,
    /// Sizes on the wire of the messages parsed so far.
    parsed_bytes: u64,
    closing: bool,
}

/// Why there is no next message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// More bytes are needed.
    Starved,
    /// The peer's close frame came, with this code. It began the closing handshake, or answered ours.
    Closed(u16),
    /// The peer broke the protocol: close with this code.
    Failed(CloseCode),
}

/// Stands in for a socket: tungstenite reads from `rest` and writes to `out`.
struct Pipe<'a> {
    rest: &'a mut Vec<u8>,
    out: &'a mut Vec<u8>,
}

/// tungstenite's configuration; every field is set by us. Its write buffer only passes bytes on.
pub(super) fn config(message_bytes_max: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_CHUNK_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(usize::MAX)
        .max_message_size(Some(message_bytes_max))
        .max_frame_size(Some(message_bytes_max))
        .accept_unmasked_frames(false)
}

impl Reader {
    pub(super) const fn new() -> Self {
        Reader { parser: None }
    }

    /// Takes bytes that have arrived.
    pub(super) fn feed(&mut self, bytes: &[u8], config: &WebSocketConfig) {
        match &mut self.parser {
            Some(parser) => {
                parser.rest.extend_from_slice(bytes);
                parser.fed_bytes += bytes.len() as u64;
            }
            None if bytes.is_empty() => {}
            None => self.parser = Some(Box::new(Parser::new(bytes, config))),
        }
    }

    /// The next message. Automatic answers (pong, close) are appended to `out`.
    /// `bytes_max` is the largest message that is taken, in bytes.
    pub(super) fn next(&mut self, bytes_max: usize, out: &mut Vec<u8>) -> Result<Message, Stop> {
        let Some(parser) = &mut self.parser else { return Err(Stop::Starved) };
        if parser.is_between_messages() {
            self.parser = None;
            return Err(Stop::Starved);
        }
        if parser.context.get_config().max_message_size != Some(bytes_max) {
            parser.context.set_config(|config| {
                (config.max_message_size, config.max_frame_size) = (Some(bytes_max), Some(bytes_max));
            });
        }
        parser.next(out)
    }

    /// Appends our close frame. From now on the peer's is expected.
    pub(super) fn close(&mut self, frame: CloseFrame, config: &WebSocketConfig, out: &mut Vec<u8>) {
        let parser = self.parser.get_or_insert_with(|| Box::new(Parser::new(&[], config)));
        parser.close(frame, out);
    }
}

impl Parser {
    fn new(bytes: &[u8], config: &WebSocketConfig) -> Self {
        // With the capacity that tungstenite wants, or it would copy the bytes once more.
        let mut part = Vec::with_capacity(bytes.len().max(config.read_buffer_size));
        part.extend_from_slice(bytes);
        Parser {
            context: WebSocketContext::from_partially_read(part, Role::Server, Some(*config)),
            rest: Vec::new(),
            fed_bytes: bytes.len() as u64,
            parsed_bytes: 0,
            closing: false,
        }
    }

    fn is_between_messages(&self) -> bool {
        self.fed_bytes == self.parsed_bytes && !self.closing
    }

    fn next(&mut self, out: &mut Vec<u8>) -> Result<Message, Stop> {
        let mut pipe = Pipe { rest: &mut self.rest, out };
        let message = self.context.read(&mut pipe).map_err(stop)?;
        self.parsed_bytes += wire_bytes(&message);
        // tungstenite's own answer must go out with ours, not after the next read.
        match message {
            Message::Ping(_) => self.context.flush(&mut pipe).map_err(stop)?,
            Message::Close(frame) => {
                self.closing = true;
                let code = frame.map_or(NO_CODE, |frame| frame.code.into());
                return Err(self
                    .context
                    .flush(&mut pipe)
                    .map_or_else(|error| stop_with(error, code), |()| Stop::Closed(code)));
            }
            _ => {}
        }
        Ok(message)
    }

    fn close(&mut self, frame: CloseFrame, out: &mut Vec<u8>) {
        self.closing = true;
        let mut pipe = Pipe { rest: &mut self.rest, out };
        // Writing to memory cannot fail, and a context that is already closed has nothing to add.
        let _ = self.context.close(&mut pipe, Some(frame));
    }
}

/// A close frame. `own`: its code and reason, if they are not those of `code`.
pub(super) fn close_frame(code: CloseCode, own: Option<(u16, Box<str>)>) -> CloseFrame {
    match own {
        Some((code, reason)) => {
            CloseFrame { code: WireCode::from(code), reason: Utf8Bytes::from(String::from(reason)) }
        }
        None => CloseFrame { code: WireCode::from(code.as_u16()), reason: Utf8Bytes::from_static(code.reason()) },
    }
}

fn stop(error: Error) -> Stop {
    stop_with(error, NO_CODE)
}

/// The same; `code` is that of the peer's close frame.
fn stop_with(error: Error, code: u16) -> Stop {
    match error {
        Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock => Stop::Starved,
        Error::ConnectionClosed | Error::AlreadyClosed => Stop::Closed(code),
        Error::Protocol(ProtocolError::ReceivedAfterClosing) => Stop::Closed(code),
        Error::Capacity(CapacityError::MessageTooLong { .. }) => Stop::Failed(CloseCode::TooBig),
        Error::Utf8(_) => Stop::Failed(CloseCode::InvalidUtf8),
        _ => Stop::Failed(CloseCode::Protocol),
    }
}

/// Size of this message as one masked frame in its shortest form. No message can be shorter on the wire. If
/// it was longer, the sums differ and the parser is kept.
fn wire_bytes(message: &Message) -> u64 {
    let payload = message.len();
    let length = match payload {
        0..=125 => 0,
        126..=0xffff => 2,
        _ => 8,
    };
    (2 + length + 4 + payload) as u64
}

impl Read for Pipe<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = buffer.len().min(self.rest.len());
        buffer[..taken].copy_from_slice(&self.rest[..taken]);
        self.rest.drain(..taken);
        Ok(taken)
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
