//! PROTOCOL section 9, "Server API".

mod batch;
mod connections;
mod frames;
mod keys;
mod publications;

use ws_tests::api::{Api, with_key};
use ws_tests::prelude::*;

/// A server with an API, and a connection to it.
async fn api_server() -> (Server, Api) {
    let server = Server::with(with_key).await;
    let api = Api::connect(server.addr()).await;
    (server, api)
}
