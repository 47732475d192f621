//! A connection with subscriptions: it subscribes when it is its turn, receives and checks publications, and unsubscribes
//! when it is its turn.

use std::convert::Infallible;
use std::future::poll_fn;
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use serde_json::value::RawValue;
use ws_proto::action::SubscribeData;
use ws_proto::event::ChannelGap;
use ws_proto::{Event, ServerMessage};

use crate::channel::{Publication, PublicationShape};
use crate::frame;
use crate::lanes::Shared;
use crate::measure::{Complaints, Latencies};
use crate::message::{self, PONG};
use crate::request::Template;
use crate::socket::{Ended, Socket};

use super::super::order::{Faults, Order};
use super::plan::Plan;

/// Requests in flight per connection. More would fill the outbox of the server and be measured as memory of
/// subscriptions.
const ASKED_MAX: u64 = 16;

/// What the connections of one lane count together.
#[derive(Debug)]
pub(in crate::scenario) struct Tally {
    pub(in crate::scenario) latencies: Latencies,
    pub(super) faults: Faults,
    /// One for each subscription of this lane.
    tracks: Vec<Track>,
    pub(super) subscribed: u64,
    pub(super) unsubscribed: u64,
    pub(super) last_read_ns: u64,
    pub(super) errors: Complaints,
    pub(super) wrong: Complaints,
    pub(super) unreadable: Complaints,
    pub(super) ended: Complaints,
    shape: PublicationShape,
}

/// What one subscription has seen.
#[derive(Debug)]
struct Track {
    channel: u64,
    /// Publications of this run are numbered from 0 in each channel.
    order: Order,
    /// Offset of the publication before the first one.
    base: Option<u64>,
    /// Publications below this are counted down on the board.
    done_below: u64,
}

impl Tally {
    pub(in crate::scenario) fn new() -> Tally {
        Tally {
            latencies: Latencies::new(),
            faults: Faults::default(),
            tracks: Vec::new(),
            subscribed: 0,
            unsubscribed: 0,
            last_read_ns: 0,
            errors: Complaints::default(),
            wrong: Complaints::default(),
            unreadable: Complaints::default(),
            ended: Complaints::default(),
            shape: PublicationShape::default(),
        }
    }

    pub(super) fn missing(&self, plan: &Plan) -> u64 {
        let of = |track: &Track| plan.published_in(track.channel).saturating_sub(track.order.done_below());
        self.tracks.iter().map(of).sum()
    }

    /// Nothing more will arrive.
    pub(super) fn finish(&mut self, plan: &Plan) {
        for track in &mut self.tracks {
            track.order.finish(plan.published_in(track.channel), &mut self.faults);
        }
    }
}

/// One connection; the tracks of its subscriptions start at the index `slot` of the lane's tally.
pub(super) struct Reader {
    socket: Socket,
    shared: Shared<Tally>,
    plan: Arc<Plan>,
    view: View,
}

/// Where a connection's subscriptions are, and how many of its requests were answered.
#[derive(Debug)]
struct View {
    subscriptions: Range<u64>,
    slot: usize,
    answered: u64,
    subscribing: bool,
}

impl View {
    /// The index of the track of a channel, if this connection is subscribed to it.
    #[inline]
    fn slot_of(&self, channel: u64, channels: u64) -> Option<usize> {
        let first = self.subscriptions.start % channels;
        let nth = if channel >= first { channel - first } else { channel + channels - first };
        (channel < channels && nth < self.subscriptions.end - self.subscriptions.start)
            .then(|| self.slot + nth as usize)
    }
}

impl Reader {
    pub(super) fn new(socket: Socket, shared: Shared<Tally>, plan: Arc<Plan>, subscriptions: Range<u64>) -> Reader {
        let tracks = &mut shared.lock().state.tracks;
        let slot = tracks.len();
        let channels = subscriptions.clone().map(|subscription| subscription % plan.layout.channels);
        tracks.extend(channels.map(|channel| Track { channel, order: Order::default(), base: None, done_below: 0 }));
        let view = View { subscriptions, slot, answered: 0, subscribing: true };
        Reader { socket, shared: shared.clone(), plan, view }
    }

    pub(super) async fn run(mut self) {
        let ended = match self.work().await {
            Err(ended) => ended,
            Ok(never) => match never {},
        };
        // Publications in its channels can no longer be complete.
        self.plan.board.stop();
        let tally = &mut self.shared.lock().state;
        tally.ended.note(ended);
        // What it misses from now on is not lost: its end is reported.
        let subscriptions = (self.view.subscriptions.end - self.view.subscriptions.start) as usize;
        tally.tracks[self.view.slot..][..subscriptions].iter_mut().for_each(|track| track.order = Order::gone());
    }

