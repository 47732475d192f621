//! A publisher: it is subscribed to the channels in which it publishes, and publishes as fast as it gets its publications back.

use std::collections::VecDeque;
use std::sync::Arc;

use ws_proto::action::PublishData;
use ws_tests::prelude::*;

use super::super::stream::{Begin, Stream};
use super::socket::{Said, Socket};
use super::world::{World, data, publishes_in};

/// How many publications may not have come back yet.
const IN_FLIGHT: usize = 8;

/// Publishes its share.
pub(super) async fn run(world: Arc<World>, nth: usize) {
    let mut publisher = Publisher {
        socket: Socket::connect(world.addr).await,
        streams: Vec::new(),
        channels: publishes_in(world.scale, nth),
        unanswered: VecDeque::new(),
        unseen: Vec::new(),
        deliveries: 0,
        world,
        nth,
    };
    publisher.subscribe().await;
    for next in 0..publisher.world.plan[nth].len() {
        while publisher.unanswered.len() + publisher.unseen.len() >= IN_FLIGHT {
            publisher.socket.flush().await;
            publisher.read().await;
        }
        publisher.publish(next).await;
    }
    publisher.socket.flush().await;
    let world = publisher.world.clone();
    let at_end = |publisher: &Publisher, at: usize| publisher.streams[at].last() == world.total(publisher.channels[at]);
    while !publisher.unanswered.is_empty() || !(0..2).all(|at| at_end(&publisher, at)) {
        publisher.read().await;
    }
    assert!(publisher.unseen.is_empty(), "{:?}", publisher.unseen);
    world.count(publisher.deliveries, 0, &publisher.streams);
}

#[derive(Debug)]
struct Publisher {
    world: Arc<World>,
    nth: usize,
    socket: Socket,
    channels: [usize; 2],
    streams: Vec<Stream>,
    /// Channels and numbers of publications without an answer.
    unanswered: VecDeque<(usize, usize)>,
    /// Channels and offsets of publications that were answered and have not come back.
    unseen: Vec<(usize, u64)>,
    deliveries: u64,
}

impl Publisher {
    async fn subscribe(&mut self) {
        for channel in self.channels {
            let mut stream = self.world.stream(channel);
            self.socket.send("s", "subscribe", stream.payload(Begin::Now)).await;
            let answer = loop {
                match self.socket.next().await {
                    Said::Response { data, .. } => break data,
                    said => self.event(said),
                }
            };
            let answer = serde_json::from_str(answer.get()).expect("the answer's shape");
            stream.subscribed(Begin::Now, &answer, self.world.sent(channel));
            self.streams.push(stream);
        }
    }

    async fn publish(&mut self, next: usize) {
        let channel = self.world.plan[self.nth][next];
        self.world.send(channel);
        let at = self.at(channel);
        let payload = json!({"channel": self.streams[at].channel(), "data": data(self.nth, next)});
        self.socket.feed("p", "publish", payload).await;
        self.unanswered.push_back((channel, next));
    }

    async fn read(&mut self) {
        match self.socket.next().await {
            Said::Response { data: answer, .. } => {
                let answer: PublishData<'_> = serde_json::from_str(answer.get()).expect("the answer's shape");
                let offset = answer.offset.expect("an offset");
                let (channel, next) = self.unanswered.pop_front().expect("one answer to each request");
                assert!(!answer.duplicate);
                self.world.agree(channel, offset, data(self.nth, next));
                self.unseen.push((self.at(channel), offset));
            }
            said => self.event(said),
        }
        self.unseen.retain(|(at, offset)| *offset > self.streams[*at].last());
    }

    fn event(&mut self, said: Said) {
        match said {
            Said::Publication { channel, offset, data } => {
                let at = self.at(channel);
                self.streams[at].publication(offset);
                self.world.agree(channel, offset, data);
                self.deliveries += 1;
            }
            Said::Gap { channel, from, to } => {
                let at = self.at(channel);
                self.streams[at].gap(from, to, self.world.sent(channel));
            }
            said => panic!("{said:?}"),
        }
    }

    fn at(&self, channel: usize) -> usize {
        self.channels.iter().position(|own| *own == channel).expect("one of its channels")
    }
}
