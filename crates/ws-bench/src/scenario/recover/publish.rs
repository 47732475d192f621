//! Publishes while all clients are disconnected.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use ws_proto::ServerMessage;

use crate::failure::Failure;
use crate::frame;
use crate::message::{self, PONG};
use crate::request::Template;
use crate::socket::{Ended, Socket};

use super::plan::Plan;

/// Publications in flight.
const WINDOW: u64 = 64;
const BUFFER_BYTES: usize = 64 << 10;

/// Publishes to the channels in turn, and waits until everything is accepted.
pub(super) async fn all(mut socket: Socket, plan: &Plan, payload: usize) -> Result<(), Failure> {
    let (wanted, request) = (plan.publications * plan.channels, Template::publish(&plan.names, payload));
    let (mut buffer, mut out) = (vec![0; BUFFER_BYTES], Vec::new());
    let (mut sent, mut accepted) = (0, 0);
    let failed = |accepted, why| Failure::Unfinished { action: "publish", done: accepted, wanted, why };
    while accepted < wanted {
        out.clear();
        while sent < wanted.min(accepted + WINDOW) {
            request.write_to(&mut out, sent, sent % plan.channels);
            sent += 1;
        }
        let answers = match socket.send(&out) {
            Ok(()) => poll_fn(|cx| poll_answers(&mut socket, &mut buffer, cx)).await,
            Err(ended) => Err(ended),
        };
        match answers {
            Ok((more, None)) => accepted += more,
            Ok((more, Some(refused))) => return Err(failed(accepted + more, refused)),
            Err(ended) => return Err(failed(accepted, ended.to_string())),
        }
    }
    Ok(())
}

/// Handles what one read brings. Returns the number of accepted publications and the first error.
fn poll_answers(
    socket: &mut Socket,
    buffer: &mut [u8],
    cx: &mut Context<'_>,
) -> Poll<Result<(u64, Option<String>), Ended>> {
    let bytes = ready!(socket.poll_read(cx, buffer))?;
    let (mut accepted, mut refused, mut out) = (0, None, Vec::new());
    socket.texts(&buffer[..bytes], |text| match message::decode(text) {
        Some(ServerMessage::Response { .. }) => accepted += 1,
        Some(ServerMessage::Error { error, .. }) => drop(refused.get_or_insert(error.to_string())),
        Some(ServerMessage::Ping) => frame::text(&mut out, PONG),
        _ => {}
    })?;
    socket.send(&out)?;
    Poll::Ready(Ok((accepted, refused)))
}
