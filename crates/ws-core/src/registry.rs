//! A concurrent map of things by name.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::limits::{REGISTRY_PARTS, REGISTRY_SPARE_MIN};

/// Something with a name that never changes.
pub(crate) trait Named {
    fn name(&self) -> &str;
}

/// The registry: parts with a lock each, so that threads seldom contend.
///
/// The locks of the things come after those of the registry: never use the registry while you hold the lock of a thing.
#[derive(Debug)]
pub(crate) struct Registry<T: Named> {
    parts: Box<[Mutex<HashSet<ByName<T>>>]>,
    hasher: RandomState,
    len: AtomicUsize,
}

#[derive(Debug)]
struct ByName<T>(Arc<T>);

impl<T: Named> Registry<T> {
    pub(crate) fn new() -> Self {
        Registry {
            parts: (0..REGISTRY_PARTS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            len: AtomicUsize::new(0),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<T>> {
        self.part(name).lock().get(name).map(|found| found.0.clone())
    }

    /// The thing of that name; `make` makes it if there is none.
    pub(crate) fn get_or_insert(&self, name: &str, make: impl FnOnce() -> T) -> Arc<T> {
        let mut part = self.part(name).lock();
        if let Some(found) = part.get(name) {
            return found.0.clone();
        }
        let made = Arc::new(make());
        part.insert(ByName(made.clone()));
        self.len.fetch_add(1, Ordering::Relaxed);
        made
    }

    /// Removes a thing if `unused` returns true; it is called while nobody can look the thing up.
    pub(crate) fn remove_if(&self, thing: &Arc<T>, unused: impl FnOnce(&T) -> bool) -> bool {
        let mut part = self.part(thing.name()).lock();
        let is_same = part.get(thing.name()).is_some_and(|found| Arc::ptr_eq(&found.0, thing));
        if !is_same || !unused(thing) {
            return false;
        }
        part.remove(thing.name());
        if part.capacity() > REGISTRY_SPARE_MIN && part.len() < part.capacity() / 4 {
            let half = part.capacity() / 2;
            part.shrink_to(half);
        }
        self.len.fetch_sub(1, Ordering::Relaxed);
        true
    }

    fn part(&self, name: &str) -> &Mutex<HashSet<ByName<T>>> {
        let hash = self.hasher.hash_one(name);
        &self.parts[(hash % self.parts.len() as u64) as usize]
    }
}

impl<T: Named> Borrow<str> for ByName<T> {
    fn borrow(&self) -> &str {
        self.0.name()
    }
}

impl<T: Named> PartialEq for ByName<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.name() == other.0.name()
    }
}

impl<T: Named> Eq for ByName<T> {}

impl<T: Named> Hash for ByName<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Thing(String);

    impl Named for Thing {
        fn name(&self) -> &str {
            &self.0
        }
    }

    #[test]
    fn one_thing_has_a_name() {
        let registry = Registry::new();
        let first = registry.get_or_insert("a", || Thing("a".to_owned()));
        let second = registry.get_or_insert("a", || Thing("a".to_owned()));
        assert!(Arc::ptr_eq(&first, &second));
        assert!(!registry.remove_if(&first, |_| false));
        assert!(registry.remove_if(&first, |_| true));
        assert!(!registry.remove_if(&second, |_| true), "it is gone already");
        assert!(registry.get("a").is_none());
    }

    #[test]
    fn a_successor_is_not_removed_for_its_predecessor() {
        let registry = Registry::new();
        let first = registry.get_or_insert("a", || Thing("a".to_owned()));
        registry.remove_if(&first, |_| true);
        registry.get_or_insert("a", || Thing("a".to_owned()));
        assert!(!registry.remove_if(&first, |_| true));
        assert_eq!(registry.len(), 1);
    }
}
