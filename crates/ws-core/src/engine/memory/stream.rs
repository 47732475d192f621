//! One channel in the memory engine: its position and what is retained of it. No lock, no clock.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::engine::{Append, EngineError, Epoch, History, HistoryQuery, Publication, Retention, time};
use crate::limits::MEMORY_ENTRY_BYTES;

/// The stream of a channel.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) epoch: Epoch,
    top: u64,
    /// Subscribers on this node.
    pub(super) interests: u32,
    /// It waits for the moment when something in it expires.
    pub(super) scheduled: bool,
    pub(super) idle: Idle,
    /// It is no longer registered: look it up again.
    pub(super) gone: bool,
    /// Somebody was told its epoch.
    pub(super) known: bool,
    /// The latest time that a publication of it has shown; 0: none.
    shown_ms: u64,
    /// Most channels are empty.
    kept: Option<Box<Kept>>,
}

/// Whether a stream stands among the idle ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Idle {
    No,
    /// It does.
    Listed,
    /// It does, and was used and became idle again since.
    Again,
}

/// The publications up to `top`, without a hole.
#[derive(Debug, Default)]
struct Kept {
    entries: VecDeque<Entry>,
    ids: HashMap<Arc<str>, u64>,
}

#[derive(Debug)]
struct Entry {
    body: Arc<[u8]>,
    data: Range<usize>,
    id: Option<Arc<str>>,
    at_ms: u64,
    /// Its age limit, in milliseconds; `u64::MAX`: none.
    expires_ms: u64,
}

/// What all streams of an engine hold together.
#[derive(Debug, Default)]
pub(super) struct Books {
    publications: AtomicU64,
    bytes: AtomicU64,
}

/// What came of an append.
#[derive(Debug)]
pub(super) enum Outcome {
    New(Publication),
    Duplicate(u64),
}

