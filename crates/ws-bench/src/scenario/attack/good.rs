//! The well-behaved clients: each sends an echo at fixed times of its own, and waits for the response.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::ready;
use std::time::Duration;

use tokio::time::sleep;
use ws_proto::ServerMessage;

use crate::frame;
use crate::lanes::Shared;
use crate::measure::{Clock, Complaints, Latencies};
use crate::message::{self, PONG};
use crate::request::Template;
use crate::socket::{Ended, Socket};

/// Precision of timers. A request sent this late still counts as sent in time.
const TIMER_NS: u64 = 3_000_000;

/// What all good clients share.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) clock: Clock,
    pub(super) request: Template,
    /// Time between two requests of one client.
    pub(super) every_ns: u64,
}

/// What those of one lane count together.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) latencies: Latencies,
    pub(super) open: u64,
    pub(super) unanswered: u64,
    pub(super) stopping: bool,
    pub(super) ended: Complaints,
    pub(super) errors: Complaints,
}

impl Tally {
    pub(super) fn new() -> Tally {
        Tally {
            latencies: Latencies::new(),
            open: 0,
            unanswered: 0,
            stopping: false,
            ended: Complaints::default(),
            errors: Complaints::default(),
        }
    }
}

/// One client, whose first request is due at `due_ns`. Latency is measured from when a request was sent, or from when it
/// was due if the response before it was late.
pub(super) async fn run(mut socket: Socket, shared: Shared<Tally>, plan: Arc<Plan>, mut due_ns: u64) {
    let mut number = 0;
    let ended = loop {
        let now_ns = plan.clock.now_ns();
        if now_ns < due_ns {
            sleep(Duration::from_nanos(due_ns - now_ns)).await;
        }
        match ask(&mut socket, &shared, &plan, number, due_ns).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(ended) => break ended,
        }
        number += 1;
        due_ns += plan.every_ns;
    };
    let tally = &mut shared.lock().state;
    tally.open -= 1;
    tally.ended.note(ended);
}

/// Sends one request and waits for the response. Returns false when no more are to be sent.
async fn ask(
    socket: &mut Socket,
    shared: &Shared<Tally>,
    plan: &Plan,
    number: u64,
    due_ns: u64,
) -> Result<bool, Ended> {
    let sent_ns = {
        let shared = &mut *shared.lock();
        if shared.state.stopping {
            return Ok(false);
        }
        shared.out.clear();
        plan.request.write(&mut shared.out, number);
        shared.state.unanswered += 1;
        socket.send(&shared.out)?;
        plan.clock.now_ns()
    };
    let from_ns = if sent_ns - due_ns.min(sent_ns) <= TIMER_NS { sent_ns } else { due_ns };
    poll_fn(|cx| {
        loop {
            let shared = &mut *shared.lock();
            let bytes = ready!(socket.poll_read(cx, &mut shared.buffer))?;
            let now_ns = plan.clock.now_ns();
            let (tally, mut answered, mut pinged) = (&mut shared.state, false, false);
            socket.texts(&shared.buffer[..bytes], |text| match message::decode(text) {
                Some(ServerMessage::Response { id, .. }) => answered |= message::number(id.as_bytes()) == Some(number),
                Some(ServerMessage::Error { error, .. }) => tally.errors.note(error),
                Some(ServerMessage::Ping) => pinged = true,
                _ => {}
            })?;
            if pinged {
                let mut pong = Vec::new();
                frame::text(&mut pong, PONG);
                socket.send(&pong)?;
            }
            if answered {
                tally.unanswered -= 1;
                tally.latencies.record(now_ns.saturating_sub(from_ns));
                return std::task::Poll::Ready(Ok(true));
            }
        }
    })
    .await
}