    async fn work(&mut self) -> Result<Infallible, Ended> {
        let plan = self.plan.clone();
        for (turns, request) in [(&plan.subscribing, &plan.subscribe), (&plan.unsubscribing, &plan.unsubscribe)] {
            let mut turn = pin!(turns.acquire());
            let turn = loop {
                tokio::select! {
                    biased;
                    read = poll_fn(|cx| self.poll_texts(cx)) => read?,
                    turn = &mut turn => break turn,
                }
            };
            self.ask(request).await?;
            drop(turn);
            self.view.subscribing = false;
        }
        loop {
            poll_fn(|cx| self.poll_texts(cx)).await?;
        }
    }

    /// Sends a request for each subscription and waits for the answers.
    async fn ask(&mut self, request: &Template) -> Result<(), Ended> {
        let (first, wanted) =
            (self.view.subscriptions.start, self.view.subscriptions.end - self.view.subscriptions.start);
        let mut asked = 0;
        self.view.answered = 0;
        while self.view.answered < wanted {
            {
                let out = &mut self.shared.lock().out;
                out.clear();
                let upto = wanted.min(self.view.answered + ASKED_MAX);
                (asked..upto).for_each(|nth| request.write_to(out, nth, (first + nth) % self.plan.layout.channels));
                asked = upto;
                self.socket.send(out)?;
            }
            poll_fn(|cx| self.poll_texts(cx)).await?;
        }
        Ok(())
    }

    /// Handles what one read brings.
    fn poll_texts(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        let shared = &mut *self.shared.lock();
        let bytes = ready!(self.socket.poll_read(cx, &mut shared.buffer))?;
        let now = self.plan.clock.now_ns();
        let (tally, out, plan, view) = (&mut shared.state, &mut shared.out, &*self.plan, &mut self.view);
        tally.last_read_ns = now;
        out.clear();
        self.socket.texts(&shared.buffer[..bytes], |text| match tally.shape.read(text) {
            Some(publication) => tally.delivery(&publication, view, now, plan),
            None => tally.unusual(text, view, now, plan, out),
        })?;
        self.socket.send(out)?;
        Poll::Ready(Ok(()))
    }
}

impl Tally {
    #[inline]
    fn delivery(&mut self, publication: &Publication, view: &View, now_ns: u64, plan: &Plan) {
        let Publication { channel, offset, number } = *publication;
        let channels = plan.layout.channels;
        let slot = view.slot_of(channel, channels);
        let Some(slot) = slot.filter(|_| number < plan.board.published() && number % channels == channel) else {
            return self.unreadable.note(format!("a publication that this subscription never had: {publication:?}"));
        };
        let (track, sequence) = (&mut self.tracks[slot], number / channels);
        if track.order.arrived(sequence, &mut self.faults) {
            self.latencies.record(now_ns.saturating_sub(plan.board.due_ns(number)));
        }
        let expected = track.base.map(|base| base.saturating_add(1 + sequence));
        // What was refused took no offset.
        if offset != expected && plan.board.refused() == 0 {
            self.wrong.note(format!("publication {sequence} of a channel has offset {offset:?}, not {expected:?}"));
        }
        track.count_down(plan);
    }

    fn unusual(&mut self, text: &[u8], view: &mut View, now_ns: u64, plan: &Plan, out: &mut Vec<u8>) {
        match message::decode(text) {
            Some(ServerMessage::Notification(Event::Publication(event))) => {
                if let Some(publication) = plan.names.publication(&event.channel, event.offset, event.data) {
                    self.shape.learn(text, &plan.names);
                    self.delivery(&publication, view, now_ns, plan);
                }
            }
            Some(ServerMessage::Notification(Event::ChannelGap(gap))) => {
                let channel = plan.names.channel(&gap.channel);
                if let Some(slot) = channel.and_then(|channel| view.slot_of(channel, plan.layout.channels)) {
                    self.gap(slot, &gap, plan);
                }
            }
            Some(ServerMessage::Response { id, data }) => self.answer(message::number(id.as_bytes()), data, view),
            Some(ServerMessage::Error { error, .. }) => {
                self.errors.note(error);
                view.answered += 1;
            }
            None => self.unreadable.note(String::from_utf8_lossy(text)),
            Some(ServerMessage::Ping) => frame::text(out, PONG),
            _ => {}
        }
    }

    fn answer(&mut self, id: Option<u64>, data: &RawValue, view: &mut View) {
        // Answers come in the order of the requests (PROTOCOL, section 3).
        if id != Some(view.answered) {
            self.wrong.note(format!("answer {id:?} instead of {}", view.answered));
        }
        if view.subscribing {
            match serde_json::from_str::<SubscribeData<'_>>(data.get()) {
                Ok(answer) => self.tracks[view.slot + view.answered as usize].base = answer.offset,
                Err(error) => self.wrong.note(format!("answer not understood: {error}: {data}")),
            }
            self.subscribed += 1;
        } else {
            self.unsubscribed += 1;
        }
        view.answered += 1;
    }

    fn gap(&mut self, slot: usize, gap: &ChannelGap<'_>, plan: &Plan) {
        let track = &mut self.tracks[slot];
        let missed = gap.from.zip(gap.to).map_or(0, |(from, to)| to.saturating_add(1).saturating_sub(from));
        track.order.gap(missed, &mut self.faults);
        track.count_down(plan);
    }
}

