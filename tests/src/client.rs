//! A WebSocket client over tokio-tungstenite, which answers pings and closes by itself. Every read has a deadline.

use std::collections::VecDeque;
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use ws_proto::ServerMessage;

use crate::wait::within;

/// A frame from a server.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// A text frame; always one JSON object that `ws-proto` can decode.
    Json(Value),
    /// A Ping frame, answered by the library.
    Ping,
    /// A Pong frame with its payload.
    Pong(Vec<u8>),
    /// A Close frame: code and reason; `None` if it had none.
    Close(Option<(u16, String)>),
    /// The socket ended.
    End,
}

/// A connection.
#[derive(Debug)]
pub struct Client {
    socket: WebSocketStream<TcpStream>,
    /// Data of the `connected` event.
    pub connected: Value,
    /// Notifications read while waiting for an answer.
    notifications: VecDeque<Value>,
}

impl Client {
    /// Connects and reads `connected`.
    pub async fn connect(addr: SocketAddr, path: &str) -> Self {
        let stream = within("a TCP connection", TcpStream::connect(addr)).await.expect("the server listens");
        Self::on(stream, addr, path).await
    }

    /// The same with a receive buffer in the kernel of about this size.
    pub async fn with_receive_buffer(addr: SocketAddr, bytes: u32) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(bytes).expect("a buffer size");
        let stream = within("a TCP connection", socket.connect(addr)).await.expect("the server listens");
        Self::on(stream, addr, "/ws").await
    }

    /// Connects with a token in the header, and reads `connected`.
    pub async fn with_token(addr: SocketAddr, token: &str) -> Self {
        let mut client = Self::unread(addr, "/ws", Some(token)).await;
        client.connected = client.event("connected").await;
        client
    }

    /// Makes the handshake, and reads nothing: for connections that the server refuses after it.
    pub async fn unread(addr: SocketAddr, path: &str, token: Option<&str>) -> Self {
        let stream = within("a TCP connection", TcpStream::connect(addr)).await.expect("the server listens");
        Self::shaken(stream, addr, path, token).await
    }

    async fn on(stream: TcpStream, addr: SocketAddr, path: &str) -> Self {
        let mut client = Self::shaken(stream, addr, path, None).await;
        client.connected = client.event("connected").await;
        client
    }

    async fn shaken(stream: TcpStream, addr: SocketAddr, path: &str, token: Option<&str>) -> Self {
        stream.set_nodelay(true).expect("a socket");
        let mut request = format!("ws://{addr}{path}").into_client_request().expect("a URL");
        if let Some(token) = token {
            let header = format!("Bearer {token}").parse().expect("a header");
            request.headers_mut().insert("authorization", header);
        }
        let (socket, _) = within("the handshake", client_async(request, stream)).await.expect("the handshake succeeds");
        Client { socket, connected: Value::Null, notifications: VecDeque::new() }
    }

    /// The id that the server gave this connection.
    pub fn id(&self) -> &str {
        self.connected["connection_id"].as_str().expect("a connection id")
    }

    /// Sends any message.
    pub async fn send(&mut self, message: Message) {
        within("room to send", self.socket.send(message)).await.expect("the server takes it");
    }

    /// Sends a text frame.
    pub async fn text(&mut self, text: impl Into<String>) {
        self.send(Message::text(text.into())).await;
    }

    /// Sends text frames together. The server may end the connection before it has read all of them.
    pub async fn texts(&mut self, texts: impl IntoIterator<Item = String>) {
        let sent = async {
            for text in texts {
                self.socket.feed(Message::text(text)).await?;
            }
            self.socket.flush().await
        };
        let _: Result<(), Error> = within("room to send", sent).await;
    }

    /// The next frame.
    pub async fn next(&mut self) -> Frame {
        match within("a frame", self.socket.next()).await {
            Some(Ok(Message::Text(text))) => {
                let decoded = ServerMessage::decode(&text);
                assert!(!matches!(decoded, Err(_) | Ok(ServerMessage::Unknown)), "{decoded:?}: {text}");
                Frame::Json(serde_json::from_str(&text).expect("decoded before"))
            }
            Some(Ok(Message::Ping(_))) => Frame::Ping,
            Some(Ok(Message::Pong(payload))) => Frame::Pong(payload.to_vec()),
            Some(Ok(Message::Close(close))) => {
                Frame::Close(close.map(|close| (close.code.into(), close.reason.to_string())))
            }
            Some(Ok(message)) => panic!("no server says this: {message:?}"),
            Some(Err(_)) | None => Frame::End,
        }
    }

    /// The next text frame; pings and pongs before it are skipped.
    pub async fn json(&mut self) -> Value {
        loop {
            match self.next().await {
                Frame::Json(value) => return value,
                Frame::Ping | Frame::Pong(_) => {}
                other => panic!("waited for a text frame, got {other:?}"),
            }
        }
    }

    /// The data of the next notification, which must be this event.
    pub async fn event(&mut self, event: &str) -> Value {
        let data = self.notification().await;
        assert_eq!(data["event"], event, "{data}");
        data
    }

    /// The data of the next notification.
    pub async fn notification(&mut self) -> Value {
        if let Some(data) = self.notifications.pop_front() {
            return data;
        }
        let mut frame = self.json().await;
        assert_eq!(frame["type"], "notification", "waited for an event: {frame}");
        frame["data"].take()
    }

    /// Sends a request and returns the data of its response.
    pub async fn ask(&mut self, action: &str, payload: Value) -> Value {
        let mut answer = self.request(action, action, payload).await;
        assert_eq!(answer["type"], "response", "{answer}");
        answer["data"].take()
    }

    /// Sends a request and returns the code of the error that it gets.
    pub async fn refusal(&mut self, action: &str, payload: Value) -> String {
        let answer = self.request(action, action, payload).await;
        error_of(&answer).1
    }

    /// Sends a request and reads its answer. Notifications before it are kept for [`event`](Self::event).
    pub async fn request(&mut self, id: &str, action: &str, payload: Value) -> Value {
        let request = json!({"id": id, "type": "request", "action": action, "payload": payload});
        self.text(request.to_string()).await;
        self.answer(id).await
    }

    /// The next answer, which must be to the request with this id.
    pub async fn answer(&mut self, id: &str) -> Value {
        loop {
            let mut frame = self.json().await;
            if frame["type"] == "notification" {
                self.notifications.push_back(frame["data"].take());
                continue;
            }
            assert_eq!(frame["id"], id, "{frame}");
            return frame;
        }
    }

    /// How many connections the server counts.
    pub async fn count(&mut self) -> u64 {
        let answer = self.request("count", "get_connections", json!({})).await;
        answer["data"]["count"].as_u64().unwrap_or_else(|| panic!("a count: {answer}"))
    }

    /// An error frame: its id and its code, which must match `retryable`.
    pub async fn error(&mut self) -> (Option<String>, String) {
        let frame = self.json().await;
        error_of(&frame)
    }

    /// Reads until the server closes, and then until the socket ends. Returns the code and what was read before it.
    pub async fn closed(&mut self) -> (u16, Vec<Value>) {
        let mut before = Vec::new();
        let code = loop {
            match self.next().await {
                Frame::Json(value) => before.push(value),
                Frame::Ping | Frame::Pong(_) => {}
                Frame::Close(close) => break close.expect("a close code").0,
                Frame::End => panic!("the socket ended without a close frame, after {before:?}"),
            }
        };
        // The library has answered the close frame; now the server ends the socket.
        while self.next().await != Frame::End {}
        (code, before)
    }

    /// Closes from this side, and waits until the server has answered and ended the socket.
    pub async fn close(mut self) {
        within("room to send", self.socket.close(None)).await.expect("the server takes it");
        loop {
            match self.next().await {
                Frame::Close(_) | Frame::End => break,
                Frame::Json(_) | Frame::Ping | Frame::Pong(_) => {}
            }
        }
    }

    /// The socket itself, for tests that misuse it or need both halves.
    pub fn into_inner(self) -> WebSocketStream<TcpStream> {
        self.socket
    }
}

/// Id and code of an error frame, whose other fields are checked.
pub fn error_of(frame: &Value) -> (Option<String>, String) {
    assert_eq!(frame["type"], "error", "{frame}");
    let error = &frame["error"];
    let code = error["code"].as_str().unwrap_or_else(|| panic!("a code: {frame}"));
    let known = ws_proto::ErrorCode::ALL.iter().find(|known| known.as_str() == code);
    let known = known.unwrap_or_else(|| panic!("a code of the protocol: {frame}"));
    assert_eq!(error["retryable"], known.is_retryable(), "{frame}");
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{frame}");
    assert!(!frame.as_object().is_some_and(|fields| fields.get("id").is_some_and(Value::is_null)), "{frame}");
    (frame["id"].as_str().map(str::to_owned), code.to_owned())
}
