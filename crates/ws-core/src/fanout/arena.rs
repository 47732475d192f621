//! Tables of what a fan-out task owns, with typed indexes.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

use slab::Slab;

/// The index of a `T` in its [`Arena`]. It is reused once that `T` has been removed.
pub(super) struct Id<T>(u32, PhantomData<fn() -> T>);

/// A growing table of `T`.
#[derive(Debug)]
pub(super) struct Arena<T>(Slab<T>);

impl<T> Id<T> {
    /// Stands for none.
    pub(super) const NONE: Self = Id(u32::MAX, PhantomData);

    /// Restores an id that another part of the hub keeps as a plain number.
    pub(super) fn from_raw(number: u32) -> Self {
        Id(number, PhantomData)
    }

    pub(super) fn raw(self) -> u32 {
        self.0
    }

    pub(super) fn is_none(self) -> bool {
        self == Self::NONE
    }
}

impl<T> Arena<T> {
    pub(super) fn insert(&mut self, value: T) -> Id<T> {
        // Fewer than 2^32 fit into memory.
        Id(self.0.insert(value) as u32, PhantomData)
    }

    pub(super) fn remove(&mut self, id: Id<T>) -> T {
        self.0.remove(id.0 as usize)
    }

    pub(super) fn get(&self, id: Id<T>) -> Option<&T> {
        self.0.get(id.0 as usize)
    }

    pub(super) fn get_mut(&mut self, id: Id<T>) -> Option<&mut T> {
        self.0.get_mut(id.0 as usize)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Id<T>, &T)> {
        self.0.iter().map(|(index, value)| (Id(index as u32, PhantomData), value))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Id<T>, &mut T)> {
        self.0.iter_mut().map(|(index, value)| (Id(index as u32, PhantomData), value))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Frees the memory if all entries are gone.
    pub(super) fn shrink(&mut self) {
        if self.0.is_empty() && self.0.capacity() > 0 {
            self.0 = Slab::new();
        }
    }
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Arena(Slab::new())
    }
}

impl<T> Index<Id<T>> for Arena<T> {
    type Output = T;

    fn index(&self, id: Id<T>) -> &T {
        &self.0[id.0 as usize]
    }
}

impl<T> IndexMut<Id<T>> for Arena<T> {
    fn index_mut(&mut self, id: Id<T>) -> &mut T {
        &mut self.0[id.0 as usize]
    }
}

// Derived implementations would require the same of `T`.
impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Id<T> {}

impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Eq for Id<T> {}

impl<T> std::hash::Hash for Id<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() { f.write_str("none") } else { self.0.fmt(f) }
    }
}