impl Track {
    /// Counts down on the board what this subscription no longer waits for.
    #[inline]
    fn count_down(&mut self, plan: &Plan) {
        let upto = self.order.done_below().min(plan.published_in(self.channel));
        (self.done_below..upto)
            .for_each(|sequence| plan.board.count_down(sequence * plan.layout.channels + self.channel));
        self.done_below = upto.max(self.done_below);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::plan::Layout;
    use super::*;

    /// A subscription to each of two channels, both at offset 7, and `published` publications.
    fn subscribed(published: u64) -> (Tally, View, Plan) {
        let plan = Plan::new(Layout { channels: 2, subscribers: 1, per_connection: 2 }, None, 16, None);
        for due in 0..published {
            plan.board.publish(due);
        }
        let (mut tally, mut view) =
            (Tally::new(), View { subscriptions: 0..2, slot: 0, answered: 0, subscribing: true });
        for channel in 0..2 {
            tally.tracks.push(Track { channel, order: Order::default(), base: None, done_below: 0 });
            let id = format!("{channel:08x}");
            let response =
                json!({"id": id, "type": "response", "data": {"channel": "c", "epoch": "e", "offset": 7}}).to_string();
            tally.unusual(response.as_bytes(), &mut view, 1, &plan, &mut Vec::new());
        }
        assert_eq!((tally.subscribed, tally.wrong.count), (2, 0));
        (tally, view, plan)
    }

    fn event(event: &str, channel: &str, fields: serde_json::Value) -> Vec<u8> {
        let mut data = json!({"event": event, "channel": channel});
        data.as_object_mut().expect("object").extend(fields.as_object().expect("object").clone());
        json!({"type": "notification", "data": data}).to_string().into_bytes()
    }

    /// Delivers (number, channel, offset) in turn; 9 stands for nothing that was published.
    fn after(published: u64, deliveries: &[(u64, u64, u64)]) -> (Tally, View, Plan) {
        let (mut tally, mut view, plan) = subscribed(published);
        for (number, channel, offset) in deliveries {
            let data = format!("{}{number:08x}", plan.names.mark());
            let text =
                event("publication", &plan.names.name(*channel), json!({"offset": offset, "data": data, "time": 1}));
            tally.unusual(&text, &mut view, 1, &plan, &mut Vec::new());
        }
        (tally, view, plan)
    }

    #[track_caller]
    fn check(published: u64, deliveries: &[(u64, u64, u64)], faults: Faults, wrong: u64, unreadable: u64) {
        let (mut tally, _, plan) = after(published, deliveries);
        tally.finish(&plan);
        assert_eq!((tally.faults, tally.wrong.count, tally.unreadable.count), (faults, wrong, unreadable));
    }

    #[test]
    fn every_channel_is_judged_by_itself() {
        check(3, &[(0, 0, 8), (1, 1, 8), (2, 0, 9)], Faults::default(), 0, 0);
        check(3, &[(1, 1, 8), (0, 0, 8), (2, 0, 9)], Faults::default(), 0, 0);
        check(3, &[(0, 0, 8), (1, 1, 8)], Faults { lost: 1, ..Faults::default() }, 0, 0);
        check(2, &[(0, 0, 8), (0, 0, 8), (1, 1, 8)], Faults { duplicated: 1, ..Faults::default() }, 0, 0);
        check(2, &[(0, 0, 8), (1, 1, 9)], Faults::default(), 1, 0);
        check(2, &[(0, 0, 8), (1, 0, 8), (9, 1, 8)], Faults { lost: 1, ..Faults::default() }, 0, 2);
    }

    #[test]
    fn what_arrived_everywhere_is_outstanding_no_more() {
        let (tally, _, plan) = after(3, &[(0, 0, 8), (1, 1, 8)]);
        assert_eq!((plan.board.outstanding(), tally.missing(&plan), tally.latencies.count()), (1, 1, 2));
    }

    #[test]
    fn what_a_gap_announces_is_not_lost() {
        let (mut tally, mut view, plan) = after(3, &[(1, 1, 8)]);
        let gap = event("gap", &plan.names.name(0), json!({"from": 8, "to": 9}));
        tally.unusual(&gap, &mut view, 1, &plan, &mut Vec::new());
        tally.finish(&plan);
        assert_eq!(tally.faults, Faults { gaps: 1, missed: 2, ..Faults::default() });
        assert_eq!(plan.board.outstanding(), 0);
    }
}
