//! What the memory engine drops: expired publications, publications over the limit of bytes, and positions over the
//! limit of idle channels.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use tokio::time::MissedTickBehavior;

use super::cell::Cell;
use super::inner::Inner;
use super::maintenance::NOWHERE;
use super::stream::{Idle, Stream};
use crate::limits::MEMORY_MAINTENANCE_INTERVAL;

/// Drops what has expired, until the engine is gone.
pub(super) async fn run(engine: Weak<Inner>) {
    let mut interval = tokio::time::interval(MEMORY_MAINTENANCE_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let Some(inner) = engine.upgrade() else { return };
        inner.expire();
        inner.forget_idle();
    }
}

impl Inner {
    /// Something was appended.
    pub(super) fn filled(&self, cell: &Arc<Cell>, stream: &mut Stream, was_empty: bool) {
        if was_empty && !stream.is_empty() {
            let mut holders = self.maintenance.holders.lock();
            cell.at.store(holders.len() as u64, Ordering::Relaxed);
            holders.push(cell.clone());
        }
        self.schedule(cell, stream);
    }

    /// Something may have been dropped.
    pub(super) fn emptied(&self, cell: &Arc<Cell>, stream: &mut Stream) {
        if !stream.is_empty() {
            return;
        }
        // Other streams may move it within the list, but only the holder of its stream's lock inserts or removes it. So
        // most queries to an empty stream end here, without a lock that all streams share.
        if cell.at.load(Ordering::Relaxed) != NOWHERE {
            self.take_out(cell);
        }
        if stream.subscribers > 0 || stream.gone || !stream.known {
            return;
        }
        match stream.idle {
            Idle::No => {
                stream.idle = Idle::Listed;
                self.maintenance.list_idle(cell.clone());
            }
            Idle::Listed | Idle::Again => stream.idle = Idle::Again,
        }
    }

    /// Removes a stream that no longer holds anything from the list of holders.
    fn take_out(&self, cell: &Cell) {
        let mut holders = self.maintenance.holders.lock();
        let at = cell.at.swap(NOWHERE, Ordering::Relaxed) as usize;
        holders.swap_remove(at);
        if let Some(moved) = holders.get(at) {
            moved.at.store(at as u64, Ordering::Relaxed);
        }
    }

    /// Forgets a stream whose position was never reported to anybody: it does not count as an idle channel.
    pub(super) fn forget_unknown(&self, cell: &Arc<Cell>) {
        self.streams.remove_if(cell, |cell| {
            let mut stream = cell.stream.lock();
            stream.gone = !stream.known && stream.subscribers == 0;
            stream.gone
        });
    }

    /// Drops publications, of one channel after the other, until the limit of bytes is kept.
    pub(super) fn make_room(&self) {
        while self.totals.bytes() > self.limits.history_bytes_max as u64 {
            let holders = self.maintenance.holders.lock();
            let next = self.maintenance.next_evicted.fetch_add(1, Ordering::Relaxed);
            let Some(cell) = holders.get(next % holders.len().max(1)).cloned() else { return };
            drop(holders);
            let mut stream = cell.stream.lock();
            stream.drop_half(&self.totals);
            self.emptied(&cell, &mut stream);
        }
    }

    /// Forgets the positions of the channels that have been idle for longest, until their limit is kept.
    pub(super) fn forget_idle(&self) {
        while self.maintenance.idle_len.load(Ordering::Relaxed) > self.limits.idle_channels_max {
            let Some(cell) = self.maintenance.take_idle(self.limits.idle_channels_max) else { return };
            let mut is_again = false;
            self.streams.remove_if(&cell, |cell| {
                let mut stream = cell.stream.lock();
                let is_idle = stream.is_empty() && stream.subscribers == 0;
                is_again = is_idle && stream.idle == Idle::Again;
                stream.idle = if is_again { Idle::Listed } else { Idle::No };
                stream.gone = is_idle && !is_again;
                stream.gone
            });
            if is_again {
                self.maintenance.list_idle(cell);
            }
        }
    }

    fn schedule(&self, cell: &Arc<Cell>, stream: &mut Stream) {
        if let Some(at_ms) = stream.expires_ms().filter(|_| !stream.scheduled) {
            stream.scheduled = true;
            self.maintenance.due.lock().entry(at_ms / 1000 + 1).or_default().push(cell.clone());
        }
    }

