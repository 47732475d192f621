//! The streams in memory: the state of each, and its subscribers on this node. Everything except the
//! subscribers can be read from the database again, so streams that nobody uses are evicted.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard};
use rusqlite::Connection;

use crate::limits::{STREAMS_LOOKED_AT, STREAMS_MAX, STREAMS_PARTS};
use crate::rows;
pub(crate) use crate::state::State;

/// One channel's stream.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Shared with the registry.
    name: Arc<str>,
    /// Subscribers on this node.
    subscribers: AtomicU32,
    /// It was looked up since it was last considered for eviction.
    used: AtomicBool,
    /// Its index in the order of its part; used under that part's lock.
    at: AtomicUsize,
    /// Held from before the sink is told something until the state says so too. A new subscriber must
    /// not see one without the other.
    telling: Mutex<()>,
    /// `None`: not read from the database yet. Only held for a moment, or for the first read from the database.
    state: Mutex<Option<State>>,
}

/// All streams in memory.
#[derive(Debug)]
pub(crate) struct Streams {
    /// Each part has its own lock, so that threads rarely contend.
    parts: Box<[Mutex<Known>]>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Known {
    by_name: HashMap<Arc<str>, Arc<Stream>>,
    /// Each stream once, at the index that it knows.
    order: Vec<Arc<Stream>>,
    /// The clock hand: which stream is considered for eviction next.
    hand: usize,
}

/// Above this number of streams in a part, those that nobody uses are evicted.
const PART_MAX: usize = STREAMS_MAX.div_ceil(STREAMS_PARTS);

impl Default for Streams {
    fn default() -> Self {
        let parts = (0..STREAMS_PARTS).map(|_| Mutex::default()).collect();
        Streams { parts, hasher: RandomState::new() }
    }
}

impl Stream {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_followed(&self) -> bool {
        self.subscribers.load(Ordering::Acquire) > 0
    }

    /// The state, if nobody holds it, and the sink is not being told anything.
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, Option<State>>> {
        drop(self.telling.try_lock()?);
        self.state.try_lock()
    }

    /// Tells the sink something with `tell`, and then changes the state with `change`. While the sink is told, the
    /// state can be read: it lags behind what the sink knows, and is never ahead. A caller that asks for the position waits.
    pub(crate) fn tell(&self, tell: impl FnOnce(), change: impl FnOnce(&mut Option<State>)) {
        let telling = self.telling.lock();
        tell();
        change(&mut self.state.lock());
        drop(telling);
    }

    /// Waits until the state says everything that the sink was told before this call.
    pub(crate) fn wait_until_told(&self) {
        drop(self.telling.lock());
    }

    /// The state; read from the database if it is not known yet. Only the writer stores, and it loads the state
    /// before it does, so a loaded state never misses what is being stored.
    pub(crate) fn load(&self, connection: &Connection) -> rusqlite::Result<State> {
        let mut state = self.state.lock();
        match *state {
            Some(known) => Ok(known),
            None => Ok(*state.insert(rows::load(connection, &self.name)?)),
        }
    }

    /// The state, to change it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock()
    }
}

impl Streams {
    pub(crate) fn get(&self, name: &str) -> Arc<Stream> {
        self.part(name).lock().get(name)
    }

    fn part(&self, name: &str) -> &Mutex<Known> {
        &self.parts[(self.hasher.hash_one(name) % STREAMS_PARTS as u64) as usize]
    }

    /// The stream, if it is known.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Stream>> {
        self.part(name).lock().by_name.get(name).cloned()
    }

    /// Where a stream is has to be read again: what memory says of it may be why something failed. Not while it has no
    /// row: subscribers know the epoch that memory says, and the one that follows from the tables may be another by now.
    pub(crate) fn unlearn(&self, name: &str, connection: &Connection) {
        let Some(stream) = self.find(name) else { return };
        let mut state = stream.lock();
        let has_row = || rows::load(connection, name).is_ok_and(|stored| stored.row.is_some());
        if state.is_some_and(|state| state.row.is_some() || has_row()) {
            *state = None;
        }
    }

    /// One subscriber more, or one less.
    pub(crate) fn interest(&self, name: &str, interested: bool) {
        // Under the lock: a stream with subscribers is not evicted.
        let mut known = self.part(name).lock();
        let stream = known.get(name);
        let change = |n: u32| Some(if interested { n + 1 } else { n.saturating_sub(1) });
        // The closure always gives a number.
        let _ = stream.subscribers.fetch_update(Ordering::AcqRel, Ordering::Acquire, change);
        drop(stream);
        if !interested {
            known.make_room();
        }
    }

    /// Evicts a stream. False while somebody uses it.
    pub(crate) fn evict(&self, name: &str) -> bool {
        let mut known = self.part(name).lock();
        let Some(stream) = known.by_name.get(name).cloned() else { return true };
        // Ours, and the two of the registry.
        if stream.is_followed() || Arc::strong_count(&stream) > 3 {
            return false;
        }
        known.remove(&stream);
        true
    }

    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.lock().by_name.len()).sum()
    }
}

