//! One client WebSocket over a TCP stream: handshake, reading into a shared buffer, writing without waiting.
//!
//! It has no buffer of its own except for an incomplete frame, so ten thousand of them cost little.
//! Drive it like this: [`Socket::connect`]; then [`Socket::poll_read`] into a shared buffer and
//! [`Socket::texts`] on what was read, again and again; [`Socket::send`] at any time. Pings are
//! answered by `texts`; a Close or an error ends the connection with an [`Ended`].

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::frame::{self, CLOSE_NORMAL, Decoder, Event, FrameError};
use crate::message;
use crate::target::{ACCEPT, Server};

/// Longest time from the first SYN to the greeting of the server.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(15);
/// How long to wait for the server to end a connection after our Close.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(1);
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Why a connection could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("connection refused by {0}: is the server running there?")]
    Refused(SocketAddr),
    #[error("no free port for a connection to {0}: too many were closed a moment ago; wait a minute or lower the rate")]
    NoPort(SocketAddr),
    #[error("cannot connect to {0}: {1}")]
    Connect(SocketAddr, io::Error),
    #[error("not a WebSocket: {0}")]
    Status(String),
    #[error("not a WebSocket: the server at {0} does not speak HTTP")]
    NotHttp(SocketAddr),
    #[error("the response to the handshake does not have the right Sec-WebSocket-Accept")]
    Accept,
    #[error("the server accepted the handshake, but sent no greeting: {0}")]
    Greeting(Ended),
    #[error("the server sent this instead of a greeting: {0}")]
    NoGreeting(String),
    #[error("no WebSocket within {} s", CONNECT_TIME_MAX.as_secs())]
    Timeout,
}

/// Why an open connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("closed by the server{}", closing(code, reason))]
    Closed { code: Option<u16>, reason: String },
    #[error("the server closed the connection without a Close frame")]
    HungUp,
    #[error("the server sent {0}")]
    Frame(#[from] FrameError),
    #[error("{0}")]
    Io(#[from] io::Error),
}

fn closing(code: &Option<u16>, reason: &str) -> String {
    match code {
        Some(code) => format!(": {code} {reason}").trim_end().to_owned(),
        None => String::new(),
    }
}

#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    decoder: Decoder,
    /// Bytes that a full socket has not taken yet.
    unsent: Vec<u8>,
    /// One side has sent Close.
    closing: bool,
}

impl Socket {
    /// Connects, upgrades, and waits for `connected`.
    pub(crate) async fn connect(server: &Server, index: usize) -> Result<Socket, ConnectError> {
        match timeout(CONNECT_TIME_MAX, Socket::set_up(server, server.source(index))).await {
            Ok(outcome) => outcome,
            Err(_) => Err(ConnectError::Timeout),
        }
    }

