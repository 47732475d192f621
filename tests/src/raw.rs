//! Bytes on a TCP socket: handshakes and frames as the test writes them, valid or not.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::response::Response;
use crate::wait::within;

/// Opcodes of RFC 6455, section 5.2.
pub mod opcode {
    #![allow(missing_docs)]
    pub const CONTINUATION: u8 = 0x0;
    pub const TEXT: u8 = 0x1;
    pub const BINARY: u8 = 0x2;
    pub const CLOSE: u8 = 0x8;
    pub const PING: u8 = 0x9;
    pub const PONG: u8 = 0xa;
}

/// The first byte of a final frame, to be joined with its opcode.
pub const FIN: u8 = 0x80;

/// The `Sec-WebSocket-Key` of RFC 6455, section 1.3, which also has the answer to it.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawFrame {
    /// FIN, reserved bits and opcode.
    pub first: u8,
    /// Never masked.
    pub payload: Vec<u8>,
}

impl RawFrame {
    /// The code of a Close frame.
    pub fn close_code(&self) -> u16 {
        assert_eq!(self.first, FIN | opcode::CLOSE, "{self:?}");
        u16::from_be_bytes([self.payload[0], self.payload[1]])
    }
}

/// A frame as a client sends it: masked. `first` is FIN, reserved bits and opcode.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(first, payload.len(), true);
    frame.extend_from_slice(&MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A final text frame.
pub fn text(text: &str) -> Vec<u8> {
    frame(FIN | opcode::TEXT, text.as_bytes())
}

/// The first bytes of a frame, up to its length.
pub fn head(first: u8, len: usize, masked: bool) -> Vec<u8> {
    let mask = if masked { 0x80 } else { 0 };
    let mut head = vec![first];
    match len {
        0..=125 => head.push(mask | len as u8),
        126..=0xffff => {
            head.push(mask | 126);
            head.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            head.push(mask | 127);
            head.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    head
}

/// The head of a request.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request + "\r\n"
}

/// The headers of a valid handshake.
pub fn handshake_headers() -> Vec<(&'static str, &'static str)> {
    vec![
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", KEY),
    ]
}

/// The head of a valid handshake for this path.
pub fn handshake(path: &str) -> String {
    request("GET", path, &handshake_headers())
}

/// A TCP connection.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Raw {
    /// Connects, and sends nothing.
    pub async fn connect(addr: SocketAddr) -> Self {
        let stream = within("a TCP connection", TcpStream::connect(addr)).await.expect("the server listens");
        stream.set_nodelay(true).expect("a socket");
        Raw { stream, read: Vec::new() }
    }

    /// The same from this address of loopback: 127.0.0.0/8 is one machine with many addresses.
    pub async fn connect_from(source: [u8; 4], addr: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((source, 0).into()).expect("an address of loopback");
        let stream = within("a TCP connection", socket.connect(addr)).await.expect("the server listens");
        stream.set_nodelay(true).expect("a socket");
        Raw { stream, read: Vec::new() }
    }

    /// A WebSocket at `/ws` that has read its `connected`.
    pub async fn websocket(addr: SocketAddr) -> Self {
        Self::connect(addr).await.shaken().await
    }

    /// Makes it a WebSocket at `/ws`, and reads `connected`.
    pub async fn shaken(self) -> Self {
        let mut raw = self;
        raw.write(handshake("/ws").as_bytes()).await;
        assert_eq!(raw.response(false).await.status, 101);
        let connected = raw.frame().await;
        assert!(
            connected.payload.starts_with(br#"{"type":"notification","data":{"event":"connected""#),
            "{connected:?}"
        );
        raw
    }

    /// Sends bytes.
    pub async fn write(&mut self, bytes: &[u8]) {
        within("room to send", self.stream.write_all(bytes)).await.expect("the server takes it");
    }

    /// Sends bytes that the server may not read to the end.
    pub async fn try_write(&mut self, bytes: &[u8]) {
        let _: std::io::Result<()> = within("room to send", self.stream.write_all(bytes)).await;
    }

    /// Sends a request, and reads the response.
    pub async fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        self.write(request(method, path, headers).as_bytes()).await;
        self.response(method != "HEAD").await
    }

    /// Reads a response; `body`: with a body of the length in `Content-Length`.
    pub async fn response(&mut self, body: bool) -> Response {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.fill().await, "the socket ended within a head: {:?}", String::from_utf8_lossy(&self.read));
        };
        let head: Vec<u8> = self.read.drain(..end).collect();
        let mut response = Response::parse(std::str::from_utf8(&head).expect("a head in ASCII"));
        let length = response.header("content-length").map_or(0, |length| length.parse().expect("a length"));
        if body {
            response.body = self.take(length).await;
        }
        response
    }

    /// The next frame.
    pub async fn frame(&mut self) -> RawFrame {
        let head = self.take(2).await;
        assert_eq!(head[1] & 0x80, 0, "a server masks nothing");
        let length = match head[1] {
            126 => usize::from(u16::from_be_bytes(self.array().await)),
            127 => usize::try_from(u64::from_be_bytes(self.array().await)).expect("a length"),
            short => usize::from(short),
        };
        RawFrame { first: head[0], payload: self.take(length).await }
    }

    /// The next text frame, as JSON.
    pub async fn json(&mut self) -> serde_json::Value {
        let frame = self.frame().await;
        assert_eq!(frame.first, FIN | opcode::TEXT, "{frame:?}");
        serde_json::from_slice(&frame.payload).expect("JSON")
    }

    /// Reads frames until the server closes, and returns the code. After our answer the socket must end.
    pub async fn closed(&mut self) -> u16 {
        let code = loop {
            let frame = self.frame().await;
            if frame.first == FIN | opcode::CLOSE {
                break frame.close_code();
            }
        };
        self.try_write(&frame(FIN | opcode::CLOSE, &code.to_be_bytes())).await;
        assert!(self.rest().await.is_empty(), "nothing follows a close frame");
        code
    }

    /// Everything until the socket ends.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.fill().await {}
        std::mem::take(&mut self.read)
    }

    /// Reads until these bytes have come. False: the socket ended before.
    pub async fn rest_until(&mut self, bytes: &[u8]) -> bool {
        while !self.read.windows(bytes.len()).any(|part| part == bytes) {
            if !self.fill().await {
                return false;
            }
        }
        true
    }

    /// The next line, without its end.
    pub async fn line(&mut self) -> String {
        let end = loop {
            if let Some(at) = self.read.iter().position(|byte| *byte == b'\n') {
                break at;
            }
            assert!(self.fill().await, "the socket ended within a line: {:?}", String::from_utf8_lossy(&self.read));
        };
        let line: Vec<u8> = self.read.drain(..=end).collect();
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }

    /// Shuts down the sending side.
    pub async fn finish(&mut self) {
        let _: std::io::Result<()> = self.stream.shutdown().await;
    }

    /// Ends the connection with a TCP reset.
    pub fn reset(self) {
        // With zero, closing does not block.
        #[expect(deprecated, reason = "there is nothing else that makes close(2) send a reset")]
        self.stream.set_linger(Some(std::time::Duration::ZERO)).expect("a socket");
    }

    /// The socket itself.
    pub fn into_inner(self) -> TcpStream {
        self.stream
    }

    async fn array<const N: usize>(&mut self) -> [u8; N] {
        self.take(N).await.try_into().expect("as many bytes as asked for")
    }

    async fn take(&mut self, bytes: usize) -> Vec<u8> {
        while self.read.len() < bytes {
            assert!(self.fill().await, "the socket ended; {bytes} bytes were wanted, there were {:?}", self.read);
        }
        self.read.drain(..bytes).collect()
    }

    /// False when the socket has ended.
    async fn fill(&mut self) -> bool {
        matches!(within("bytes", self.stream.read_buf(&mut self.read)).await, Ok(1..))
    }
}
