//! What the file says, in memory: the entries in their order, and the positions.

use std::collections::{BTreeMap, HashMap};

use super::record::{Change, Record};
use crate::entry::Entry;
use crate::position::Position;
use crate::store::Saved;

/// Positions that are kept: those that were saved last.
pub(super) const POSITIONS_MAX: usize = 10_000;

/// URL and `msg_id`.
type Id = (String, String);

/// URL, user and channel.
type Place = (String, Option<String>, String);

#[derive(Debug, Default, Clone)]
pub(super) struct Image {
    /// By the order in which they were first put.
    entries: BTreeMap<u64, (String, Entry)>,
    by_id: HashMap<Id, u64>,
    /// By the order in which they were saved.
    positions: BTreeMap<u64, (String, Saved)>,
    by_place: HashMap<Place, u64>,
    next: u64,
}

impl Image {
    /// The entries for the server at this URL, in the order in which they were first put.
    pub(super) fn entries(&self, url: &str) -> Vec<Entry> {
        self.entries.values().filter(|(of, _)| of == url).map(|(_, entry)| entry.clone()).collect()
    }

    pub(super) fn entry(&self, url: &str, msg_id: &str) -> Option<&Entry> {
        let at = self.by_id.get(&(url.to_owned(), msg_id.to_owned()))?;
        self.entries.get(at).map(|(_, entry)| entry)
    }

    pub(super) fn position(&self, url: &str, user: Option<&str>, channel: &str) -> Option<&Position> {
        let at = self.by_place.get(&(url.to_owned(), user.map(str::to_owned), channel.to_owned()))?;
        self.positions.get(at).map(|(_, saved)| &saved.position)
    }

    pub(super) fn apply(&mut self, record: Record) {
        self.next += 1;
        let Record { url, change } = record;
        match change {
            Change::Put(entry) => {
                let at = *self.by_id.entry((url.clone(), entry.msg_id.clone())).or_insert(self.next);
                self.entries.insert(at, (url, entry));
            }
            Change::Sent { msg_id, first_sent } => {
                if let Some((_, entry)) = self.by_id.get(&(url, msg_id)).and_then(|at| self.entries.get_mut(at)) {
                    entry.first_sent = first_sent;
                }
            }
            Change::Remove(msg_id) => {
                if let Some(at) = self.by_id.remove(&(url, msg_id)) {
                    self.entries.remove(&at);
                }
            }
            Change::Position(saved) => self.save(url, saved),
        }
    }

    fn save(&mut self, url: String, saved: Saved) {
        let place = |url: &String, saved: &Saved| (url.clone(), saved.user.clone(), saved.channel.clone());
        if let Some(before) = self.by_place.insert(place(&url, &saved), self.next) {
            self.positions.remove(&before);
        }
        self.positions.insert(self.next, (url, saved));
        if self.positions.len() > POSITIONS_MAX
            && let Some((_, (url, saved))) = self.positions.pop_first()
        {
            self.by_place.remove(&place(&url, &saved));
        }
    }

    /// The records that make this image of nothing.
    pub(super) fn records(&self) -> impl Iterator<Item = Record> {
        let record = |url: &String, change| Record { url: url.clone(), change };
        let entries = self.entries.values().map(move |(url, entry)| record(url, Change::Put(entry.clone())));
        let positions = self.positions.values().map(move |(url, saved)| record(url, Change::Position(saved.clone())));
        entries.chain(positions)
    }

    /// A damaged line may have said that an entry was sent. Whoever repeats one has to assume so.
    pub(super) fn assume_sent(&mut self) {
        for (_, entry) in self.entries.values_mut() {
            entry.first_sent.get_or_insert(entry.created);
        }
    }
}

/// Equal if they hold the same, in the same order.
impl PartialEq for Image {
    fn eq(&self, other: &Self) -> bool {
        self.records().eq(other.records())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_positions_are_kept() {
        let saved = |n: usize, offset| {
            let position = Position { epoch: "e".into(), offset };
            let saved = Saved { user: None, channel: format!("c{n}"), position };
            Record { url: "u".into(), change: Change::Position(saved) }
        };
        let mut image = Image::default();
        (0..POSITIONS_MAX).for_each(|n| image.apply(saved(n, 1)));
        image.apply(saved(0, 2));
        image.apply(saved(POSITIONS_MAX, 1));
        assert_eq!((image.positions.len(), image.by_place.len()), (POSITIONS_MAX, POSITIONS_MAX));
        let offset = |channel| image.position("u", None, channel).map(|position| position.offset);
        assert_eq!(offset("c0"), Some(2), "saved again: not the oldest");
        assert_eq!(offset("c1"), None);
    }
}
