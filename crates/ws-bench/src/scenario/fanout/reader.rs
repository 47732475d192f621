//! What every connection of `fanout` does: take in the broadcasts of this run, and judge them.

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
    /// What the messages of this run begin with; their number follows.
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

/// One connection; `place` is that of its [`Order`] in the lane.
pub(super) struct Reader {
    pub(super) socket: Socket,
    pub(super) seat: Shared<Tally>,
    pub(super) plan: Arc<Plan>,
    place: usize,
    /// Numbers below are settled on the board.
    settled: u64,
}

impl Reader {
    pub(super) fn new(socket: Socket, seat: Shared<Tally>, plan: Arc<Plan>) -> Reader {
        let tally = &mut seat.lock().state;
        tally.orders.push(Order::default());
        tally.open += 1;
        let place = tally.orders.len() - 1;
        Reader { socket, seat: seat.clone(), plan, place, settled: 0 }
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
        self.plan.board.leave(self.settled);
        let tally = &mut self.seat.lock().state;
        tally.open -= 1;
        tally.ended.note(ended);
        // What it missed from now on is no loss: its end is reported.
        tally.orders[self.place] = Order::gone();
    }

    /// Takes in what one read brings.
    pub(super) fn poll_texts(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        let seat = &mut *self.seat.lock();
        let bytes = ready!(self.socket.poll_read(cx, &mut seat.buffer))?;
        let now = self.plan.clock.now_ns();
        let (tally, out, plan) = (&mut seat.state, &mut seat.out, &*self.plan);
        let (place, settled) = (self.place, &mut self.settled);
        out.clear();
        self.socket.texts(&seat.buffer[..bytes], |text| {
            match tally.shape.number_in(text) {
                Some(number) => tally.delivery(place, number, now, plan),
                None => tally.unusual(text, place, now, plan, out),
            }
            let upto = tally.orders[place].settled().min(plan.board.published());
            (*settled..upto).for_each(|number| plan.board.settle(number));
            *settled = upto.max(*settled);
        })?;
        self.socket.send(out)?;
        Poll::Ready(Ok(()))
    }
}

impl Tally {
    #[inline]
    fn delivery(&mut self, place: usize, number: u64, now_ns: u64, plan: &Plan) {
        if number >= plan.board.published() {
            self.unreadable.note(format!("a broadcast of this run that was never published: {number}"));
        } else if self.orders[place].arrived(number, &mut self.faults) {
            self.latencies.record(now_ns.saturating_sub(plan.board.due_ns(number)));
        }
    }

    fn unusual(&mut self, text: &[u8], place: usize, now_ns: u64, plan: &Plan, out: &mut Vec<u8>) {
        match message::decode(text) {
            Some(ServerMessage::Notification(Event::Broadcast(event))) => {
                let message: Option<&str> = serde_json::from_str(event.message.get()).ok();
                let number = message.and_then(|message| number_of(message, &plan.run));
                // Somebody else's broadcast is none of ours.
                if let Some(number) = number {
                    self.shape.learn(text, plan.run.as_bytes());
                    self.delivery(place, number, now_ns, plan);
                }
            }
            Some(ServerMessage::Notification(Event::BroadcastGap(gap))) => {
                self.orders[place].gap(gap.missed, &mut self.faults);
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
        assert_eq!((tally.orders[0].settled(), tally.unreadable.count), (2, 1));
        assert_eq!(tally.shape.number_in(note("cafe000000000002xx").as_bytes()), Some(2));
    }
}
