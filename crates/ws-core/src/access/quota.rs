//! Limits on how many of something each key has: connections per address, connections per user.

use std::collections::HashMap;
use std::hash::Hash;

use parking_lot::Mutex;

/// Counts per key. Empty if there is no limit.
#[derive(Debug)]
pub(crate) struct Quota<K> {
    /// 0: no limit.
    max: usize,
    counts: Mutex<HashMap<K, usize>>,
}

/// The limit is reached.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exhausted;

impl<K: Hash + Eq + Clone> Quota<K> {
    pub(crate) fn new(max: usize) -> Self {
        Quota { max, counts: Mutex::default() }
    }

    /// Counts one more for `key`. Pass the returned key to [`leave`](Self::leave) when it ends; `None` if nothing is
    /// counted.
    ///
    /// # Errors
    /// The limit is reached.
    pub(crate) fn enter(&self, key: &K) -> Result<Option<K>, Exhausted> {
        if self.max == 0 {
            return Ok(None);
        }
        let mut counts = self.counts.lock();
        match counts.get_mut(key) {
            Some(count) if *count >= self.max => return Err(Exhausted),
            Some(count) => *count += 1,
            None => drop(counts.insert(key.clone(), 1)),
        }
        Ok(Some(key.clone()))
    }

    /// Counts one more for `key`, whatever the limit; [`leave`](Self::leave) when it ends.
    pub(crate) fn add(&self, key: &K) {
        *self.counts.lock().entry(key.clone()).or_default() += 1;
    }

    pub(crate) fn leave(&self, key: &K) {
        let mut counts = self.counts.lock();
        let Some(count) = counts.get_mut(key) else { return };
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_limit() {
        let quota = Quota::new(2);
        assert_eq!((quota.enter(&"a"), quota.enter(&"a")), (Ok(Some("a")), Ok(Some("a"))));
        assert_eq!(quota.enter(&"a"), Err(Exhausted));
        assert_eq!(quota.enter(&"b"), Ok(Some("b")));
        quota.leave(&"a");
        assert_eq!((quota.enter(&"a"), quota.enter(&"a")), (Ok(Some("a")), Err(Exhausted)));
    }

    #[test]
    fn nothing_is_left_after_the_last_one() {
        let quota = Quota::new(1);
        assert_eq!(quota.enter(&"a"), Ok(Some("a")));
        quota.leave(&"a");
        assert!(quota.counts.lock().is_empty());
        assert_eq!(Quota::new(0).enter(&"a"), Ok(None), "without a limit nothing is counted");
    }
}
