//! A concurrent map of things by name, and the order of its pages, which all servers share.

use std::borrow::Borrow;
use std::cmp::Ordering as Order;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
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
    len: AtomicUsize,
}

#[derive(Debug)]
struct ByName<T>(Arc<T>);

impl<T: Named> Registry<T> {
    pub(crate) fn new() -> Self {
        Registry { parts: (0..REGISTRY_PARTS).map(|_| Mutex::default()).collect(), len: AtomicUsize::new(0) }
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

    /// The next things after this name, at most `max` of those that are wanted. The order is that of
    /// [`page_order`]. It stays the same, so pages that follow each other have nothing twice, and leave out nothing
    /// that was there throughout. Locks one part after the other, for one pass over it.
    pub(crate) fn page(&self, after: Option<&str>, max: usize, is_wanted: impl Fn(&T) -> bool) -> Vec<Arc<T>> {
        let mut page = Vec::new();
        let first = after.map_or(0, part_of);
        for (nth, part) in self.parts[first..].iter().enumerate() {
            let is_after = |thing: &T| nth > 0 || after.is_none_or(|after| thing.name() > after);
            let (part, left) = (part.lock(), max - page.len());
            let mut found: Vec<_> = part.iter().map(|found| &found.0).collect();
            found.retain(|thing| is_after(thing) && is_wanted(thing));
            if found.len() > left {
                found.select_nth_unstable_by(left, |one, other| one.name().cmp(other.name()));
                found.truncate(left);
            }
            found.sort_unstable_by(|one, other| one.name().cmp(other.name()));
            page.extend(found.into_iter().cloned());
            if page.len() == max {
                break;
            }
        }
        page
    }

    fn part(&self, name: &str) -> &Mutex<HashSet<ByName<T>>> {
        &self.parts[part_of(name)]
    }
}

/// The order of pages: by part, and by name within a part.
pub(crate) fn page_order(one: &str, other: &str) -> Order {
    (part_of(one), one).cmp(&(part_of(other), other))
}

/// The part of a name: its FNV-1a hash. It is no secret, so that all servers have one order; who chooses names for one
/// part makes only its lock more busy, as within it the hash is random.
fn part_of(name: &str) -> usize {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    ((hash ^ hash >> 32) % REGISTRY_PARTS as u64) as usize
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
    fn pages_have_everything_once() {
        let registry = Registry::new();
        let things: Vec<_> =
            (0..500).map(|n| registry.get_or_insert(&format!("{n}"), || Thing(format!("{n}")))).collect();
        let (mut seen, mut after): (Vec<String>, Option<String>) = (Vec::new(), None);
        loop {
            let page = registry.page(after.as_deref(), 7, |thing| thing.name().len() == 3);
            seen.extend(page.iter().map(|thing| thing.0.clone()));
            let Some(last) = page.last() else { break };
            after = Some(last.0.clone());
            // The one that the next page begins after is gone by then, and others come.
            registry.remove_if(last, |_| true);
            registry.get_or_insert(&format!("new {}", seen.len()), || Thing(format!("new {}", seen.len())));
        }
        seen.sort();
        let expect: Vec<_> = things.iter().map(|thing| thing.0.clone()).filter(|name| name.len() == 3).collect();
        assert_eq!(seen, expect);
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