impl Stream {
    pub(super) fn new(epoch: Epoch) -> Self {
        Stream {
            epoch,
            top: 0,
            interests: 0,
            scheduled: false,
            idle: Idle::No,
            gone: false,
            known: false,
            shown_ms: 0,
            kept: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_none()
    }

    /// When the oldest publication expires, where one does.
    pub(super) fn expires_ms(&self) -> Option<u64> {
        let oldest = self.kept.as_ref()?.entries.front()?;
        Some(oldest.expires_ms).filter(|at| *at != u64::MAX)
    }

    pub(super) fn append(
        &mut self,
        append: &mut Append<'_>,
        now_ms: u64,
        books: &Books,
    ) -> Result<Outcome, EngineError> {
        self.expire(now_ms, books);
        if let Some(offset) = append.msg_id.and_then(|id| self.kept.as_ref()?.ids.get(id).copied()) {
            let first = &self.kept.as_ref().map(|kept| &kept.entries[kept.at(offset, self.top)]);
            let same = first.is_some_and(|first| first.body[first.data.clone()] == append.body[append.data.clone()]);
            return if same { Ok(Outcome::Duplicate(offset)) } else { Err(EngineError::Conflict) };
        }
        self.show(append);
        self.top += 1;
        let kept = self.kept.get_or_insert_default();
        let id: Option<Arc<str>> = append.msg_id.map(Arc::from);
        if let Some(id) = &id {
            kept.ids.insert(id.clone(), self.top);
        }
        let expires_ms = expiry(now_ms, append.retention.ttl);
        let entry = Entry { body: append.body.clone(), data: append.data.clone(), id, at_ms: now_ms, expires_ms };
        books.add(&entry);
        kept.entries.push_back(entry);
        self.trim(append.retention, now_ms, books);
        Ok(Outcome::New(Publication { offset: Some(self.top), body: append.body.clone() }))
    }

    /// Sees to it that the times that the channel shows do not go back.
    fn show(&mut self, append: &mut Append<'_>) {
        let Some((shown_ms, sets_back)) = time::follow(&mut append.body, &append.data, self.shown_ms) else { return };
        self.shown_ms = shown_ms;
        if sets_back {
            let mut newest_first = self.kept.iter_mut().flat_map(|kept| kept.entries.iter_mut().rev());
            while newest_first.next().is_some_and(|entry| time::limit(&mut entry.body, &entry.data, shown_ms)) {}
        }
    }

    pub(super) fn history(&mut self, query: &HistoryQuery<'_>, now_ms: u64, books: &Books) -> History {
        self.trim(query.retention, now_ms, books);
        let oldest = self.top + 1 - self.len();
        let from = oldest.max(query.after.saturating_add(1));
        let to = query.before.unwrap_or(u64::MAX).min(self.top + 1);
        let mut history =
            History { epoch: self.epoch, top: self.top, oldest, publications: Vec::new(), more: from < to };
        let Some(kept) = self.kept.as_ref().filter(|_| from < to) else { return history };
        let entries = kept.entries.range(kept.at(from, self.top)..=kept.at(to - 1, self.top));
        if query.reverse {
            take((from..to).rev().zip(entries.rev()), query, &mut history);
        } else {
            take((from..to).zip(entries), query, &mut history);
        }
        history.more = ((to - from) as usize) > history.publications.len();
        history
    }

    /// Begins again.
    pub(super) fn reset(&mut self, epoch: Epoch, books: &Books) {
        self.drop_oldest(usize::MAX, books);
        (self.epoch, self.top, self.shown_ms) = (epoch, 0, 0);
    }

    /// Gives up what is too old.
    pub(super) fn expire(&mut self, now_ms: u64, books: &Books) {
        while self.expires_ms().is_some_and(|at| at <= now_ms) {
            self.drop_oldest(1, books);
        }
    }

    /// Gives up half of what there is, the older one, and at least one publication.
    pub(super) fn drop_half(&mut self, books: &Books) {
        self.drop_oldest(self.len().div_ceil(2) as usize, books);
    }

    /// Gives up what is too much, and what is too old by this retention, which may be another one than before.
    fn trim(&mut self, retention: Retention, now_ms: u64, books: &Books) {
        self.drop_oldest((self.len() as usize).saturating_sub(retention.size), books);
        let is_old = |entry: &Entry| expiry(entry.at_ms, retention.ttl).min(entry.expires_ms) <= now_ms;
        while self.kept.as_ref().and_then(|kept| kept.entries.front()).is_some_and(is_old) {
            self.drop_oldest(1, books);
        }
    }

    fn drop_oldest(&mut self, n: usize, books: &Books) {
        let Some(kept) = &mut self.kept else { return };
        for _ in 0..n.min(kept.entries.len()) {
            let Some(entry) = kept.entries.pop_front() else { break };
            books.remove(&entry);
            if let Some(id) = &entry.id {
                kept.ids.remove(id);
            }
        }
        if kept.entries.is_empty() {
            self.kept = None;
        }
    }

    fn len(&self) -> u64 {
        self.kept.as_ref().map_or(0, |kept| kept.entries.len() as u64)
    }
}

impl Kept {
    /// Index of a retained offset.
    fn at(&self, offset: u64, top: u64) -> usize {
        self.entries.len() - 1 - (top - offset) as usize
    }
}

impl Books {
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

/// Takes as much as the query allows.
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

    const SECOND: Retention = Retention { size: 100, ttl: Duration::from_secs(1) };

    fn stream() -> (Stream, Books) {
        (Stream::new(Epoch::random()), Books::default())
    }

    /// Appends so many bytes, all of which are data.
    fn append(stream: &mut Stream, books: &Books, bytes: &[u8], id: Option<&str>, now_ms: u64) -> Outcome {
        let mut append =
            Append { channel: "a", retention: SECOND, body: bytes.into(), data: 0..bytes.len(), msg_id: id };
        stream.append(&mut append, now_ms, books).expect("no conflict")
    }

