//! The server behind proxies, on Unix sockets, and with its metrics at an address of their own.

mod examples;
mod headers;
mod metrics_addr;
mod protocol;
mod unix;

use ws_tests::prelude::*;
use ws_transport::TrustedNetwork;

use crate::SERVER;

/// Networks as an operator writes them.
fn trusted(networks: &[&str]) -> Vec<TrustedNetwork> {
    networks.iter().map(|text| TrustedNetwork::parse(text).expect("a network")).collect()
}

/// A process that logs every connection, with these further variables.
async fn logging(variables: &[(&str, &str)]) -> Process {
    Process::start(SERVER, &[&[("WS_SERVER__LOG_CONNECTIONS", "all")], variables].concat()).await
}

/// The address in the next line of the log that says this.
async fn logged_address(server: &mut Process, what: &str) -> String {
    let line: Value = serde_json::from_str(&server.logged(what).await).expect("a JSON log");
    line["address"].as_str().unwrap_or_else(|| panic!("an address: {line}")).to_owned()
}

/// Sends `before` and a handshake with these further headers; gives the status.
async fn handshake(raw: &mut Raw, before: &[u8], more: &[(&str, &str)]) -> u16 {
    let headers = [&raw::handshake_headers()[..], more].concat();
    raw.write(&[before, raw::request("GET", "/ws", &headers).as_bytes()].concat()).await;
    raw.response(false).await.status
}
