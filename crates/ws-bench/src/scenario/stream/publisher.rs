//! The connection that publishes. It has no subscriptions.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::time::{MissedTickBehavior, interval};
use ws_proto::ServerMessage;

use crate::frame;
use crate::lanes::Shared;
use crate::message::{self, PONG};
use crate::socket::{Ended, Socket};

use super::super::pace::{STALL_CHECK_INTERVAL, Stalls};
use super::plan::Plan;
use super::reader::Tally;

pub(super) struct Publisher {
    socket: Socket,
    shared: Shared<Tally>,
    plan: Arc<Plan>,
}

impl Publisher {
    pub(super) fn new(socket: Socket, shared: Shared<Tally>, plan: Arc<Plan>) -> Publisher {
        Publisher { socket, shared, plan }
    }

    pub(super) async fn run(mut self) {
        let ended = match self.work().await {
            Err(ended) => ended,
            Ok(never) => match never {},
        };
        self.plan.board.stop();
        self.shared.lock().state.ended.note(ended);
    }

    /// Publishes whenever the pace allows, until the connection ends.
    async fn work(&mut self) -> Result<std::convert::Infallible, Ended> {
        let plan = self.plan.clone();
        let mut stall_check = interval(STALL_CHECK_INTERVAL);
        stall_check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stalls = Stalls::new();
        loop {
            self.publish()?;
            tokio::select! {
                biased;
                read = poll_fn(|cx| self.poll_answers(cx)) => read?,
                () = plan.board.wake.notified() => {}
                _ = stall_check.tick() => stalls.check(&plan.board),
            }
        }
    }

    /// Publishes everything that is due, one write each: joined writes would save the server work.
    fn publish(&mut self) -> Result<(), Ended> {
        let Plan { board, clock, pace, publications, publish, layout, .. } = &*self.plan;
        let Some(pace) = pace.get() else { return Ok(()) };
        let shared = &mut *self.shared.lock();
        while !board.is_stopping() && board.published() < *publications {
            let due = pace.due(board.published(), board.outstanding(), clock.now_ns());
            let Some(due_ns) = due else { break };
            let number = board.publish(due_ns);
            shared.out.clear();
            publish.write_to(&mut shared.out, number, number % layout.channels);
            self.socket.send(&shared.out)?;
        }
        Ok(())
    }

    fn poll_answers(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        let shared = &mut *self.shared.lock();
        let bytes = ready!(self.socket.poll_read(cx, &mut shared.buffer))?;
        let (tally, out, board) = (&mut shared.state, &mut shared.out, &self.plan.board);
        out.clear();
        self.socket.texts(&shared.buffer[..bytes], |text| match message::decode(text) {
            Some(ServerMessage::Error { id, error }) => {
                tally.errors.note(error);
                // The ids are the numbers of the publications.
                if let Some(number) = id.and_then(|id| message::number(id.as_bytes())) {
                    board.refuse(number);
                }
            }
            None => tally.unreadable.note(String::from_utf8_lossy(text)),
            Some(ServerMessage::Ping) => frame::text(out, PONG),
            _ => {}
        })?;
        self.socket.send(out)?;
        Poll::Ready(Ok(()))
    }
}