    async fn set_up(server: &Server, source: Option<IpAddr>) -> Result<Socket, ConnectError> {
        let address = server.address;
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::ConnectionRefused => ConnectError::Refused(address),
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse => ConnectError::NoPort(address),
            _ => ConnectError::Connect(address, error),
        };
        let mut stream = tcp(server, source).await.map_err(failed)?;
        stream.write_all(&server.request).await.map_err(failed)?;
        let mut bytes = Vec::with_capacity(1024);
        let end = read_head(&mut stream, &mut bytes, address).await?;
        check_head(&bytes[..end])?;
        let mut socket = Socket { stream, decoder: Decoder::default(), unsent: Vec::new(), closing: false };
        bytes.drain(..end);
        socket.greeting(bytes).await?;
        Ok(socket)
    }

    /// Waits for the first message. `bytes` came together with the response to the handshake.
    async fn greeting(&mut self, mut bytes: Vec<u8>) -> Result<(), ConnectError> {
        let mut first = None;
        loop {
            let sink = |text: &[u8]| {
                first.get_or_insert_with(|| String::from_utf8_lossy(text).into_owned());
            };
            self.texts(&bytes, sink).map_err(ConnectError::Greeting)?;
            match first {
                Some(text) if message::is_greeting(&text) => return Ok(()),
                Some(text) => return Err(ConnectError::NoGreeting(text)),
                None => {}
            }
            bytes.clear();
            match self.stream.read_buf(&mut bytes).await {
                Ok(0) => return Err(ConnectError::Greeting(Ended::HungUp)),
                Ok(_) => {}
                Err(error) => return Err(ConnectError::Greeting(error.into())),
            }
        }
    }

    /// Sends what is unsent, then reads into `buffer`. Returns the number of bytes.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, Ended>> {
        self.poll_unsent(cx)?;
        let mut buffer = ReadBuf::new(buffer);
        // Unlike `try_read`, this needs no second call to learn that nothing is left.
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        match buffer.filled().len() {
            0 => Poll::Ready(Err(Ended::HungUp)),
            bytes => Poll::Ready(Ok(bytes)),
        }
    }

    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.unsent) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(sent)) => drop(self.unsent.drain(..sent)),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(()),
            }
        }
        self.unsent = Vec::new();
        Ok(())
    }

    /// Passes to `sink` the text messages that `bytes` complete, and answers Pings. Returns the number of Pings.
    pub(crate) fn texts(&mut self, bytes: &[u8], mut sink: impl FnMut(&[u8])) -> Result<u64, Ended> {
        let (mut pings, mut pongs, mut closed) = (0, Vec::new(), None);
        self.decoder.feed(bytes, &mut |event| match event {
            Event::Text(text) => sink(text),
            Event::Ping(payload) => {
                pings += 1;
                frame::pong(&mut pongs, payload);
            }
            Event::Close { code, reason } => {
                let reason = String::from_utf8_lossy(reason).into_owned();
                closed = Some(Ended::Closed { code, reason });
            }
        })?;
        if !pongs.is_empty() {
            self.send(&pongs)?;
        }
        self.closing |= closed.is_some();
        closed.map_or(Ok(pings), Err)
    }

    /// Writes as much as the socket takes, and keeps the rest for [`Socket::poll_read`].
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        let mut left = bytes;
        while self.unsent.is_empty() && !left.is_empty() {
            match self.stream.try_write(left) {
                Ok(sent) => left = &left[sent..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.unsent.extend_from_slice(left);
        Ok(())
    }

    /// Sends Close and waits a moment for the server to end the connection, which frees the port at once. Returns
    /// whether it did.
    pub(crate) async fn close(mut self, buffer: &mut [u8]) -> bool {
        let _ = self.send(&CLOSE_NORMAL);
        self.closing = true;
        timeout(CLOSE_TIME_MAX, poll_fn(|cx| self.poll_hang_up(cx, buffer))).await.is_ok()
    }

    fn poll_hang_up(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<()> {
        while ready!(self.poll_read(cx, buffer)).is_ok() {}
        Poll::Ready(())
    }
}

impl Drop for Socket {
    /// Sends Close, so that the server does not log a lost connection.
    fn drop(&mut self) {
        if !self.closing && self.unsent.is_empty() {
            let _ = self.stream.try_write(&CLOSE_NORMAL);
        }
    }
}

/// A TCP connection from this address, or from any.
pub(crate) async fn tcp(server: &Server, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if server.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(bytes) = server.receive_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    let stream = socket.connect(server.address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Reads the head of the HTTP response and returns where it ends. More bytes may follow.
async fn read_head(stream: &mut TcpStream, bytes: &mut Vec<u8>, address: SocketAddr) -> Result<usize, ConnectError> {
    loop {
        let read = stream.read_buf(bytes).await.map_err(|error| ConnectError::Connect(address, error))?;
        let http = bytes.len().min(5);
        if read == 0 && bytes.is_empty() {
            return Err(ConnectError::Greeting(Ended::HungUp));
        }
        if bytes[..http] != b"HTTP/"[..http] || bytes.len() > HEAD_BYTES_MAX {
            return Err(ConnectError::NotHttp(address));
        }
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            return Ok(at + 4);
        }
        if read == 0 {
            return Err(ConnectError::NotHttp(address));
        }
    }
}

fn check_head(head: &[u8]) -> Result<(), ConnectError> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("101") {
        return Err(ConnectError::Status(status.to_owned()));
    }
    let accepted = lines
        .filter_map(|line| line.split_once(':'))
        .any(|(name, value)| name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == ACCEPT);
    if accepted { Ok(()) } else { Err(ConnectError::Accept) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_right_101_is_a_websocket() {
        let check = |head: &str| check_head(head.as_bytes());
        let accept = format!("HTTP/1.1 101 Switching Protocols\r\nsec-websocket-ACCEPT:{ACCEPT} \r\n\r\n");
        assert!(check(&accept).is_ok());
        let status = check("HTTP/1.1 404 Not Found\r\n\r\n").expect_err("404").to_string();
        assert_eq!(status, "not a WebSocket: HTTP/1.1 404 Not Found");
        assert!(matches!(check("HTTP/1.1 101 x\r\nSec-WebSocket-Accept: no\r\n\r\n"), Err(ConnectError::Accept)));
        assert!(matches!(check("HTTP/1.1 1010\r\n\r\n"), Err(ConnectError::Status(_))));
    }

    #[test]
    fn an_end_tells_code_and_reason() {
        let closed = |code, reason: &str| Ended::Closed { code, reason: reason.to_owned() }.to_string();
        assert_eq!(closed(Some(4001), "too slow"), "closed by the server: 4001 too slow");
        assert_eq!(closed(Some(1001), ""), "closed by the server: 1001");
        assert_eq!(closed(None, ""), "closed by the server");
    }
}
