//! What the file says, in memory: the entries in their order, and the positions.

use std::collections::{BTreeMap, HashMap};

use super::record::{Kept, Place, Record};

/// Positions that are kept: those that were saved last.
pub(super) const PLACES_MAX: usize = 10_000;

#[derive(Debug, Default, Clone)]
pub(super) struct Image {
    /// By the order in which they were added.
    entries: BTreeMap<u64, Kept>,
    by_id: HashMap<String, u64>,
    /// By the order in which they were saved.
    places: BTreeMap<u64, Place>,
    by_channel: HashMap<(String, String), u64>,
    next: u64,
}

impl Image {
    pub(super) fn entries(&self) -> impl Iterator<Item = &Kept> {
        self.entries.values()
    }

    pub(super) fn entry(&self, msg_id: &str) -> Option<&Kept> {
        self.entries.get(self.by_id.get(msg_id)?)
    }

    pub(super) fn place(&self, owner: &str, channel: &str) -> Option<&Place> {
        self.places.get(self.by_channel.get(&(owner.to_owned(), channel.to_owned()))?)
    }

    pub(super) fn apply(&mut self, record: Record) {
        self.next += 1;
        match record {
            Record::Put(entry) => {
                let at = *self.by_id.entry(entry.msg_id.clone()).or_insert(self.next);
                self.entries.insert(at, entry);
            }
            Record::Sent { msg_id, first_sent } => {
                if let Some(entry) = self.by_id.get(&msg_id).and_then(|at| self.entries.get_mut(at)) {
                    entry.first_sent = first_sent;
                }
            }
            Record::Remove(msg_id) => {
                if let Some(at) = self.by_id.remove(&msg_id) {
                    self.entries.remove(&at);
                }
            }
            Record::Place(place) => self.save(place),
        }
    }

    fn save(&mut self, place: Place) {
        let key = (place.owner.clone(), place.channel.clone());
        if let Some(before) = self.by_channel.insert(key, self.next) {
            self.places.remove(&before);
        }
        self.places.insert(self.next, place);
        if self.places.len() > PLACES_MAX {
            if let Some((_, oldest)) = self.places.pop_first() {
                self.by_channel.remove(&(oldest.owner, oldest.channel));
            }
        }
    }

    /// The records that make this image of nothing.
    pub(super) fn records(&self) -> impl Iterator<Item = Record> {
        let places = self.places.values().cloned().map(Record::Place);
        self.entries.values().cloned().map(Record::Put).chain(places)
    }

    /// What was lost in a damaged line may have been when an entry was first sent. Whoever repeats it has to assume so.
    pub(super) fn assume_sent(&mut self) {
        for entry in self.entries.values_mut() {
            entry.first_sent.get_or_insert(entry.created);
        }
    }
}

/// Equal if they hold the same, in the same order.
impl PartialEq for Image {
    fn eq(&self, other: &Self) -> bool {
        self.entries.values().eq(other.entries.values()) && self.places.values().eq(other.places.values())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_positions_are_kept() {
        let place = |n: usize, offset| {
            Record::Place(Place { owner: "o".into(), channel: format!("c{n}"), epoch: "e".into(), offset })
        };
        let mut image = Image::default();
        (0..PLACES_MAX).for_each(|n| image.apply(place(n, 1)));
        image.apply(place(0, 2));
        image.apply(place(PLACES_MAX, 1));
        assert_eq!(image.places.len(), PLACES_MAX);
        assert_eq!(image.by_channel.len(), PLACES_MAX);
        assert_eq!(image.place("o", "c0").map(|place| place.offset), Some(2), "saved again: not the oldest");
        assert_eq!(image.place("o", "c1"), None);
    }
}
