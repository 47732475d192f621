//! One connection that publishes to one channel and receives the acknowledgements.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::lanes::Shared;
use crate::socket::{Ended, Socket};

use super::answer::AnswerShape;
use super::plan::Plan;
use super::tally::{Read, Tally};

/// Answers come in the order of the requests (PROTOCOL, section 3).
pub(super) struct Publisher {
    socket: Socket,
    shared: Shared<Tally>,
    plan: Arc<Plan>,
    index: u64,
    /// Index of its track in the tally.
    slot: usize,
    /// When each unanswered publish was sent, the oldest first.
    sent: VecDeque<u64>,
    answered: u64,
    shape: AnswerShape,
}

impl Publisher {
    pub(super) fn new(socket: Socket, shared: Shared<Tally>, plan: Arc<Plan>, index: u64) -> Publisher {
        let slot = shared.lock().state.enter(plan.channel(index));
        let sent = VecDeque::with_capacity(plan.in_flight);
        Publisher { socket, shared, plan, index, slot, sent, answered: 0, shape: AnswerShape::default() }
    }

    pub(super) async fn run(mut self) {
        let ended = loop {
            if let Err(ended) = self.publish() {
                break ended;
            }
            if let Err(ended) = poll_fn(|cx| self.poll_answers(cx)).await {
                break ended;
            }
        };
        let mut shared = self.shared.lock();
        shared.state.open -= 1;
        shared.state.ended.note(ended);
    }

    /// Sends as many publishes as may be in flight, in one write.
    fn publish(&mut self) -> Result<(), Ended> {
        let shared = &mut *self.shared.lock();
        if !shared.state.stopping {
            let (now, room) = (self.plan.clock.now_ns(), self.plan.in_flight - self.sent.len());
            for _ in 0..room {
                let number = self.plan.number(self.index, self.answered + self.sent.len() as u64);
                self.plan.request.write_to(&mut shared.out, number, self.plan.channel(self.index));
                self.sent.push_back(now);
            }
            shared.state.unanswered += room as u64;
        }
        let sent = self.socket.send(&shared.out);
        shared.out.clear();
        sent
    }

    fn poll_answers(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        let shared = &mut *self.shared.lock();
        shared.out.clear();
        let bytes = ready!(self.socket.poll_read(cx, &mut shared.buffer))?;
        let now = self.plan.clock.now_ns();
        let (tally, out, plan) = (&mut shared.state, &mut shared.out, &*self.plan);
        let (sent, answered, shape) = (&mut self.sent, &mut self.answered, &mut self.shape);
        self.socket.texts(&shared.buffer[..bytes], |text| {
            let expected = plan.number(self.index, *answered);
            let read = match shape.read(text) {
                Some((number, accepted)) if number == expected => Read::Accepted(accepted),
                _ => tally.unusual(text, expected, shape, out),
            };
            if read == Read::Unrelated {
                return;
            }
            if let Some(at) = sent.pop_front() {
                *answered += 1;
                tally.unanswered -= 1;
                if let Read::Accepted(accepted) = read {
                    tally.accepted(self.slot, accepted, now.saturating_sub(at));
                }
            }
        })?;
        Poll::Ready(Ok(()))
    }
}
