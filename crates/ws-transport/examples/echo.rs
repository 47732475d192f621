//! Sends every text and binary message back, over the same connection task, buffers and write path as
//! the server's own protocol. It is what the Autobahn suite is run against (`cargo xtask conformance`).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use ws_core::Flow;
use ws_core::frame::{self, Opcode};
use ws_transport::{Endpoint, Plain, PlainOptions, Tls};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A WebSocket server that echoes.
#[derive(Debug, Parser)]
struct Args {
    /// Address to listen on; port 0: the system chooses one.
    #[arg(long, default_value = "127.0.0.1:9001")]
    addr: SocketAddr,
    /// Largest message, in bytes. The suite sends up to 16 MiB.
    #[arg(long, default_value_t = 64 * 1024 * 1024)]
    message_bytes_max: usize,
    /// Bytes that may wait for a slow client before nothing more is read from it.
    #[arg(long, default_value_t = 1024 * 1024)]
    outbox_bytes_max: usize,
    /// Certificate of a server that speaks TLS (PEM).
    #[arg(long, requires = "key_file")]
    cert_file: Option<PathBuf>,
    /// Its key (PEM).
    #[arg(long, requires = "cert_file")]
    key_file: Option<PathBuf>,
}

#[derive(Debug)]
struct Echo;

impl Endpoint for Echo {
    fn text(&mut self, text: &str, _: u64, out: &mut Vec<u8>) -> Flow {
        frame::append(Opcode::Text, out, |out| out.extend_from_slice(text.as_bytes()));
        Flow::Continue
    }

    fn binary(&mut self, bytes: &[u8], _: u64, out: &mut Vec<u8>) -> Flow {
        frame::append(Opcode::Binary, out, |out| out.extend_from_slice(bytes));
        Flow::Continue
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let tls = match (&args.cert_file, &args.key_file) {
        (Some(cert_file), Some(key_file)) => Some(Tls::load(cert_file, key_file)?),
        _ => None,
    };
    let scheme = if tls.is_some() { "wss" } else { "ws" };
    let options = PlainOptions {
        message_bytes_max: args.message_bytes_max,
        outbox_bytes_max: args.outbox_bytes_max,
        handshake_timeout: Duration::from_secs(10),
        keep_alive: Duration::from_secs(75),
        tls,
    };
    let server = Plain::bind(args.addr, options, || Echo)?;
    println!("listening on {scheme}://{}", server.local_addr()?);
    server.serve().await;
    Ok(())
}
