//! A server with a data directory: what it has acknowledged is there after a restart, whatever ended it.

mod killed;
mod operator;
mod restart;
mod trouble;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ws_tests::prelude::*;

use crate::SERVER;

/// An address of loopback that no other test uses: nobody takes the port while no server listens there.
const HOST: &str = "127.0.0.3:0";

/// An empty directory for one test; the contents from an earlier run are removed.
pub(crate) fn directory(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("durable").join(name);
    match std::fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{}: {error}", dir.display()),
        _ => dir,
    }
}

pub(crate) fn host() -> SocketAddr {
    HOST.parse().expect("an address")
}

/// A server that keeps everything.
pub(crate) async fn start(addr: SocketAddr, dir: &Path) -> Process {
    start_with(addr, dir, &[]).await
}

async fn start_with(addr: SocketAddr, dir: &Path, more: &[(&str, &str)]) -> Process {
    start_program(addr, SERVER, dir, more).await
}

async fn start_program(addr: SocketAddr, program: &str, dir: &Path, more: &[(&str, &str)]) -> Process {
    let dir = dir.to_str().expect("a path in UTF-8");
    let variables = [
        ("WS_SERVER_DATA_DIR", dir),
        ("WS_SERVER__CHANNELS__HISTORY_SIZE", "1000000"),
        ("WS_SERVER__CHANNELS__HISTORY_TTL", "0s"),
        ("WS_SERVER__CHANNELS__READ_HISTORY", "anyone"),
        ("WS_SERVER__DRAIN__RECONNECT_SPREAD", "1s"),
    ];
    Process::start_at(addr, program, &[&variables[..], more].concat()).await
}

async fn connect(server: &Process) -> Client {
    Client::connect(server.addr(), "/ws").await
}

fn request(id: &str, action: &str, payload: Value) -> String {
    json!({"id": id, "type": "request", "action": action, "payload": payload}).to_string()
}

/// The whole history of a channel, read in pages: offsets and data.
async fn history(client: &mut Client, channel: &str) -> Vec<(u64, Value)> {
    let (mut all, mut since) = (Vec::new(), Value::Null);
    loop {
        let payload = json!({"channel": channel, "limit": 1000, "since": since});
        let mut page = client.ask("get_history", payload).await;
        for entry in page["publications"].as_array_mut().expect("a list") {
            all.push((entry["offset"].as_u64().expect("an offset"), entry["data"].take()));
        }
        if page["more"] == false {
            return all;
        }
        since = json!({"epoch": page["epoch"], "offset": all.last().expect("there is more behind something").0});
    }
}
