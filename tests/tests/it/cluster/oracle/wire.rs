//! A connection that may end at any moment.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};
use ws_tests::prelude::*;

/// A server that stands still completes no handshake.
const HANDSHAKE: Duration = Duration::from_millis(700);

pub(super) struct Wire {
    socket: WebSocketStream<TcpStream>,
    pub(super) server: usize,
    /// The connection's id.
    pub(super) id: String,
}

impl Wire {
    /// Connects to a server, if it is there, and reads `connected`.
    pub(super) async fn connect(servers: &[SocketAddr], server: usize) -> Option<Self> {
        let addr = *servers.get(server)?;
        let connected = timeout(HANDSHAKE, async {
            let stream = TcpStream::connect(addr).await.ok()?;
            stream.set_nodelay(true).ok()?;
            let (socket, _) = client_async(format!("ws://{addr}/ws"), stream).await.ok()?;
            let mut wire = Wire { socket, server, id: String::new() };
            let connected = wire.next().await?;
            wire.id = connected["data"]["connection_id"].as_str().expect("`connected` comes first").to_owned();
            Some(wire)
        });
        connected.await.ok()?
    }

    /// Sends a request. Whether the connection was still there.
    pub(super) async fn ask(&mut self, id: &str, action: &str, payload: Value) -> bool {
        let request = json!({"id": id, "type": "request", "action": action, "payload": payload});
        self.socket.send(Message::text(request.to_string())).await.is_ok()
    }

    /// The next frame of text; `None`: the connection has ended. It may be dropped before it is ready.
    pub(super) async fn next(&mut self) -> Option<Value> {
        loop {
            match self.socket.next().await?.ok()? {
                Message::Text(text) => return Some(serde_json::from_str(&text).expect("JSON")),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// The answer to a request, past everything else; `None`: the connection has ended.
    pub(super) async fn answer(&mut self, id: &str) -> Option<Value> {
        loop {
            let frame = self.next().await?;
            if frame["id"] == id {
                return Some(frame);
            }
        }
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn request(&mut self, action: &str, payload: Value) -> Option<Value> {
        if !self.ask(action, action, payload).await {
            return None;
        }
        self.answer(action).await
    }
}
