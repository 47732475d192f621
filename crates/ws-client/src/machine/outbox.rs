//! The outbox: publications in their order, without the connection.

use std::collections::{HashMap, HashSet, VecDeque};

use super::clock::{Clock, Stamp};
use crate::entry::Entry;
use crate::position::Position;

/// So many ids of publications that have ended are remembered, for `own` and against a store that still has them.
const RECENT_MAX: usize = 1_000;

/// A publication and how far it is.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) entry: Entry,
    pub(super) created: Stamp,
    /// When it was first sent, if that was in this run.
    pub(super) first_sent: Option<Stamp>,
    /// It may have been published.
    pub(super) was_sent: bool,
    /// An earlier sending was not answered, or with an outcome that nobody knows.
    pub(super) is_in_doubt: bool,
    pub(super) stage: Stage,
    /// From another run, or another owner: it goes before our own.
    pub(super) is_adopted: bool,
    /// The store does not have it as it is.
    pub(super) is_unsaved: bool,
    /// The store was given it.
    pub(super) is_put: bool,
    /// The store has it, perhaps as it was before.
    pub(super) is_kept: bool,
    /// It was seen as a publication.
    pub(super) seen: Option<Option<Position>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Waiting,
    /// Its `first_sent` is being stored; then it is sent.
    Storing,
    Stored,
    /// Its answer is awaited.
    InFlight,
}

#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) items: Vec<Item>,
    pub(super) bytes: usize,
    /// Ids that the store is to forget.
    pub(super) removed: Vec<String>,
    /// Channels whose publications wait: until when, refusals in a row.
    pub(super) backoffs: HashMap<String, (u64, u32)>,
    recent: VecDeque<String>,
    recent_ids: HashSet<String>,
}

impl Item {
    /// What has passed since it was made reaches what it may.
    pub(super) fn expires_in(&self, clock: &Clock) -> u64 {
        self.entry.max_age.saturating_sub(clock.since(self.created))
    }

    /// How long ago it was first sent, for `age_ms`; `None` if it never was.
    pub(super) fn age(&self, clock: &Clock, request: u64) -> Option<u64> {
        let wall = self.entry.first_sent.filter(|_| self.was_sent)?;
        if clock.wall < wall {
            return Some(self.entry.max_age);
        }
        let passed = self.first_sent.map_or(clock.wall - wall, |sent| clock.since(sent));
        Some(passed + request)
    }

    /// Nobody knows what became of the last sending.
    pub(super) fn doubt(&mut self) {
        (self.stage, self.is_in_doubt) = (Stage::Waiting, true);
    }

    /// The last sending published nothing. Without an earlier one in doubt, it counts as never sent.
    pub(super) fn unsend(&mut self) {
        if self.is_in_doubt {
            self.stage = Stage::Waiting;
            return;
        }
        (self.entry.first_sent, self.first_sent, self.was_sent) = (None, None, false);
        self.stage = Stage::Waiting;
    }
}

impl Outbox {
    pub(super) fn has_room(&self, entry: &Entry, entries: usize, bytes: usize) -> bool {
        self.items.len() < entries && self.bytes + entry.bytes() <= bytes
    }

    /// Adds one of our own at the end.
    pub(super) fn push(&mut self, entry: Entry, clock: &Clock) {
        self.bytes += entry.bytes();
        let created = clock.now();
        self.items.push(Item {
            entry,
            created,
            first_sent: None,
            was_sent: false,
            is_in_doubt: false,
            stage: Stage::Waiting,
            is_adopted: false,
            is_unsaved: true,
            is_put: false,
            is_kept: false,
            seen: None,
        });
    }

    /// Adds those of owners that are gone, in front of our own. Those that are here or have ended are left out; of the
    /// latter the store is told again.
    pub(super) fn adopt(&mut self, entries: Vec<Entry>, clock: &Clock) {
        let at = self.items.iter().take_while(|item| item.is_adopted).count();
        let mut adopted = Vec::new();
        for entry in entries {
            if self.recent_ids.contains(&entry.msg_id) {
                self.removed.push(entry.msg_id);
                continue;
            }
            if self.items.iter().chain(&adopted).any(|item| item.entry.msg_id == entry.msg_id) {
                continue;
            }
            self.bytes += entry.bytes();
            adopted.push(Item {
                created: clock.earlier(entry.created),
                first_sent: None,
                was_sent: entry.first_sent.is_some(),
                is_in_doubt: entry.first_sent.is_some(),
                stage: Stage::Waiting,
                is_adopted: true,
                is_unsaved: false,
                is_put: true,
                is_kept: true,
                seen: None,
                entry,
            });
        }
        self.items.splice(at..at, adopted);
    }

    pub(super) fn find(&self, msg_id: &str) -> Option<usize> {
        self.items.iter().position(|item| item.entry.msg_id == msg_id)
    }

    pub(super) fn remove(&mut self, at: usize) -> Item {
        let item = self.items.remove(at);
        self.bytes -= item.entry.bytes();
        self.remember(item.entry.msg_id.clone());
        if !self.items.iter().any(|other| other.entry.channel == item.entry.channel) {
            self.backoffs.remove(&item.entry.channel);
        }
        item
    }

    fn remember(&mut self, msg_id: String) {
        if self.recent.len() == RECENT_MAX
            && let Some(oldest) = self.recent.pop_front()
        {
            self.recent_ids.remove(&oldest);
        }
        if self.recent_ids.insert(msg_id.clone()) {
            self.recent.push_back(msg_id);
        }
    }

    /// Whether this client made it.
    pub(super) fn is_own(&self, msg_id: &str) -> bool {
        self.recent_ids.contains(msg_id) || self.find(msg_id).is_some()
    }

    /// How many wait for their end and belong to this user, or to nobody yet.
    pub(super) fn pending(&self, user: Option<&Option<String>>) -> u64 {
        let belongs = |item: &&Item| item.entry.user.is_none() || user.is_none() || item.entry.user.as_ref() == user;
        self.items.iter().filter(belongs).count() as u64
    }

    /// The first that may be sent: of this user, in a channel without one under way, and not waiting. In `held` channels
    /// only what is worth nothing later.
    pub(super) fn next(&self, user: &Option<String>, t: u64, held: &HashSet<&str>) -> Option<usize> {
        let under_way = |item: &&Item| matches!(item.stage, Stage::InFlight | Stage::Storing);
        let mut busy: HashSet<&str> =
            self.items.iter().filter(under_way).map(|item| item.entry.channel.as_str()).collect();
        self.items.iter().position(|item| {
            let mine = item.entry.user.as_ref() == Some(user);
            if !mine || busy.contains(item.entry.channel.as_str()) {
                return false;
            }
            let waits = self.backoffs.get(&item.entry.channel).is_some_and(|(until, _)| *until > t);
            let is_held = held.contains(item.entry.channel.as_str()) && item.entry.max_age > 0;
            let ready = matches!(item.stage, Stage::Waiting | Stage::Stored) && !waits && !is_held;
            busy.insert(&item.entry.channel);
            ready
        })
    }
}
