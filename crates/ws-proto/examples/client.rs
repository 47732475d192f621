//! The least that a client needs: connects, sends one `echo`, prints what the server says, answers pings. It says goodbye
//! when its request has been answered.
//!
//! `cargo run -p ws-proto --example client -- ws://127.0.0.1:3000/ws`

use futures_util::{SinkExt, StreamExt};
use serde_json::value::RawValue;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use ws_proto::action::{Echo, EchoData};
use ws_proto::{CloseCode, Event, SUBPROTOCOL, ServerMessage, encode_pong, encode_request};

type Error = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:3000/ws".to_owned());
    let mut handshake = url.into_client_request()?;
    handshake.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
    let (mut socket, _) = connect_async(handshake).await?;

    let echo = encode_request("1", &Echo { message: "Hello" })?;
    socket.send(Message::text(echo)).await?;
    while let Some(frame) = socket.next().await {
        match frame? {
            Message::Text(text) => {
                let message = ServerMessage::decode(&text)?;
                if let ServerMessage::Ping = message {
                    socket.send(Message::text(encode_pong())).await?;
                }
                print(&message);
                // A real client goes on. After the close frame, the loop ends with the server's.
                if let ServerMessage::Response { .. } | ServerMessage::Error { .. } = message {
                    socket.close(None).await?;
                }
            }
            Message::Close(Some(frame)) => {
                let code = u16::from(frame.code);
                // Numbers of a later version: the range tells (PROTOCOL section 6).
                let reconnect =
                    CloseCode::from_u16(code).map_or((4000..4500).contains(&code), CloseCode::should_reconnect);
                println!("closed: {code} {} (reconnect: {reconnect})", frame.reason);
            }
            _ => {}
        }
    }
    Ok(())
}

/// What the server has said, for people.
fn print(message: &ServerMessage<'_>) {
    match message {
        ServerMessage::Response { id, data } => match serde_json::from_str::<EchoData<&RawValue>>(data.get()) {
            Ok(data) => println!("response to {id}: echo of {}", data.echo),
            Err(_) => println!("response to {id}: {data}"),
        },
        ServerMessage::Error { id, error } => {
            println!("error, request {}: {error}", id.as_deref().unwrap_or("unknown"));
        }
        ServerMessage::Notification(Event::Connected(connected)) => {
            println!("connected to {} as {}", connected.server, connected.connection_id);
        }
        ServerMessage::Notification(Event::Broadcast(broadcast)) => println!("broadcast: {}", broadcast.message),
        ServerMessage::Notification(event) => println!("{event:?}"),
        // Heartbeats, and whatever a later version says besides.
        _ => {}
    }
}
