//! The two visits of a client. First: subscribe, note the position, disconnect. Second: subscribe from there, catch up,
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

/// Enough for what a server sends before it ends the connection.
const CLOSING_BUFFER_BYTES: usize = 1024;

pub(super) fn shared(lanes: &Lanes<Tally>) -> Vec<Shared<Tally>> {
    (0..lanes.count()).map(|lane| lanes.shared(lane).clone()).collect()
}

/// The first visit of client `index`.
pub(super) async fn first(mut socket: Socket, shared: Shared<Tally>, plan: Arc<Plan>, index: usize) {
    let channel = index as u64 % plan.channels;
    if let Err(ended) = stay(&mut socket, &shared, &plan, (index, channel)).await {
        return shared.lock().state.ended.note(ended);
    }
    socket.close(&mut vec![0; CLOSING_BUFFER_BYTES]).await;
    shared.lock().state.left += 1;
}

/// Subscribes, notes the position and listens until it is time to go.
async fn stay(
    socket: &mut Socket,
    shared: &Shared<Tally>,
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
            read = poll_fn(|cx| poll_position(socket, shared, index, cx)) => read?,
            _ = &mut leaving => return Ok(()),
        }
    }
}

/// Handles what one read brings, mainly the position.
fn poll_position(
    socket: &mut Socket,
    shared: &Shared<Tally>,
    index: usize,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Ended>> {
    let shared = &mut *shared.lock();
    let bytes = ready!(socket.poll_read(cx, &mut shared.buffer))?;
    let (tally, out) = (&mut shared.state, &mut shared.out);
    out.clear();
    socket.texts(&shared.buffer[..bytes], |text| match message::decode(text) {
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

/// A client that has reconnected; `slot` is the index of its [`CatchUp`] in the lane.
struct Returned {
    socket: Socket,
    shared: Shared<Tally>,
    plan: Arc<Plan>,
    channel: u64,
    slot: usize,
    subscribed_ns: u64,
    done: bool,
}

/// The second visit of client `index`.
pub(super) async fn second(socket: Socket, shared: Shared<Tally>, plan: Arc<Plan>, index: usize) {
    let (position, slot) = {
        let tally = &mut shared.lock().state;
        // Every client has one: the first visit ended with that.
        let Some(position) = tally.positions.get(&index).cloned() else { return };
        tally.returned.push(CatchUp::new(position.clone(), plan.publications));
        (position, tally.returned.len() - 1)
    };
    let channel = index as u64 % plan.channels;
    let mut client = Returned { socket, shared, plan, channel, slot, subscribed_ns: 0, done: false };
    let Err(ended) = client.catch_up(&position).await;
    let tally = &mut client.shared.lock().state;
    if !client.done {
        tally.returned[slot].fail(format!("connection ended: {ended}"));
        tally.done += 1;
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

    /// Handles what one read brings.
    fn poll_texts(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        let shared = &mut *self.shared.lock();
        let bytes = ready!(self.socket.poll_read(cx, &mut shared.buffer))?;
        let now = self.plan.clock.now_ns();
        let (tally, out, plan, slot) = (&mut shared.state, &mut shared.out, &*self.plan, self.slot);
        out.clear();
        self.socket.texts(&shared.buffer[..bytes], |text| match tally.shape.read(text) {
            Some(found) if found.channel == self.channel => {
                tally.delivered += 1;
                tally.returned[slot].publication(found.offset, found.number / plan.channels);
            }
            _ => tally.unusual(text, slot, self.channel, plan, out),
        })?;
        if !self.done && tally.returned[slot].is_caught_up() {
            self.done = true;
            tally.done += 1;
            tally.latencies.record(now.saturating_sub(self.subscribed_ns));
            tally.last_caught_up_ns = tally.last_caught_up_ns.max(now);
        }
        Poll::Ready(self.socket.send(out))
    }
}

impl Tally {
    fn unusual(&mut self, text: &[u8], slot: usize, channel: u64, plan: &Plan, out: &mut Vec<u8>) {
        let client = &mut self.returned[slot];
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
