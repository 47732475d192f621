//! What every connection of `fanout` does: receive the broadcasts of this run and check them.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ws_proto::{Event, ServerMessage};

use crate::frame;
use crate::lanes::Shared;
use crate::measure::{Clock, Complaints, Latencies};
use crate::message::{self, DIGITS, PONG, Shape};
use crate::socket::{Ended, Socket};

use super::super::board::Board;
use super::super::order::{Faults, Order};

/// What all connections share.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) clock: Clock,
    pub(super) board: Arc<Board>,
    /// The mark that messages of this run begin with; their number follows.
    pub(super) run: String,
}

/// What the connections of one lane count together.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) latencies: Latencies,
    pub(super) faults: Faults,
    /// The state of each connection of this lane.
    pub(super) orders: Vec<Order>,
    pub(super) open: u64,
    pub(super) ended: Complaints,
    pub(super) errors: Complaints,
    pub(super) unreadable: Complaints,
    shape: Shape,
}

impl Tally {
    pub(super) fn new() -> Tally {
        Tally {
            latencies: Latencies::new(),
            faults: Faults::default(),
            orders: Vec::new(),
            open: 0,
            ended: Complaints::default(),
            errors: Complaints::default(),
            unreadable: Complaints::default(),
            shape: Shape::default(),
        }
    }
}

/// One connection; `slot` is the index of its [`Order`] in the lane.
pub(super) struct Reader {
    pub(super) socket: Socket,
    pub(super) shared: Shared<Tally>,
    pub(super) plan: Arc<Plan>,
    slot: usize,
    /// Publishes below this are counted down on the board.
    done_below: u64,
}

impl Reader {
    pub(super) fn new(socket: Socket, shared: Shared<Tally>, plan: Arc<Plan>) -> Reader {
        let tally = &mut shared.lock().state;
        tally.orders.push(Order::default());
        tally.open += 1;
        let slot = tally.orders.len() - 1;
        Reader { socket, shared: shared.clone(), plan, slot, done_below: 0 }
    }

    pub(super) async fn run(mut self) {
        let ended = loop {
            if let Err(ended) = std::future::poll_fn(|cx| self.poll_texts(cx)).await {
                break ended;
            }
        };
        self.leave(ended);
    }

    pub(super) fn leave(self, ended: Ended) {
        self.plan.board.leave(self.done_below);
        let tally = &mut self.shared.lock().state;
        tally.open -= 1;
        tally.ended.note(ended);
        // What it misses from now on is not lost: its end is reported.
        tally.orders[self.slot] = Order::gone();
    }

    /// Handles what one read brings.
    pub(super) fn poll_texts(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        let shared = &mut *self.shared.lock();
        let bytes = ready!(self.socket.poll_read(cx, &mut shared.buffer))?;
        let now = self.plan.clock.now_ns();
        let (tally, out, plan) = (&mut shared.state, &mut shared.out, &*self.plan);
        let (slot, done_below) = (self.slot, &mut self.done_below);
        out.clear();
        self.socket.texts(&shared.buffer[..bytes], |text| {
            match tally.shape.number_in(text) {
                Some(number) => tally.delivery(slot, number, now, plan),
                None => tally.unusual(text, slot, now, plan, out),
            }
            let upto = tally.orders[slot].done_below().min(plan.board.published());
            (*done_below..upto).for_each(|number| plan.board.count_down(number));
            *done_below = upto.max(*done_below);
        })?;
        self.socket.send(out)?;
        Poll::Ready(Ok(()))
    }
}

impl Tally {
    #[inline]
    fn delivery(&mut self, slot: usize, number: u64, now_ns: u64, plan: &Plan) {
        if number >= plan.board.published() {
            self.unreadable.note(format!("a broadcast of this run that was never published: {number}"));
        } else if self.orders[slot].arrived(number, &mut self.faults) {
            self.latencies.record(now_ns.saturating_sub(plan.board.due_ns(number)));
        }
    }

    fn unusual(&mut self, text: &[u8], slot: usize, now_ns: u64, plan: &Plan, out: &mut Vec<u8>) {
        match message::decode(text) {
            Some(ServerMessage::Notification(Event::Broadcast(event))) => {
                let message: Option<&str> = serde_json::from_str(event.message.get()).ok();
                let number = message.and_then(|message| number_of(message, &plan.run));
                // Broadcasts of other clients do not count.
                if let Some(number) = number {
                    self.shape.learn(text, plan.run.as_bytes());
                    self.delivery(slot, number, now_ns, plan);
                }
            }
            Some(ServerMessage::Notification(Event::BroadcastGap(gap))) => {
                // Without a number nothing is known to be missing, so what does not arrive is a fault.
                self.orders[slot].gap(gap.missed.unwrap_or(0), &mut self.faults);
            }
            Some(ServerMessage::Error { id, error }) => {
                self.errors.note(error);
                // Only the publisher asks for anything; its ids are the numbers of the publishes.
                if let Some(number) = id.and_then(|id| message::number(id.as_bytes())) {
                    plan.board.refuse(number);
                }
            }
            None => self.unreadable.note(String::from_utf8_lossy(text)),
            Some(ServerMessage::Ping) => frame::text(out, PONG),
            _ => {}
        }
    }
}

fn number_of(message: &str, run: &str) -> Option<u64> {
    message::number(message.strip_prefix(run)?.as_bytes().get(..DIGITS)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_broadcasts_of_this_run_count() {
        let plan = Plan { clock: Clock::start(), board: Arc::new(Board::new(1)), run: "cafe0000".to_owned() };
        for due in 0..3 {
            plan.board.publish(due);
        }
        let mut tally = Tally::new();
        tally.orders.push(Order::default());
        let note = |message: &str| {
            format!(r#"{{"type":"notification","data":{{"event":"broadcast","message":"{message}"}}}}"#)
        };
        for message in
            ["cafe000000000000xx", "beef000000000001xx", "cafe0000", "cafe000000000001xx", "cafe000000000009xx"]
        {
            tally.unusual(note(message).as_bytes(), 0, 10, &plan, &mut Vec::new());
        }
        tally.unusual(br#"{"id":"1","type":"response","data":{}}"#, 0, 10, &plan, &mut Vec::new());
        assert_eq!((tally.latencies.count(), tally.faults), (2, Faults::default()));
        assert_eq!((tally.orders[0].done_below(), tally.unreadable.count), (2, 1));
        assert_eq!(tally.shape.number_in(note("cafe000000000002xx").as_bytes()), Some(2));
    }
}
