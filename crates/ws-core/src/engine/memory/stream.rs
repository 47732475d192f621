//! One channel in the memory engine: its position and what is retained of it. No lock, no clock.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::engine::{
    Append, EngineError, Epoch, FindQuery, Found, History, HistoryQuery, Publication, Remembered, time,
};
use crate::limits::MEMORY_ENTRY_BYTES;
use crate::retention::{Expiry, Retention};

/// The stream of a channel.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) epoch: Epoch,
    /// When its epoch began, on the engine's clock.
    epoch_ms: u64,
    top: u64,
    /// When the newest publication was stored, on the engine's clock. Later ones never have an earlier time.
    newest_ms: u64,
    /// Subscribers on this node.
    pub(super) subscribers: u32,
    /// It is in the list of streams that are due to expire.
    pub(super) scheduled: bool,
    pub(super) idle: Idle,
    /// It is no longer registered: look the stream up again.
    pub(super) gone: bool,
    /// Its epoch has been reported to somebody.
    pub(super) known: bool,
    /// The `time` of its newest publication; 0: none.
    shown_ms: u64,
    /// `None` while nothing is retained, as in most channels.
    retained: Option<Box<Retained>>,
}

/// Whether a stream is in the list of idle streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Idle {
    No,
    /// It is in the list.
    Listed,
    /// It is in the list, and has been used and become idle again since.
    Again,
}

/// The retained publications up to `top`, without a hole.
#[derive(Debug, Default)]
struct Retained {
    entries: VecDeque<Entry>,
    ids: HashMap<Arc<str>, u64>,
    /// When all of them expire together, on the engine's clock.
    together_ms: Option<u64>,
}

#[derive(Debug)]
struct Entry {
    body: Arc<[u8]>,
    data: Range<usize>,
    id: Option<Arc<str>>,
    at_ms: u64,
    /// When it expires, on the engine's clock; `u64::MAX`: never.
    expires_ms: u64,
}

/// Totals over all streams of an engine.
#[derive(Debug, Default)]
pub(super) struct Totals {
    publications: AtomicU64,
    bytes: AtomicU64,
}

/// The result of an append.
#[derive(Debug)]
pub(super) enum Outcome {
    New(Publication),
    Duplicate(u64),
}

