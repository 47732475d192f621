//! First-in-first-out lists linked through the entries of an arena: they need no memory of their own, and an entry can
//! be removed from anywhere in its list. An entry is in one list at a time.

use super::arena::{Arena, Id};

/// One list.
#[derive(Debug)]
pub(super) struct List<T> {
    first: Id<T>,
    last: Id<T>,
}

/// An entry's neighbours in its list.
#[derive(Debug)]
pub(super) struct Link<T> {
    previous: Id<T>,
    next: Id<T>,
}

/// An entry that can be in a list.
pub(super) trait Linked: Sized {
    fn link(&self) -> &Link<Self>;
    fn link_mut(&mut self) -> &mut Link<Self>;
}

impl<T: Linked> List<T> {
    pub(super) const EMPTY: Self = List { first: Id::NONE, last: Id::NONE };

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn first(&self) -> Option<Id<T>> {
        Some(self.first).filter(|id| !id.is_none())
    }

    pub(super) fn push_back(&mut self, id: Id<T>, entries: &mut Arena<T>) {
        *entries[id].link_mut() = Link { previous: self.last, next: Id::NONE };
        let previous = std::mem::replace(&mut self.last, id);
        match entries.get_mut(previous) {
            Some(previous) => previous.link_mut().next = id,
            None => self.first = id,
        }
    }

    pub(super) fn pop_front(&mut self, entries: &mut Arena<T>) -> Option<Id<T>> {
        let first = self.first()?;
        self.remove(first, entries);
        Some(first)
    }

    /// Removes an entry that is in this list.
    pub(super) fn remove(&mut self, id: Id<T>, entries: &mut Arena<T>) {
        let Link { previous, next } = std::mem::replace(entries[id].link_mut(), Link::NONE);
        match entries.get_mut(previous) {
            Some(previous) => previous.link_mut().next = next,
            None => self.first = next,
        }
        match entries.get_mut(next) {
            Some(next) => next.link_mut().previous = previous,
            None => self.last = previous,
        }
    }

    /// The entries in it, first to last.
    pub(super) fn iter<'a>(&self, entries: &'a Arena<T>) -> impl Iterator<Item = Id<T>> + use<'a, T> {
        let existing = |id: Id<T>| Some(id).filter(|id| !id.is_none());
        std::iter::successors(self.first(), move |id| existing(entries[*id].link().next))
    }
}

impl<T> Link<T> {
    pub(super) const NONE: Self = Link { previous: Id::NONE, next: Id::NONE };
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Entry(Link<Entry>);

    impl Linked for Entry {
        fn link(&self) -> &Link<Self> {
            &self.0
        }

        fn link_mut(&mut self) -> &mut Link<Self> {
            &mut self.0
        }
    }

    #[test]
    fn entries_leave_in_their_order_and_from_anywhere() {
        let (mut entries, mut list) = (Arena::default(), List::EMPTY);
        let ids: Vec<_> = (0..5).map(|_| entries.insert(Entry(Link::NONE))).collect();
        ids.iter().for_each(|id| list.push_back(*id, &mut entries));
        for at in [2, 0, 4] {
            list.remove(ids[at], &mut entries);
        }
        assert_eq!(list.iter(&entries).collect::<Vec<_>>(), [ids[1], ids[3]]);
        list.push_back(ids[2], &mut entries);
        let left: Vec<_> = std::iter::from_fn(|| list.pop_front(&mut entries)).collect();
        assert_eq!(left, [ids[1], ids[3], ids[2]]);
        assert!(list.is_empty() && list.first().is_none());
    }
}
