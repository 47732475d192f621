//! A connection that reads fast: each frame is decoded once, and most are publications.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt};
use serde_json::value::RawValue;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use ws_proto::event::Event;
use ws_proto::{ServerMessage, event::ChannelGap};
use ws_tests::prelude::*;

use super::super::request;

/// Receive buffer in the kernel; small, so that a client falls behind soon when it does not read.
const RECEIVE_BUFFER: u32 = 16 * 1024;

/// What the server may send here.
#[derive(Debug)]
pub(super) enum Said {
    Response { id: String, data: Box<RawValue> },
    Publication { channel: usize, offset: u64, data: u64 },
    Gap { channel: usize, from: u64, to: u64 },
    Closed,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    pub(super) async fn connect(addr: SocketAddr) -> Self {
        Socket(Client::with_receive_buffer(addr, RECEIVE_BUFFER).await.into_inner())
    }

    /// Sends a request, together with those fed before.
    pub(super) async fn send(&mut self, id: &str, action: &str, payload: Value) {
        let sent = self.0.send(Message::text(request(id, action, payload)));
        within("room to send", sent).await.expect("the server takes it");
    }

    /// Buffers a request, to be sent with the next one.
    pub(super) async fn feed(&mut self, id: &str, action: &str, payload: Value) {
        let fed = self.0.feed(Message::text(request(id, action, payload)));
        within("room to send", fed).await.expect("the server takes it");
    }

    /// Sends the buffered requests.
    pub(super) async fn flush(&mut self) {
        within("room to send", self.0.flush()).await.expect("the server takes it");
    }

    /// The next message from the server.
    pub(super) async fn next(&mut self) -> Said {
        loop {
            let next = match self.0.next().now_or_never() {
                Some(next) => next,
                None => within("a frame", self.0.next()).await,
            };
            match next.expect("a close frame before the end").expect("a connection that nobody cuts off") {
                Message::Text(text) => return said(&text),
                Message::Ping(_) | Message::Pong(_) => {}
                Message::Close(_) => return Said::Closed,
                other => panic!("no server says this: {other:?}"),
            }
        }
    }

    /// Sends a close frame; the answer still has to be read.
    pub(super) async fn close(&mut self) {
        within("room to send", self.0.close(None)).await.expect("the server takes it");
    }

    /// Ends the connection with a TCP reset.
    pub(super) fn reset(self) {
        // With zero, closing does not block.
        #[expect(deprecated, reason = "there is nothing else that makes close(2) send a reset")]
        self.0.get_ref().set_linger(Some(Duration::ZERO)).expect("a socket");
    }
}

fn said(text: &str) -> Said {
    match ServerMessage::decode(text).unwrap_or_else(|error| panic!("{error}: {text}")) {
        ServerMessage::Response { id, data } => Said::Response { id: id.into_owned(), data: data.to_owned() },
        ServerMessage::Notification(Event::Publication(publication)) => Said::Publication {
            channel: number(&publication.channel),
            offset: publication.offset.unwrap_or_else(|| panic!("an offset: {text}")),
            data: publication.data.get().parse().unwrap_or_else(|_| panic!("a number: {text}")),
        },
        ServerMessage::Notification(Event::ChannelGap(ChannelGap {
            channel,
            from: Some(from),
            to: Some(to),
            missed: None,
            after: None,
            epoch: None,
        })) => Said::Gap { channel: number(&channel), from, to },
        other => panic!("{other:?}: {text}"),
    }
}

fn number(channel: &str) -> usize {
    let number = channel.strip_prefix("stress").and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("a channel of this test: {channel:?}"))
}