impl Stream {
    pub(super) fn new(epoch: Epoch, now_ms: u64) -> Self {
        Stream {
            epoch,
            epoch_ms: now_ms,
            top: 0,
            newest_ms: 0,
            subscribers: 0,
            scheduled: false,
            idle: Idle::No,
            gone: false,
            known: false,
            shown_ms: 0,
            retained: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.retained.is_none()
    }

    /// When the oldest publication expires, if it does.
    pub(super) fn expires_ms(&self) -> Option<u64> {
        let retained = self.retained.as_ref()?;
        let oldest_ms = Some(retained.entries.front()?.expires_ms).filter(|at| *at != u64::MAX);
        [oldest_ms, retained.together_ms].into_iter().flatten().min()
    }

    pub(super) fn append(
        &mut self,
        append: &mut Append<'_>,
        now_ms: u64,
        totals: &Totals,
    ) -> Result<Outcome, EngineError> {
        match append.retention.expiry {
            Expiry::Each => self.trim(append.retention, now_ms, totals),
            // What this one makes the newest lives as long as it does, unless it is gone by now.
            Expiry::Together => self.expire(now_ms, totals),
        }
        if let Some(offset) = append.msg_id.and_then(|id| self.retained.as_ref()?.ids.get(id).copied()) {
            let first = &self.retained.as_ref().map(|retained| &retained.entries[retained.at(offset, self.top)]);
            let same = first.is_some_and(|first| first.body[first.data.clone()] == append.body[append.data.clone()]);
            return if same { Ok(Outcome::Duplicate(offset)) } else { Err(EngineError::Conflict) };
        }
        if append.age_ms > 0 && self.remembered().may_have_lost(now_ms.saturating_sub(append.age_ms)) {
            return Err(EngineError::UnknownOutcome);
        }
        self.show(append);
        self.top += 1;
        self.newest_ms = now_ms.max(self.newest_ms);
        let retained = self.retained.get_or_insert_default();
        let id: Option<Arc<str>> = append.msg_id.map(Arc::from);
        if let Some(id) = &id {
            retained.ids.insert(id.clone(), self.top);
        }
        let at_ms = self.newest_ms;
        let (expires_ms, together_ms) = match append.retention.expiry {
            Expiry::Each => (expiry(at_ms, append.retention.ttl), u64::MAX),
            Expiry::Together => (u64::MAX, expiry(at_ms, append.retention.ttl)),
        };
        retained.together_ms = Some(together_ms).filter(|at| *at != u64::MAX);
        let entry = Entry { body: append.body.clone(), data: append.data.clone(), id, at_ms, expires_ms };
        totals.add(&entry);
        retained.entries.push_back(entry);
        self.trim(append.retention, now_ms, totals);
        Ok(Outcome::New(Publication { offset: Some(self.top), body: append.body.clone() }))
    }

    fn remembered(&self) -> Remembered {
        let oldest = self.retained.as_ref().and_then(|retained| retained.entries.front());
        let (epoch_ms, oldest_ms) = (self.epoch_ms, oldest.map(|oldest| oldest.at_ms));
        Remembered { epoch_ms, oldest: self.top + 1 - self.len(), oldest_ms }
    }

    /// Ensures that the times of the channel do not go back.
    fn show(&mut self, append: &mut Append<'_>) {
        let Some((shown_ms, sets_back)) = time::follow(&mut append.body, &append.data, self.shown_ms) else { return };
        self.shown_ms = shown_ms;
        if sets_back {
            let mut newest_first = self.retained.iter_mut().flat_map(|retained| retained.entries.iter_mut().rev());
            while newest_first.next().is_some_and(|entry| time::limit(&mut entry.body, &entry.data, shown_ms)) {}
        }
    }

    pub(super) fn history(&mut self, query: &HistoryQuery<'_>, now_ms: u64, totals: &Totals) -> History {
        self.trim(query.retention, now_ms, totals);
        let oldest = self.top + 1 - self.len();
        let from = oldest.max(query.after.saturating_add(1));
        let to = query.before.unwrap_or(u64::MAX).min(self.top + 1);
        let mut history =
            History { epoch: self.epoch, top: self.top, oldest, publications: Vec::new(), more: from < to };
        let Some(retained) = self.retained.as_ref().filter(|_| from < to) else { return history };
        let entries = retained.entries.range(retained.at(from, self.top)..=retained.at(to - 1, self.top));
        if query.reverse {
            take((from..to).rev().zip(entries.rev()), query, &mut history);
        } else {
            take((from..to).zip(entries), query, &mut history);
        }
        history.more = ((to - from) as usize) > history.publications.len();
        history
    }

    pub(super) fn find(&mut self, query: &FindQuery<'_>, now_ms: u64, totals: &Totals) -> Option<Found> {
        self.trim(query.retention, now_ms, totals);
        let retained = self.retained.as_ref()?;
        let offset = *retained.ids.get(query.msg_id)?;
        let body = retained.entries[retained.at(offset, self.top)].body.clone();
        Some(Found { epoch: self.epoch, publication: Publication { offset: Some(offset), body } })
    }

    /// Starts a new, empty stream.
    pub(super) fn reset(&mut self, epoch: Epoch, now_ms: u64, totals: &Totals) {
        self.drop_oldest(usize::MAX, totals);
        (self.epoch, self.epoch_ms, self.top, self.shown_ms) = (epoch, now_ms, 0, 0);
    }

    /// Drops what has expired.
    pub(super) fn expire(&mut self, now_ms: u64, totals: &Totals) {
        if self.retained.as_ref().and_then(|retained| retained.together_ms).is_some_and(|at| at <= now_ms) {
            self.drop_oldest(usize::MAX, totals);
        }
        while self.expires_ms().is_some_and(|at| at <= now_ms) {
            self.drop_oldest(1, totals);
        }
    }

    /// Drops the older half of the publications, at least one.
    pub(super) fn drop_half(&mut self, totals: &Totals) {
        self.drop_oldest(self.len().div_ceil(2) as usize, totals);
    }

    /// Drops what this retention does not keep; it may differ from the one that the publications were stored with.
    fn trim(&mut self, retention: Retention, now_ms: u64, totals: &Totals) {
        self.drop_oldest((self.len() as usize).saturating_sub(retention.size), totals);
        let newest_ms = self.newest_ms;
        let is_old = |entry: &Entry| {
            let counted_ms = if retention.expiry == Expiry::Together { newest_ms } else { entry.at_ms };
            expiry(counted_ms, retention.ttl).min(entry.expires_ms) <= now_ms
        };
        while self.retained.as_ref().and_then(|retained| retained.entries.front()).is_some_and(is_old) {
            self.drop_oldest(1, totals);
        }
    }

    fn drop_oldest(&mut self, n: usize, totals: &Totals) {
        let Some(retained) = &mut self.retained else { return };
        for _ in 0..n.min(retained.entries.len()) {
            let Some(entry) = retained.entries.pop_front() else { break };
            totals.remove(&entry);
            if let Some(id) = &entry.id {
                retained.ids.remove(id);
            }
        }
        if retained.entries.is_empty() {
            self.retained = None;
        }
    }

    fn len(&self) -> u64 {
        self.retained.as_ref().map_or(0, |retained| retained.entries.len() as u64)
    }
}

impl Retained {
    /// Index of a retained offset.
    fn at(&self, offset: u64, top: u64) -> usize {
        self.entries.len() - 1 - (top - offset) as usize
    }
}

impl Totals {
    pub(super) fn publications(&self) -> u64 {
        self.publications.load(Ordering::Relaxed)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn add(&self, entry: &Entry) {
        self.publications.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(entry.bytes(), Ordering::Relaxed);
    }

    fn remove(&self, entry: &Entry) {
        self.publications.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(entry.bytes(), Ordering::Relaxed);
    }
}

impl Entry {
    fn bytes(&self) -> u64 {
        (self.body.len() + MEMORY_ENTRY_BYTES + self.id.as_ref().map_or(0, |id| 2 * id.len())) as u64
    }
}

fn expiry(at_ms: u64, ttl: Duration) -> u64 {
    match u64::try_from(ttl.as_millis()) {
        _ if ttl.is_zero() => u64::MAX,
        Ok(ttl_ms) => at_ms.saturating_add(ttl_ms),
        Err(_) => u64::MAX,
    }
}

/// Copies as much as the query allows.
fn take<'a>(entries: impl Iterator<Item = (u64, &'a Entry)>, query: &HistoryQuery<'_>, history: &mut History) {
    let mut bytes = 0;
    for (offset, entry) in entries.take(query.limit) {
        history.publications.push(Publication { offset: Some(offset), body: entry.body.clone() });
        bytes += entry.body.len();
        if bytes >= query.bytes_max {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Retention = Retention::new(100, Duration::from_secs(1));

    fn stream() -> (Stream, Totals) {
        (Stream::new(Epoch::random(), 0), Totals::default())
    }

    /// Appends a body that is all data.
    fn append(stream: &mut Stream, totals: &Totals, bytes: &[u8], id: Option<&str>, now_ms: u64) -> Outcome {
        let mut append = Append {
            channel: "a",
            retention: SECOND,
            body: bytes.into(),
            data: 0..bytes.len(),
            msg_id: id,
            age_ms: 0,
            read_us: None,
        };
        stream.append(&mut append, now_ms, totals).expect("no conflict")
    }

    fn offsets(stream: &mut Stream, totals: &Totals, retention: Retention, now_ms: u64) -> Vec<u64> {
        let (after, before, limit, bytes_max) = (0, None, 1000, 1 << 20);
        let query = HistoryQuery { channel: "a", retention, after, before, reverse: false, limit, bytes_max };
        let history = stream.history(&query, now_ms, totals);
        assert_eq!(history.top + 1 - history.oldest, history.publications.len() as u64, "without a hole up to the top");
        history.publications.iter().filter_map(|publication| publication.offset).collect()
    }

    #[test]
    fn a_publication_expires_to_the_millisecond() {
        let (mut stream, totals) = stream();
        append(&mut stream, &totals, b"1", None, 500);
        append(&mut stream, &totals, b"2", None, 501);
        assert_eq!(stream.expires_ms(), Some(1500));
        stream.expire(1499, &totals);
        assert_eq!(totals.publications(), 2);
        stream.expire(1500, &totals);
        assert_eq!((totals.publications(), stream.expires_ms()), (1, Some(1501)));
        assert_eq!(offsets(&mut stream, &totals, SECOND, 1500), [2]);
        assert_eq!(offsets(&mut stream, &totals, SECOND, 1501), [0; 0]);
        assert!(stream.is_empty());
    }

    #[test]
    fn the_shorter_of_two_ttls_counts() {
        let (half, none) = (Duration::from_millis(500), Duration::ZERO);
        for (ttl, until_ms) in [(half, 500), (none, 1000), (Duration::from_secs(2), 1000)] {
            let (mut stream, totals) = stream();
            append(&mut stream, &totals, b"1", None, 0);
            let retention = Retention::new(100, ttl);
            assert_eq!(offsets(&mut stream, &totals, retention, until_ms - 1), [1], "{ttl:?}");
            assert_eq!(offsets(&mut stream, &totals, retention, until_ms), [0; 0], "{ttl:?}");
        }
    }

    #[test]
    fn a_stream_that_expires_together_is_whole_or_gone() {
        let (mut stream, totals) = stream();
        let together =
            |ttl_ms| Retention { expiry: Expiry::Together, ..Retention::new(100, Duration::from_millis(ttl_ms)) };
        let mut append = |at_ms, ttl_ms| {
            let (body, retention) = (Arc::from(&b"1"[..]), together(ttl_ms));
            let mut append =
                Append { channel: "a", retention, body, data: 0..1, msg_id: None, age_ms: 0, read_us: None };
            stream.append(&mut append, at_ms, &totals).expect("no conflict");
            stream.expires_ms()
        };
        assert_eq!([append(0, 0), append(5000, 0), append(9000, 1000)], [None, None, Some(10_000)]);
        assert_eq!(offsets(&mut stream, &totals, together(1000), 9999), [1, 2, 3]);
        stream.expire(9999, &totals);
        assert_eq!(totals.publications(), 3);
        stream.expire(10_000, &totals);
        assert_eq!((totals.publications(), stream.expires_ms()), (0, None));
    }

    #[test]
    fn totals_come_out_even() {
        let (mut stream, totals) = stream();
        append(&mut stream, &totals, b"12345", None, 0);
        let plain = totals.bytes();
        assert_eq!(plain, 5 + MEMORY_ENTRY_BYTES as u64);
        append(&mut stream, &totals, b"12345", Some("id"), 0);
        assert_eq!(totals.bytes(), 2 * plain + 4, "the id is there twice");
        append(&mut stream, &totals, b"12345", Some("id"), 0);
        assert_eq!((totals.publications(), totals.bytes()), (2, 2 * plain + 4), "a duplicate costs nothing");
        stream.reset(Epoch::random(), 0, &totals);
        assert_eq!((totals.publications(), totals.bytes()), (0, 0));
        assert!(stream.is_empty());
    }

    #[test]
    fn half_is_the_older_half_and_at_least_one() {
        let (mut stream, totals) = stream();
        for i in 1..=5_u8 {
            append(&mut stream, &totals, &[i], None, 0);
        }
        for left in [vec![4, 5], vec![5], vec![], vec![]] {
            stream.drop_half(&totals);
            assert_eq!(offsets(&mut stream, &totals, SECOND, 0), left);
            assert_eq!(totals.publications(), left.len() as u64);
        }
        assert!(matches!(append(&mut stream, &totals, b"6", None, 0), Outcome::New(last) if last.offset == Some(6)));
    }

    #[test]
    fn an_id_is_found_whatever_was_given_up_before_it() {
        let (mut stream, totals) = stream();
        for (i, id) in ["a", "b", "c", "d"].into_iter().enumerate() {
            append(&mut stream, &totals, id.as_bytes(), Some(id), i as u64);
        }
        stream.drop_half(&totals);
        assert!(matches!(append(&mut stream, &totals, b"c", Some("c"), 5), Outcome::Duplicate(3)));
        assert!(matches!(append(&mut stream, &totals, b"d", Some("d"), 5), Outcome::Duplicate(4)));
        assert!(matches!(append(&mut stream, &totals, b"other", Some("a"), 5), Outcome::New(_)), "a is free");
        let mut conflict = Append {
            channel: "a",
            retention: SECOND,
            body: b"x"[..].into(),
            data: 0..1,
            msg_id: Some("d"),
            age_ms: 0,
            read_us: None,
        };
        assert_eq!(stream.append(&mut conflict, 5, &totals).err(), Some(EngineError::Conflict));
    }
}
