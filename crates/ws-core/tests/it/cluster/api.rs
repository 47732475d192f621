//! The server API over several hubs: it sees all of them, or says that it cannot.

mod foreign;
mod lists;
mod operations;
mod runs;
mod silence;

use serde_json::{Value, json};
use ws_proto::{ErrorBody, ErrorCode};

use super::{PLENTY, Servers, ask};
use crate::client::{Client, limits};

fn three() -> Servers {
    Servers::start(3, limits(), &[])
}

/// A client of this user.
fn user(servers: &Servers, server: usize, user: &str) -> Client {
    let token = json!({ "user": user }).to_string();
    Client::connect_with(&servers.hubs[server], PLENTY, Some(&token)).expect("it is let in")
}

async fn subscribe(client: &mut Client, channel: &str) -> Value {
    ask(client, "subscribe", &json!({"channel": channel})).await.expect("it is subscribed")
}

fn code<T>(result: Result<T, ErrorBody>) -> Result<T, ErrorCode> {
    result.map_err(|error| error.code)
}