    fn expire(&self) {
        let now_ms = self.clock.now_ms();
        let mut due = self.maintenance.due.lock();
        let later = due.split_off(&(now_ms / 1000 + 1));
        let now = std::mem::replace(&mut *due, later);
        drop(due);
        for cell in now.into_values().flatten() {
            let mut stream = cell.stream.lock();
            stream.scheduled = false;
            stream.expire(now_ms, &self.totals);
            self.schedule(&cell, &mut stream);
            self.emptied(&cell, &mut stream);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::memory::{MemoryEngine, MemoryLimits};
    use crate::engine::{Append, Engine, HistoryQuery, Retention};

    /// An engine whose maintenance task does not run.
    fn engine() -> MemoryEngine {
        MemoryEngine::new(MemoryLimits { history_bytes_max: 1 << 20, idle_channels_max: 100 })
    }

    fn append(engine: &MemoryEngine, channel: &str) {
        let retention = Retention::new(10, Duration::from_secs(5));
        let append =
            Append { channel, retention, body: b"1"[..].into(), data: 0..1, msg_id: None, age_ms: 0, read_us: None };
        engine.append(append, Box::new(|appended| assert!(appended.is_ok())));
    }

    fn remove(engine: &MemoryEngine, channel: &str) {
        engine.remove(channel, Box::new(|removed| assert!(removed.is_ok())));
    }

    /// The names of those that hold publications; checks that each knows its index.
    fn holders(engine: &MemoryEngine) -> Vec<String> {
        let holders = engine.inner.maintenance.holders.lock();
        for (at, cell) in holders.iter().enumerate() {
            assert_eq!(cell.at.load(Ordering::Relaxed), at as u64, "{} knows its place", cell.name);
        }
        let mut names: Vec<_> = holders.iter().map(|cell| cell.name.to_string()).collect();
        names.sort();
        names
    }

    fn due(engine: &MemoryEngine) -> usize {
        engine.inner.maintenance.due.lock().values().map(Vec::len).sum()
    }

    fn ask(engine: &MemoryEngine, channel: &str) {
        let retention = Retention::new(10, Duration::from_secs(5));
        let (after, before, limit, bytes_max) = (0, None, 0, 0);
        let query = HistoryQuery { channel, retention, after, before, reverse: false, limit, bytes_max };
        engine.history(query, Box::new(|history| assert!(history.is_ok())));
    }

    fn idle(engine: &MemoryEngine) -> usize {
        engine.inner.maintenance.idle.lock().len()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_with_publications_is_listed_once() {
        let engine = engine();
        for channel in ["a", "b", "c", "b", "a"] {
            append(&engine, channel);
        }
        assert_eq!(holders(&engine), ["a", "b", "c"]);
        remove(&engine, "a");
        assert_eq!(holders(&engine), ["b", "c"], "another one has taken its place");
        remove(&engine, "a");
        remove(&engine, "c");
        assert_eq!(holders(&engine), ["b"]);
        append(&engine, "a");
        assert_eq!(holders(&engine), ["a", "b"], "it is back");
        tokio::time::advance(Duration::from_secs(5)).await;
        append(&engine, "a");
        assert_eq!(holders(&engine), ["a", "b"], "all of a had expired, and it holds something again");
        tokio::time::advance(Duration::from_secs(1)).await;
        engine.inner.expire();
        assert_eq!(holders(&engine), ["a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_waits_once_for_its_oldest_publication() {
        let engine = engine();
        for _ in 0..3 {
            append(&engine, "a");
            append(&engine, "b");
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(due(&engine), 2, "after 3 s");
        engine.inner.expire();
        assert_eq!((due(&engine), engine.stats().publications), (2, 6), "nothing has expired");
        tokio::time::advance(Duration::from_secs(3)).await;
        engine.inner.expire();
        assert_eq!((due(&engine), engine.stats().publications), (2, 2), "after 6 s, and the last ones wait");
        tokio::time::advance(Duration::from_secs(2)).await;
        engine.inner.expire();
        assert_eq!((due(&engine), engine.stats().publications), (0, 0), "after 8 s");
        assert_eq!(idle(&engine), 2, "they are idle");
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_stream_is_listed_once() {
        let engine = engine();
        ask(&engine, "b");
        for _ in 0..3 {
            remove(&engine, "a");
            engine.interest("b", true);
            engine.interest("b", false);
            append(&engine, "c");
            remove(&engine, "c");
        }
        assert_eq!(idle(&engine), 3);
        engine.inner.forget_idle();
        assert_eq!(engine.stats().channels, 3, "they are not too many");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_was_used_again_is_forgotten_later() {
        let engine = engine();
        let cells = |engine: &MemoryEngine| ["a", "b", "c"].map(|name| engine.inner.streams.get(name).is_some());
        ["a", "b"].iter().for_each(|channel| engine.interest(channel, true));
        ["a", "b"].iter().for_each(|channel| ask(&engine, channel));
        ["a", "b"].iter().for_each(|channel| engine.interest(channel, false));
        engine.interest("a", true);
        engine.interest("a", false);
        for n in 0..98 {
            ask(&engine, &format!("other {n}"));
        }
        assert_eq!(cells(&engine), [true, true, false], "as many as there may be");
        ask(&engine, "c");
        assert_eq!(cells(&engine), [true, false, true], "b has been idle for longest");
    }

    #[tokio::test(start_paused = true)]
    async fn channels_without_history_displace_no_position() {
        let engine = engine();
        ask(&engine, "kept");
        for n in 0..1000 {
            let channel = format!("passing {n}");
            engine.interest(&channel, true);
            engine.interest(&channel, true);
            engine.interest(&channel, false);
            engine.interest(&channel, false);
        }
        assert_eq!((engine.stats().channels, idle(&engine)), (1, 1));
        assert!(engine.inner.streams.get("kept").is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_to_an_empty_stream_takes_no_shared_lock() {
        let engine = Arc::new(engine());
        ask(&engine, "a");
        let locked = (engine.inner.maintenance.holders.lock(), engine.inner.maintenance.idle.lock());
        let (asked, answered) = std::sync::mpsc::channel();
        let other = engine.clone();
        std::thread::spawn(move || {
            ask(&other, "a");
            other.interest("a", true);
            ask(&other, "a");
            let _ = asked.send(());
        });
        assert_eq!(answered.recv_timeout(Duration::from_secs(10)), Ok(()));
        drop(locked);
    }
}
