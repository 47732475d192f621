//! First-in-first-out lists of readers, threaded through the readers themselves: no memory of their own, and
//! a reader that ends is taken out wherever it stands. A reader is in one list at a time.

use super::arena::{Arena, Id};
use super::readers::Reader;

/// One list.
#[derive(Debug, Clone, Copy)]
pub(super) struct List {
    first: Id<Reader>,
    last: Id<Reader>,
}

/// A reader's cursor in the list that it is in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    previous: Id<Reader>,
    next: Id<Reader>,
}

impl List {
    pub(super) const EMPTY: Self = List { first: Id::NONE, last: Id::NONE };

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn push_back(&mut self, id: Id<Reader>, readers: &mut Arena<Reader>) {
        readers[id].link = Link { previous: self.last, next: Id::NONE };
        let previous = std::mem::replace(&mut self.last, id);
        match readers.get_mut(previous) {
            Some(previous) => previous.link.next = id,
            None => self.first = id,
        }
    }

    pub(super) fn pop_front(&mut self, readers: &mut Arena<Reader>) -> Option<Id<Reader>> {
        let first = self.first;
        readers.get(first)?;
        self.remove(first, readers);
        Some(first)
    }

    /// Takes out a reader that is in this list.
    pub(super) fn remove(&mut self, id: Id<Reader>, readers: &mut Arena<Reader>) {
        let Link { previous, next } = std::mem::replace(&mut readers[id].link, Link::NONE);
        match readers.get_mut(previous) {
            Some(previous) => previous.link.next = next,
            None => self.first = next,
        }
        match readers.get_mut(next) {
            Some(next) => next.link.previous = previous,
            None => self.last = previous,
        }
    }

    /// The readers in it, first to last.
    pub(super) fn iter(self, readers: &Arena<Reader>) -> impl Iterator<Item = Id<Reader>> {
        let existing = |id: Id<Reader>| (!id.is_none()).then_some(id);
        std::iter::successors(existing(self.first), move |id| existing(readers[*id].link.next))
    }
}

impl Link {
    pub(super) const NONE: Self = Link { previous: Id::NONE, next: Id::NONE };
}
