//! Everything that the machine knows. What it does with it is in the other files, one part in each.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::channel::Channel;
use super::clock::Clock;
use super::link::{Asked, Flight, Link, Phase, Store, Token};
use super::options::Options;
use super::outbox::Outbox;
use super::output::{Output, Status};
use super::pace::Pace;
use super::problem::Problem;
use super::random::Random;
use super::spread::Spread;

/// The state machine of a client: `(input, now, random) → outputs`, see docs/CLIENTS.md. Call
/// [`step`](Machine::step) for everything that happens, and carry out what it returns.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(super) options: Options,
    pub(super) clock: Clock,
    pub(super) random: Random,
    pub(super) out: Vec<Output>,

    pub(super) phase: Phase,
    pub(super) link: Option<Link>,
    pub(super) attempt: u64,
    pub(super) spread: Spread,
    /// When to come back after `draining`.
    pub(super) slot: Option<u64>,
    /// The last connection ended with 4002.
    pub(super) was_expired: bool,
    /// The socket was made anew because a refresh was refused.
    pub(super) was_remade: bool,
    pub(super) error: Option<Problem>,
    /// What the server's clock is ahead of ours, in ms.
    pub(super) server_ahead: i64,
    /// The user of the last connection, to whom entries and positions belong.
    pub(super) user: Option<Option<String>>,
    pub(super) woken_at: Option<u64>,
    /// Until when a closing client goes on.
    pub(super) closing: Option<u64>,
    pub(super) is_hidden: bool,

    pub(super) pace: Pace,
    pub(super) flights: BTreeMap<u64, Flight>,
    pub(super) next_id: u64,
    pub(super) requests: VecDeque<Asked>,

    pub(super) channels: Channels,
    pub(super) outbox: Outbox,
    pub(super) token: Token,

    pub(super) store: Store,
    pub(super) store_error: Option<Problem>,
    pub(super) op: Option<Op>,
    pub(super) next_op: u64,
    /// When positions may be saved again.
    pub(super) save_at: u64,

    pub(super) told: Told,
}

/// What the store was asked to do and has not answered.
#[derive(Debug)]
pub(super) struct Op {
    pub(super) op: u64,
    pub(super) answer_by: u64,
}

/// What the shell was told last.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) status: Option<Status>,
    pub(super) pending: u64,
    pub(super) is_closed: bool,
    /// How many were left at the end.
    pub(super) unsent: u64,
}

/// Channels, in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Channels {
    pub(super) by_seq: BTreeMap<u64, Channel>,
    by_name: HashMap<String, u64>,
    of_reader: HashMap<u64, u64>,
    next: u64,
    /// Those whose state may have changed.
    pub(super) dirty: std::collections::BTreeSet<u64>,
    /// What was told of each.
    pub(super) told: HashMap<u64, (super::output::ChannelState, Option<Problem>)>,
}

impl Channels {
    pub(super) fn seq(&self, name: &str) -> Option<u64> {
        self.by_name.get(name).copied()
    }

    pub(super) fn seq_of_reader(&self, reader: u64) -> Option<u64> {
        self.of_reader.get(&reader).copied()
    }

    /// Gets or makes it.
    pub(super) fn open(&mut self, name: &str) -> u64 {
        if let Some(seq) = self.seq(name) {
            return seq;
        }
        self.next += 1;
        self.by_name.insert(name.to_owned(), self.next);
        self.by_seq.insert(self.next, Channel::new(name.to_owned()));
        self.next
    }

    pub(super) fn add_reader(&mut self, reader: u64, seq: u64) {
        self.of_reader.insert(reader, seq);
    }

    pub(super) fn remove_reader(&mut self, reader: u64) -> Option<u64> {
        self.of_reader.remove(&reader)
    }

    /// For a change: its state is told at the end of the step.
    pub(super) fn get(&mut self, seq: u64) -> Option<&mut Channel> {
        self.dirty.insert(seq);
        self.by_seq.get_mut(&seq)
    }

    pub(super) fn remove(&mut self, seq: u64) {
        if let Some(channel) = self.by_seq.remove(&seq) {
            self.by_name.remove(&channel.name);
        }
        self.told.remove(&seq);
    }

    pub(super) fn seqs(&self) -> Vec<u64> {
        self.by_seq.keys().copied().collect()
    }
}

impl Machine {
    pub(crate) fn new(options: Options, random: Random) -> Self {
        Machine {
            options,
            clock: Clock::default(),
            random,
            out: Vec::new(),
            phase: Phase::Idle,
            link: None,
            attempt: 0,
            spread: Spread::default(),
            slot: None,
            was_expired: false,
            was_remade: false,
            error: None,
            server_ahead: 0,
            user: None,
            woken_at: None,
            closing: None,
            is_hidden: false,
            pace: Pace::default(),
            flights: BTreeMap::new(),
            next_id: 0,
            requests: VecDeque::new(),
            channels: Channels::default(),
            outbox: Outbox::default(),
            token: Token::default(),
            store: Store::Unused,
            store_error: None,
            op: None,
            next_op: 0,
            save_at: 0,
            told: Told::default(),
        }
    }

    pub(super) fn push(&mut self, output: Output) {
        self.out.push(output);
    }

    /// The time of the machine.
    pub(super) fn t(&self) -> u64 {
        self.clock.t
    }
}
