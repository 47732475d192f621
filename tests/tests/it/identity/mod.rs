//! Tokens over real sockets: in the handshake and later, what they grant, and how they end.

mod handshake;
mod key_set;
mod operator;
mod refresh;
mod unauthenticated;

use ws_core::Access;
use ws_server::config::{Channels, Config};
use ws_tests::prelude::*;

/// Accepts tokens, and has a namespace in which everything has to be granted.
fn granting(config: &mut Config) {
    token::accept(config);
    let (subscribe, publish) = (Access::Granted, Access::Granted);
    let granted = Channels { subscribe, publish, read_history: Access::Granted, ..Channels::default() };
    config.namespaces.insert("room".to_owned(), granted);
    config.namespaces.insert("server".to_owned(), Channels { subscribe: Access::Nobody, ..Channels::default() });
}

async fn connect(server: &Server, user: &str, claims: &Value) -> Client {
    Client::with_token(server.addr(), &token::of(user, claims)).await
}

async fn authenticate(client: &mut Client, token: &str) -> Value {
    client.request("auth", "authenticate", json!({"token": token})).await
}

/// The code of an error, or nothing for a response.
fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or_default()
}
