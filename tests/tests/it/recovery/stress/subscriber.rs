//! A subscriber: it subscribes to some channels at some time, loses its connection in every possible way, and comes back
//! with its last positions until it has seen the end of each channel.

use std::sync::Arc;

use serde_json::value::RawValue;
use tokio::time::sleep;
use ws_tests::prelude::*;

use super::super::stream::{Begin, Stream};
use super::chance::Chance;
use super::socket::{Said, Socket};
use super::world::World;

/// How often a waiting subscriber checks how much has been published.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What happens to a subscriber that has read for a while.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// Its socket is closed without a close frame.
    Drop,
    /// Its connection is reset.
    Reset,
    /// It sends a close frame, and reads to the end.
    Close,
    /// It reads nothing until more has been published.
    Pause,
    /// It leaves a channel and comes back to it.
    Rejoin,
}

const TURNS: [Turn; 5] = [Turn::Drop, Turn::Reset, Turn::Close, Turn::Pause, Turn::Rejoin];

/// Takes part until the end.
pub(super) async fn run(world: Arc<World>, nth: usize) {
    let mut chance = Chance::new(!world.scale.seed, nth);
    let (channels, joined) = (world.scale.channels, 2 + chance.below(2) as usize);
    let channels = chance.some_of(channels, joined);
    let streams: Vec<_> = channels.iter().map(|channel| world.stream(*channel)).collect();
    let begun = vec![false; joined];
    let mut subscriber = Subscriber { world, chance, channels, streams, begun, deliveries: 0, recoveries: 0 };
    subscriber.later(2).await;
    while !subscriber.is_done() {
        let socket = Socket::connect(subscriber.world.addr).await;
        subscriber.session(socket).await;
    }
    subscriber.world.count(subscriber.deliveries, subscriber.recoveries, &subscriber.streams);
}

#[derive(Debug)]
struct Subscriber {
    world: Arc<World>,
    chance: Chance,
    channels: Vec<usize>,
    streams: Vec<Stream>,
    /// In which of them it has a position.
    begun: Vec<bool>,
    deliveries: u64,
    recoveries: u64,
}

/// One connection of a subscriber.
#[derive(Debug)]
struct Session {
    socket: Socket,
    /// How each subscription without an answer begins.
    asked: Vec<Option<Begin>>,
    subscribed: Vec<bool>,
}

impl Subscriber {
    fn is_done(&self) -> bool {
        self.begun.iter().all(|begun| *begun) && (0..self.channels.len()).all(|at| self.is_at_end(at))
    }

    fn is_at_end(&self, at: usize) -> bool {
        self.streams[at].last() == self.world.total(self.channels[at])
    }

    /// Waits until a random part of `1 / part` of all that is still to come has been published.
    async fn later(&mut self, part: u64) {
        let all: u64 = (0..self.world.scale.channels).map(|channel| self.world.total(channel)).sum();
        let now = self.world.sent_in_all();
        let then = now + self.chance.below((all - now) / part + 1);
        let world = &self.world;
        within("publishers to go on", async {
            while world.sent_in_all() < then {
                sleep(LOOK_EVERY).await;
            }
        })
        .await;
    }

    async fn session(&mut self, socket: Socket) {
        let count = self.channels.len();
        let mut session = Session { socket, asked: vec![None; count], subscribed: vec![false; count] };
        for at in 0..count {
            self.ask(&mut session, at).await;
        }
        loop {
            let mut left = 1 + self.chance.below(1500);
            while left > 0 && !self.is_done() {
                self.read(&mut session).await;
                left -= 1;
            }
            // Closes at the end: nothing more may come.
            let turn = if self.is_done() { Turn::Close } else { TURNS[self.chance.below(5) as usize] };
            match turn {
                Turn::Drop => return,
                Turn::Reset => return session.socket.reset(),
                Turn::Close => {
                    session.socket.close().await;
                    while self.read(&mut session).await {}
                    return;
                }
                Turn::Pause => self.later(20).await,
                Turn::Rejoin => self.rejoin(&mut session).await,
            }
        }
    }

    async fn ask(&mut self, session: &mut Session, at: usize) {
        let begin = match self.chance.below(4) {
            _ if self.begun[at] => Begin::Since,
            // From the beginning, which is offset 0 of a known epoch.
            0 | 1 => Begin::Since,
            2 => Begin::Rewind(self.chance.below(200)),
            _ => Begin::Now,
        };
        self.recoveries += u64::from(matches!(begin, Begin::Since));
        let payload = self.streams[at].payload(begin);
        session.socket.send(&at.to_string(), "subscribe", payload).await;
        session.asked[at] = Some(begin);
    }

    /// Unsubscribes from a channel, checks that nothing more of it comes, and subscribes again.
    async fn rejoin(&mut self, session: &mut Session) {
        let at = self.chance.below(self.channels.len() as u64) as usize;
        while session.asked[at].is_some() {
            self.read(session).await;
        }
        session.socket.send("leave", "unsubscribe", json!({"channel": self.streams[at].channel()})).await;
        while session.subscribed[at] {
            match session.socket.next().await {
                Said::Response { id, .. } if id == "leave" => session.subscribed[at] = false,
                said => assert!(self.take(session, said), "nobody closes here"),
            }
        }
        self.ask(session, at).await;
    }

    /// Reads one message; false at the end.
    async fn read(&mut self, session: &mut Session) -> bool {
        let said = session.socket.next().await;
        self.take(session, said)
    }

    fn take(&mut self, session: &mut Session, said: Said) -> bool {
        match said {
            Said::Response { id, data } => self.answered(session, &id, &data),
            Said::Publication { channel, offset, data } => {
                let at = self.at(session, channel);
                self.streams[at].publication(offset);
                self.world.agree(channel, offset, data);
                self.deliveries += 1;
            }
            Said::Gap { channel, from, to } => {
                let at = self.at(session, channel);
                self.streams[at].gap(from, to, self.world.sent(channel));
            }
            Said::Closed => return false,
        }
        true
    }

    fn answered(&mut self, session: &mut Session, id: &str, data: &RawValue) {
        let at: usize = id.parse().expect("an id of this subscriber");
        let begin = session.asked[at].take().expect("one answer to each request");
        let data = serde_json::from_str(data.get()).unwrap_or_else(|error| panic!("{error}: {data}"));
        self.streams[at].subscribed(begin, &data, self.world.sent(self.channels[at]));
        (self.begun[at], session.subscribed[at]) = (true, true);
    }

    /// The index of a channel among the subscribed ones.
    fn at(&self, session: &Session, channel: usize) -> usize {
        let at = self.channels.iter().position(|own| *own == channel).expect("one of its channels");
        assert!(session.subscribed[at], "something of channel {channel}, to which it is not subscribed");
        at
    }
}