    fn offsets(stream: &mut Stream, books: &Books, retention: Retention, now_ms: u64) -> Vec<u64> {
        let (after, before, limit, bytes_max) = (0, None, 1000, 1 << 20);
        let query = HistoryQuery { channel: "a", retention, after, before, reverse: false, limit, bytes_max };
        let history = stream.history(&query, now_ms, books);
        assert_eq!(history.top + 1 - history.oldest, history.publications.len() as u64, "without a hole up to the top");
        history.publications.iter().filter_map(|publication| publication.offset).collect()
    }

    #[test]
    fn a_publication_expires_to_the_millisecond() {
        let (mut stream, books) = stream();
        append(&mut stream, &books, b"1", None, 500);
        append(&mut stream, &books, b"2", None, 501);
        assert_eq!(stream.expires_ms(), Some(1500));
        stream.expire(1499, &books);
        assert_eq!(books.publications(), 2);
        stream.expire(1500, &books);
        assert_eq!((books.publications(), stream.expires_ms()), (1, Some(1501)));
        assert_eq!(offsets(&mut stream, &books, SECOND, 1500), [2]);
        assert_eq!(offsets(&mut stream, &books, SECOND, 1501), [0; 0]);
        assert!(stream.is_empty());
    }

    #[test]
    fn the_shorter_of_two_ttls_counts() {
        let (half, none) = (Duration::from_millis(500), Duration::ZERO);
        for (ttl, until_ms) in [(half, 500), (none, 1000), (Duration::from_secs(2), 1000)] {
            let (mut stream, books) = stream();
            append(&mut stream, &books, b"1", None, 0);
            let retention = Retention { size: 100, ttl };
            assert_eq!(offsets(&mut stream, &books, retention, until_ms - 1), [1], "{ttl:?}");
            assert_eq!(offsets(&mut stream, &books, retention, until_ms), [0; 0], "{ttl:?}");
        }
    }

    #[test]
    fn the_books_come_out_even() {
        let (mut stream, books) = stream();
        append(&mut stream, &books, b"12345", None, 0);
        let plain = books.bytes();
        assert_eq!(plain, 5 + MEMORY_ENTRY_BYTES as u64);
        append(&mut stream, &books, b"12345", Some("id"), 0);
        assert_eq!(books.bytes(), 2 * plain + 4, "the id is there twice");
        append(&mut stream, &books, b"12345", Some("id"), 0);
        assert_eq!((books.publications(), books.bytes()), (2, 2 * plain + 4), "a duplicate costs nothing");
        stream.reset(Epoch::random(), &books);
        assert_eq!((books.publications(), books.bytes()), (0, 0));
        assert!(stream.is_empty());
    }

    #[test]
    fn half_is_the_older_half_and_at_least_one() {
        let (mut stream, books) = stream();
        for i in 1..=5_u8 {
            append(&mut stream, &books, &[i], None, 0);
        }
        for left in [vec![4, 5], vec![5], vec![], vec![]] {
            stream.drop_half(&books);
            assert_eq!(offsets(&mut stream, &books, SECOND, 0), left);
            assert_eq!(books.publications(), left.len() as u64);
        }
        assert!(matches!(append(&mut stream, &books, b"6", None, 0), Outcome::New(last) if last.offset == Some(6)));
    }

    #[test]
    fn an_id_is_found_whatever_was_given_up_before_it() {
        let (mut stream, books) = stream();
        for (i, id) in ["a", "b", "c", "d"].into_iter().enumerate() {
            append(&mut stream, &books, id.as_bytes(), Some(id), i as u64);
        }
        stream.drop_half(&books);
        assert!(matches!(append(&mut stream, &books, b"c", Some("c"), 5), Outcome::Duplicate(3)));
        assert!(matches!(append(&mut stream, &books, b"d", Some("d"), 5), Outcome::Duplicate(4)));
        assert!(matches!(append(&mut stream, &books, b"other", Some("a"), 5), Outcome::New(_)), "a is free");
        let mut conflict =
            Append { channel: "a", retention: SECOND, body: b"x"[..].into(), data: 0..1, msg_id: Some("d") };
        assert_eq!(stream.append(&mut conflict, 5, &books).err(), Some(EngineError::Conflict));
    }
}
