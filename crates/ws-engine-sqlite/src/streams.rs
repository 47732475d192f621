//! The streams that are known in memory: where each is, and who of this node is interested. All of it but the
//! interest can be read from the database again, so streams that nobody uses are given up.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use parking_lot::{Mutex, MutexGuard};
use rusqlite::Connection;

use crate::limits::{STREAMS_LOOKED_AT, STREAMS_MAX};
use crate::rows;
pub(crate) use crate::state::{State, is_old};

/// One channel's stream.
#[derive(Debug)]
pub(crate) struct Stream {
    /// The one that the registry has.
    name: Arc<str>,
    /// Subscribers on this node.
    interests: AtomicU32,
    /// It was looked up since it was last looked at for giving up.
    used: AtomicBool,
    /// `None`: not read from the database yet.
    state: Mutex<Option<State>>,
}

/// All streams that are known.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_name: HashMap<Arc<str>, Arc<Stream>>,
    /// Each of them once; the one in front is looked at next.
    order: VecDeque<Arc<Stream>>,
}

impl Stream {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_followed(&self) -> bool {
        self.interests.load(Ordering::Acquire) > 0
    }

    /// The state, if nobody has it.
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, Option<State>>> {
        self.state.try_lock()
    }

    /// Where it is; read from the database where that is not known yet. Only the writer stores, and it loads
    /// before it does, so who loads never misses what is being stored.
    pub(crate) fn load(&self, connection: &Connection) -> rusqlite::Result<State> {
        let mut state = self.state.lock();
        match *state {
            Some(known) => Ok(known),
            None => Ok(*state.insert(rows::load(connection, &self.name)?)),
        }
    }

    /// The state, for who changes it. Who follows the stream is told under this lock: a position that anybody
    /// sees has been told before.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock()
    }
}

impl Streams {
    pub(crate) fn get(&self, name: &str) -> Arc<Stream> {
        let mut known = self.known.lock();
        known.get(name)
    }

    /// The stream, if it is known.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Stream>> {
        self.known.lock().by_name.get(name).cloned()
    }

    /// One subscriber more, or one less.
    pub(crate) fn interest(&self, name: &str, interested: bool) {
        // Under the lock: who is interested is not given up.
        let mut known = self.known.lock();
        let stream = known.get(name);
        let change = |n: u32| Some(if interested { n + 1 } else { n.saturating_sub(1) });
        // The closure always gives a number.
        let _ = stream.interests.fetch_update(Ordering::AcqRel, Ordering::Acquire, change);
        drop(stream);
        if !interested {
            known.make_room();
        }
    }

    /// Gives up what is known of a stream. False while somebody uses it.
    pub(crate) fn give_up(&self, name: &str) -> bool {
        let mut known = self.known.lock();
        let Some(stream) = known.by_name.get(name).cloned() else { return true };
        // Ours, and the two of the registry.
        if stream.is_followed() || Arc::strong_count(&stream) > 3 {
            return false;
        }
        known.by_name.remove(name);
        known.order.retain(|other| !Arc::ptr_eq(other, &stream));
        true
    }

    pub(crate) fn len(&self) -> usize {
        self.known.lock().by_name.len()
    }
}

impl Known {
    fn get(&mut self, name: &str) -> Arc<Stream> {
        if let Some(stream) = self.by_name.get(name) {
            stream.used.store(true, Ordering::Relaxed);
            return stream.clone();
        }
        self.make_room();
        let (interests, used, state) = (AtomicU32::new(0), AtomicBool::new(false), Mutex::new(None));
        let name: Arc<str> = name.into();
        let stream = Arc::new(Stream { name: name.clone(), interests, used, state });
        self.by_name.insert(name, stream.clone());
        self.order.push_back(stream.clone());
        stream
    }

    /// Gives back room that was needed by many who are gone.
    fn give_back(&mut self) {
        if self.by_name.capacity() > 4 * STREAMS_MAX && self.order.capacity() > 4 * STREAMS_MAX {
            self.by_name.shrink_to(2 * STREAMS_MAX);
            self.order.shrink_to(2 * STREAMS_MAX);
        }
    }

    /// Gives up a few of those that nobody uses, if there are too many.
    fn make_room(&mut self) {
        for _ in 0..STREAMS_LOOKED_AT {
            if self.by_name.len() < STREAMS_MAX {
                return self.give_back();
            }
            let Some(stream) = self.order.pop_front() else { return };
            let was_used = stream.used.swap(false, Ordering::Relaxed);
            // Ours, and that of the map: nobody else has it, and nobody gets it while this lock is held.
            // Who has been used since the last look gets another round.
            if was_used || stream.is_followed() || Arc::strong_count(&stream) > 2 {
                self.order.push_back(stream);
            } else {
                self.by_name.remove(stream.name());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_subscribed_to_is_given_back_when_they_go() {
        let streams = Streams::default();
        let names: Vec<_> = (0..10 * STREAMS_MAX).map(|i| i.to_string()).collect();
        names.iter().for_each(|name| streams.interest(name, true));
        assert_eq!(streams.len(), names.len());
        names.iter().for_each(|name| streams.interest(name, false));
        assert!(streams.len() < 2 * STREAMS_MAX, "{} are left", streams.len());
    }

    #[test]
    fn who_is_used_is_not_given_up() {
        let streams = Streams::default();
        streams.interest("followed", true);
        let held = streams.get("held");
        for i in 0..2 * STREAMS_MAX {
            streams.get(&i.to_string());
        }
        assert_eq!(streams.len(), STREAMS_MAX);
        assert!(Arc::ptr_eq(&held, &streams.get("held")));
        assert!(streams.get("followed").is_followed());
        assert!(!streams.give_up("held") && !streams.give_up("followed"));
        drop(held);
        streams.interest("followed", false);
        assert!(streams.give_up("held") && streams.give_up("followed") && streams.give_up("never there"));
        assert!(streams.len() <= STREAMS_MAX - 2, "{} are left", streams.len());
    }
}