impl Known {
    fn get(&mut self, name: &str) -> Arc<Stream> {
        if let Some(stream) = self.by_name.get(name) {
            stream.used.store(true, Ordering::Relaxed);
            return stream.clone();
        }
        self.make_room();
        let name: Arc<str> = name.into();
        let stream = Arc::new(Stream {
            name: name.clone(),
            subscribers: AtomicU32::new(0),
            used: AtomicBool::new(false),
            at: AtomicUsize::new(self.order.len()),
            telling: Mutex::default(),
            state: Mutex::default(),
        });
        self.by_name.insert(name, stream.clone());
        self.order.push(stream.clone());
        stream
    }

    fn remove(&mut self, stream: &Stream) {
        let at = stream.at.load(Ordering::Relaxed);
        self.by_name.remove(stream.name());
        self.order.swap_remove(at);
        if let Some(moved) = self.order.get(at) {
            moved.at.store(at, Ordering::Relaxed);
        }
    }

    /// Shrinks the tables after many streams are gone.
    fn shrink(&mut self) {
        if self.by_name.capacity() > 4 * PART_MAX && self.order.capacity() > 4 * PART_MAX {
            self.by_name.shrink_to(2 * PART_MAX);
            self.order.shrink_to(2 * PART_MAX);
        }
    }

    /// Evicts a few streams that nobody uses, if there are too many.
    fn make_room(&mut self) {
        for _ in 0..STREAMS_LOOKED_AT {
            if self.by_name.len() < PART_MAX {
                return self.shrink();
            }
            self.hand = if self.hand < self.order.len() { self.hand } else { 0 };
            let stream = self.order[self.hand].clone();
            let was_used = stream.used.swap(false, Ordering::Relaxed);
            // Ours, and the two of this part: nobody else holds it, and nobody gets it while this lock is held.
            // A stream that was used since the last look gets another round.
            if was_used || stream.is_followed() || Arc::strong_count(&stream) > 3 {
                self.hand += 1;
            } else {
                self.remove(&stream);
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
        // Some 19,800, as the names fall into the parts.
        assert!(streams.len() < 3 * STREAMS_MAX, "{} are left", streams.len());
    }

    #[test]
    fn who_is_used_is_not_given_up() {
        let streams = Streams::default();
        streams.interest("followed", true);
        let held = streams.get("held");
        for i in 0..2 * STREAMS_MAX {
            streams.get(&i.to_string());
        }
        assert!(streams.len() <= STREAMS_MAX + STREAMS_PARTS, "{} are left", streams.len());
        assert!(Arc::ptr_eq(&held, &streams.get("held")));
        assert!(streams.get("followed").is_followed());
        assert!(!streams.evict("held") && !streams.evict("followed"));
        drop(held);
        streams.interest("followed", false);
        assert!(streams.evict("held") && streams.evict("followed") && streams.evict("never there"));
        assert!(streams.find("held").is_none() && streams.find("followed").is_none());
    }

    #[test]
    fn each_stream_knows_its_place() {
        let streams = Streams::default();
        let names: Vec<_> = (0..STREAMS_MAX / 2).map(|i| i.to_string()).collect();
        names.iter().for_each(|name| drop(streams.get(name)));
        assert!(names.iter().step_by(3).all(|name| streams.evict(name)));
        for part in &streams.parts {
            let known = part.lock();
            assert_eq!(known.by_name.len(), known.order.len());
            assert!(known.order.iter().enumerate().all(|(at, stream)| stream.at.load(Ordering::Relaxed) == at));
        }
        assert_eq!(streams.len(), names.len() - names.len().div_ceil(3));
    }

    #[test]
    fn while_the_sink_is_told_only_the_position_waits() {
        let stream = Streams::default().get("a");
        *stream.lock() = Some(State { top: 1, ..State::new(ws_core::engine::Epoch::random(), 0) });
        stream.tell(
            || {
                assert!(stream.try_lock().is_none(), "who asks for the position is not answered at once");
                assert_eq!(stream.lock().map(|state| state.top), Some(1), "others read on");
            },
            |state| state.iter_mut().for_each(|state| state.top = 2),
        );
        assert_eq!(stream.try_lock().and_then(|state| state.map(|state| state.top)), Some(2));
    }
}
