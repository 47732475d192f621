//! Many clients in one process, idle: what they cost, and how they come back when the server was away.
//!
//! ```sh
//! cargo run --release -p ws-client --example crowd -- ws://127.0.0.1:8080/ws 1000
//! ```
//!
//! Says how many are connected, each time that all or none of them are.

use std::process::ExitCode;

use tokio::sync::watch;
use ws_client::{Client, State};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (Some(url), Some(Ok(count))) = (args.next(), args.next().map(|count| count.parse::<usize>())) else {
        eprintln!("usage: crowd URL COUNT");
        return ExitCode::FAILURE;
    };
    let connected = watch::Sender::new(0);
    let mut clients = Vec::with_capacity(count);
    for _ in 0..count {
        let client = match Client::builder(&url).start() {
            Ok(client) => client,
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        };
        client.wake();
        tokio::spawn(count_connected(client.status(), connected.clone()));
        clients.push(client);
    }
    tell(connected.subscribe(), count).await;
    ExitCode::SUCCESS
}

/// Counts this client while it is connected.
async fn count_connected(mut status: watch::Receiver<ws_client::Status>, connected: watch::Sender<usize>) {
    while status.wait_for(|status| status.state == State::Connected).await.is_ok() {
        connected.send_modify(|count| *count += 1);
        let lost = status.wait_for(|status| status.state != State::Connected).await.is_ok();
        connected.send_modify(|count| *count -= 1);
        if !lost {
            return;
        }
    }
}

async fn tell(mut connected: watch::Receiver<usize>, count: usize) {
    let mut wanted = count;
    while connected.wait_for(|connected| *connected == wanted).await.is_ok() {
        println!("connected {wanted}");
        wanted = count - wanted;
    }
}
