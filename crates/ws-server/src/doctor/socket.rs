//! As much of a WebSocket client as the checks need (RFC 6455): open, send short texts, read frames. reqwest makes the
//! HTTP request, so TLS, roots and names are those of every other request of the server.

use std::io;

use reqwest::header::{CONNECTION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use reqwest::{Client, ClientBuilder, StatusCode, Upgraded};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::error_causes::causes;
use crate::limits::{DOCTOR_ANSWER_TIMEOUT, DOCTOR_READ_BYTES};

/// Longest text that [`Socket::send`] can send: its length is one byte.
const TEXT_BYTES_MAX: usize = 125;

const FINAL_TEXT: u8 = 0x81;
const MASKED: u8 = 0x80;

/// A frame from the server. Servers do not mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) opcode: u8,
    pub(super) payload: &'a [u8],
}

impl Frame<'_> {
    pub(super) const CLOSE: u8 = 0x8;
}

/// An open WebSocket.
#[derive(Debug)]
pub(super) struct Socket {
    io: Upgraded,
    /// Bytes that have arrived; those before `start` are of frames that were taken.
    read: Vec<u8>,
    start: usize,
}

/// A client that goes straight to the host, whatever proxy the environment names, and sends nothing by itself.
pub(super) fn client() -> ClientBuilder {
    // If another part of the process has done so already, it is the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().tcp_keepalive(None).redirect(reqwest::redirect::Policy::none())
}

impl Socket {
    /// Opens `ws://…` or `wss://…`.
    ///
    /// # Errors
    /// A sentence: why it cannot be opened.
    pub(super) async fn open(url: &str) -> Result<Self, String> {
        let (http, client) = match url.split_once("://") {
            // Nothing is encrypted, so a machine without root certificates will do.
            Some(("ws", rest)) => (format!("http://{rest}"), client().tls_danger_accept_invalid_certs(true)),
            Some(("wss", rest)) => (format!("https://{rest}"), client()),
            _ => return Err("a URL begins with ws:// or wss://".to_owned()),
        };
        let client = client.build().map_err(|error| causes(&error))?;
        let request = client
            .get(http)
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            // 16 bytes in Base64. It protects caches that are not here.
            .header(SEC_WEBSOCKET_KEY, "d3Mtc2VydmVyIGRvY3Rvcg==");
        let opening = tokio::time::timeout(DOCTOR_ANSWER_TIMEOUT, request.send());
        let answer = opening.await.map_err(|_| "no answer in time".to_owned())?.map_err(|error| causes(&error))?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(format!("the answer is {}", answer.status()));
        }
        let io = answer.upgrade().await.map_err(|error| causes(&error))?;
        Ok(Socket { io, read: Vec::with_capacity(DOCTOR_READ_BYTES), start: 0 })
    }

    /// Sends a text of at most 125 bytes, with a mask of zero.
    pub(super) async fn send(&mut self, text: &str) -> io::Result<()> {
        assert!(text.len() <= TEXT_BYTES_MAX, "{text}");
        let head = [FINAL_TEXT, MASKED | text.len() as u8, 0, 0, 0, 0];
        self.io.write_all(&[&head, text.as_bytes()].concat()).await?;
        self.io.flush().await
    }

    /// The next frame; `None` when the connection has ended, in order or not.
    pub(super) async fn next(&mut self) -> Option<Frame<'_>> {
        let frame = loop {
            if let Some(frame) = parse(&self.read[self.start..]) {
                break frame;
            }
            self.read.drain(..self.start);
            self.start = 0;
            if !matches!(self.io.read_buf(&mut self.read).await, Ok(1..)) {
                return None;
            }
        };
        let (opcode, payload) = (frame.0, self.start + frame.1..self.start + frame.2);
        self.start = payload.end;
        Some(Frame { opcode, payload: &self.read[payload] })
    }
}

/// The opcode of the first frame, and where its payload begins and ends; `None` while it is not complete.
fn parse(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (opcode, length) = (bytes.first()? & 0x0F, bytes.get(1)? & 0x7F);
    let (start, length) = match length {
        126 => (4, u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)),
        length => (2, u64::from(length)),
    };
    let end = usize::try_from(length).ok()?.checked_add(start)?;
    (bytes.len() >= end).then_some((opcode, start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_length() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let mut bytes = Vec::new();
            ws_core::frame::append(ws_core::frame::Opcode::Text, &mut bytes, |out| {
                out.resize(out.len() + length, b'x')
            });
            let whole = bytes.len();
            assert_eq!(parse(&bytes), Some((1, whole - length, whole)));
            assert_eq!(parse(&bytes[..whole - 1]), None, "{length}");
        }
    }
}
