//! The provider: an endpoint of the Messages API that streams a token at an interval, until the run of the benchmark ends.

use std::fmt::Write;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::time::{MissedTickBehavior, interval};

use crate::channel::{decimal, end_of};

use super::plan::Plan;

/// Longest request that is read.
const REQUEST_BYTES_MAX: usize = 1 << 20;

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\
                    Connection: close\r\n\r\n";
const BEGIN: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",",
    "\"role\":\"assistant\",\"content\":[],\"model\":\"bench\",\"stop_reason\":null,\"stop_sequence\":null,",
    "\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,",
    "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
);
const END: &str = concat!(
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",",
    "\"stop_sequence\":null},\"usage\":{\"output_tokens\":2}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

pub(super) struct Upstream {
    pub(super) listener: TcpListener,
    pub(super) plan: Arc<Plan>,
}

impl Upstream {
    /// Answers every connection, on these runtimes in turn.
    pub(super) async fn run(self, runtimes: Vec<Handle>) {
        for runtime in runtimes.iter().cycle() {
            let Ok((socket, _)) = self.listener.accept().await else { return };
            let (Ok(socket), plan) = (socket.into_std(), self.plan.clone()) else { continue };
            runtime.spawn(async move {
                // A server that hangs up has its reasons, and its runs tell them.
                let _ = stream(TcpStream::from_std(socket)?, &plan).await;
                Ok::<_, io::Error>(())
            });
        }
    }
}

async fn stream(mut socket: TcpStream, plan: &Plan) -> io::Result<()> {
    socket.set_nodelay(true)?;
    read_request(&mut socket).await?;
    socket.write_all(HEAD.as_bytes()).await?;
    chunk(&mut socket, BEGIN).await?;
    let mut ticks = interval(plan.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut event = String::new();
    while !plan.is_stopping() {
        ticks.tick().await;
        event.clear();
        let _ = write!(
            event,
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\
             \"delta\":{{\"type\":\"text_delta\",\"text\":\"{:08x} \"}}}}\n\n",
            plan.now_us() as u32
        );
        chunk(&mut socket, &event).await?;
        plan.count();
    }
    chunk(&mut socket, END).await?;
    socket.write_all(b"0\r\n\r\n").await?;
    socket.shutdown().await
}

async fn chunk(socket: &mut TcpStream, text: &str) -> io::Result<()> {
    socket.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await
}

async fn read_request(socket: &mut TcpStream) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(2048);
    loop {
        if socket.read_buf(&mut bytes).await? == 0 || bytes.len() > REQUEST_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let Some(head) = end_of(&bytes, b"\r\n\r\n") else { continue };
        let length = end_of(&bytes[..head].to_ascii_lowercase(), b"content-length: ");
        let length = length.and_then(|at| decimal(&bytes[at..])).map_or(0, |(length, _)| length);
        if bytes.len() as u64 >= head as u64 + length {
            return Ok(());
        }
    }
}
