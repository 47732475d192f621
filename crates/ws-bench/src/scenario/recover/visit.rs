//! The two visits of a client: subscribe, note the position, go; and: subscribe from there, catch up,
//! stay until the end.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ws_proto::action::SubscribeData;
use ws_proto::{Event, Position, ServerMessage};

use crate::frame;
use crate::lanes::{Lanes, Shared};
use crate::message::{self, PONG};
use crate::request::{Template, subscribe_since};
use crate::socket::{Ended, Socket};

use super::catch_up::CatchUp;
use super::plan::Plan;
use super::tally::Tally;

/// Enough to receive what a server says before it hangs up.
const CLOSING_BUFFER_BYTES: usize = 1024;

pub(super) fn seats(lanes: &Lanes<Tally>) -> Vec<Shared<Tally>> {
    (0..lanes.count()).map(|lane| lanes.seat(lane).clone()).collect()
}

/// The first visit of client `index`.
pub(super) async fn first(mut socket: Socket, seat: Shared<Tally>, plan: Arc<Plan>, index: usize) {
    let channel = index as u64 % plan.channels;
    if let Err(ended) = stay(&mut socket, &seat, &plan, (index, channel)).await {
        return seat.lock().state.ended.note(ended);
    }
    socket.close(&mut vec![0; CLOSING_BUFFER_BYTES]).await;
    seat.lock().state.left += 1;
}

/// Subscribes, notes the position and listens until it is time to go.
async fn stay(
    socket: &mut Socket,
    seat: &Shared<Tally>,
    plan: &Plan,
    (index, channel): (usize, u64),
) -> Result<(), Ended> {
    let mut request = Vec::new();
    Template::subscribe(&plan.names).write_to(&mut request, 0, channel);
    socket.send(&request)?;
    drop(request);
    let mut leaving = pin!(plan.leaving.acquire());
    loop {
        tokio::select! {
            biased;
            read = poll_fn(|cx| poll_position(socket, seat, index, cx)) => read?,
            _ = &mut leaving => return Ok(()),
        }
    }
}

/// Takes in what one read brings, the position above all.
fn poll_position(
    socket: &mut Socket,
    seat: &Shared<Tally>,
    index: usize,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Ended>> {
    let seat = &mut *seat.lock();
    let bytes = ready!(socket.poll_read(cx, &mut seat.buffer))?;
    let (tally, out) = (&mut seat.state, &mut seat.out);
    out.clear();
    socket.texts(&seat.buffer[..bytes], |text| match message::decode(text) {
        Some(ServerMessage::Response { data, .. }) => match serde_json::from_str(data.get()) {
            Ok(SubscribeData { epoch: Some(epoch), offset: Some(offset), .. }) => {
                tally.positions.insert(index, Position { epoch, offset });
            }
            _ => tally.errors.note("the answer has no epoch and offset: a namespace without history?"),
        },
        Some(ServerMessage::Error { error, .. }) => tally.errors.note(error),
        Some(ServerMessage::Ping) => frame::text(out, PONG),
        _ => {}
    })?;
    Poll::Ready(socket.send(out))
}

/// A client that came back; `place` is that of its [`CatchUp`] in the lane.
struct Returned {
    socket: Socket,
    seat: Shared<Tally>,
    plan: Arc<Plan>,
    channel: u64,
    place: usize,
    subscribed_ns: u64,
    settled: bool,
}

/// The second visit of client `index`.
pub(super) async fn second(socket: Socket, seat: Shared<Tally>, plan: Arc<Plan>, index: usize) {
    let (position, place) = {
        let tally = &mut seat.lock().state;
        // Every client has one: the first visit ended with that.
        let Some(position) = tally.positions.get(&index).cloned() else { return };
        tally.returned.push(CatchUp::new(position.clone(), plan.publications));
        (position, tally.returned.len() - 1)
    };
    let channel = index as u64 % plan.channels;
    let mut client = Returned { socket, seat, plan, channel, place, subscribed_ns: 0, settled: false };
    let Err(ended) = client.catch_up(&position).await;
    let tally = &mut client.seat.lock().state;
    if !client.settled {
        tally.returned[place].fail(format!("connection ended: {ended}"));
        tally.settled += 1;
    }
    tally.ended.note(ended);
}

impl Returned {
    async fn catch_up(&mut self, position: &Position<'_>) -> Result<std::convert::Infallible, Ended> {
        let mut request = Vec::new();
        subscribe_since(&mut request, &self.plan.names.name(self.channel), position);
        self.subscribed_ns = self.plan.clock.now_ns();
        self.socket.send(&request)?;
        loop {
            poll_fn(|cx| self.poll_texts(cx)).await?;
        }
    }

    /// Takes in what one read brings.
    fn poll_texts(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        let seat = &mut *self.seat.lock();
        let bytes = ready!(self.socket.poll_read(cx, &mut seat.buffer))?;
        let now = self.plan.clock.now_ns();
        let (tally, out, plan, place) = (&mut seat.state, &mut seat.out, &*self.plan, self.place);
        out.clear();
        self.socket.texts(&seat.buffer[..bytes], |text| match tally.shape.read(text) {
            Some(found) if found.channel == self.channel => {
                tally.delivered += 1;
                tally.returned[place].publication(found.offset, found.number / plan.channels);
            }
            _ => tally.unusual(text, place, self.channel, plan, out),
        })?;
        if !self.settled && tally.returned[place].is_caught_up() {
            self.settled = true;
            tally.settled += 1;
            tally.latencies.record(now.saturating_sub(self.subscribed_ns));
            tally.last_caught_up_ns = tally.last_caught_up_ns.max(now);
        }
        Poll::Ready(self.socket.send(out))
    }
}

impl Tally {
    fn unusual(&mut self, text: &[u8], place: usize, channel: u64, plan: &Plan, out: &mut Vec<u8>) {
        let client = &mut self.returned[place];
        match message::decode(text) {
            Some(ServerMessage::Notification(Event::Publication(event))) => {
                match plan.names.publication(&event.channel, event.offset, event.data) {
                    Some(found) if found.channel == channel => {
                        self.shape.learn(text, &plan.names);
                        self.delivered += 1;
                        client.publication(event.offset, found.number / plan.channels);
                    }
                    _ => client.fail(format!("a publication of another channel or run: {}", event.channel)),
                }
            }
            Some(ServerMessage::Response { data, .. }) => match serde_json::from_str(data.get()) {
                Ok(answer) => client.answer(&answer),
                Err(error) => client.fail(format!("answer not understood: {error}: {data}")),
            },
            Some(ServerMessage::Notification(Event::ChannelGap(gap))) => client.gap(gap.from.zip(gap.to)),
            Some(ServerMessage::Error { error, .. }) => client.fail(error.to_string()),
            None => client.fail(format!("not understood: {}", String::from_utf8_lossy(text))),
            Some(ServerMessage::Ping) => frame::text(out, PONG),
            _ => {}
        }
    }
}
