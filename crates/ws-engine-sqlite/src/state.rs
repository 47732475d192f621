//! The state of a stream: its position, and what of it is retained. No database access: that is in `rows`. Who
//! uses a stream is in `streams`.

use ws_core::engine::{Epoch, Expiry, History, HistoryQuery, Retention};

/// The state of a stream. Everything in it has been given to the sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    /// Its number in the tables; `None`: nothing was ever stored in it.
    pub(crate) row: Option<i64>,
    pub(crate) epoch: Epoch,
    /// When its epoch began.
    pub(crate) epoch_ms: u64,
    /// Offset of the newest publication ever made; 0: none.
    pub(crate) top: u64,
    /// Nothing before this offset is retained any more.
    pub(crate) first: u64,
    /// Nothing before this offset is stored any more.
    pub(crate) stored: u64,
    /// When the newest one was stored. Later publications never have an earlier time, so age follows the order.
    pub(crate) newest_ms: u64,
    /// When something in it is due to be deleted.
    pub(crate) due_ms: Option<u64>,
    /// The offset of a stored publication, and when it was stored: none after it is older.
    pub(crate) alive: Option<(u64, u64)>,
    /// The latest time shown in a publication; `None`: has to be read from the newest one.
    pub(crate) shown_ms: Option<u64>,
}

/// A part of a stream: offsets from `from` up to but not including `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

impl State {
    /// A stream in which nothing was ever stored.
    pub(crate) fn new(epoch: Epoch, epoch_ms: u64) -> Self {
        let (top, first, stored, newest_ms) = (0, 1, 1, 0);
        State { row: None, epoch, epoch_ms, top, first, stored, newest_ms, due_ms: None, alive: None, shown_ms: None }
    }

    /// The lowest offset that may be retained, regardless of age.
    pub(crate) fn lowest(&self, retention: Retention) -> u64 {
        self.first.max((self.top + 1).saturating_sub(retention.size as u64))
    }

    /// Offset of the oldest retained publication, `top + 1` if there is none; `None`: needs the database.
    pub(crate) fn oldest(&self, retention: Retention, now_ms: u64) -> Option<u64> {
        let (lowest, ttl_ms) = (self.lowest(retention), ttl_ms(retention));
        match self.alive {
            _ if lowest > self.top || is_old(self.newest_ms, ttl_ms, now_ms) => Some(self.top + 1),
            _ if ttl_ms == 0 || retention.expiry == Expiry::Together => Some(lowest),
            Some((offset, stored_ms)) if offset <= lowest && !is_old(stored_ms, ttl_ms, now_ms) => Some(lowest),
            _ => None,
        }
    }

    /// Whether a publication that was stored then has expired.
    pub(crate) fn has_expired(&self, stored_ms: u64, retention: Retention, now_ms: u64) -> bool {
        let counted_ms = if retention.expiry == Expiry::Together { self.newest_ms } else { stored_ms };
        is_old(counted_ms, ttl_ms(retention), now_ms)
    }

    /// The answer to a query in a stream whose oldest retained publication is `oldest`, without the
    /// publications.
    pub(crate) fn answer(&self, query: &HistoryQuery<'_>, oldest: u64) -> (History, Span) {
        let from = oldest.max(query.after.saturating_add(1));
        let to = query.before.unwrap_or(u64::MAX).min(self.top + 1);
        let span = Span { from, to: to.max(from) };
        let (epoch, top, more) = (self.epoch, self.top, span.from < span.to);
        (History { epoch, top, oldest, publications: Vec::new(), more }, span)
    }
}

/// The age at which publications are no longer kept, in milliseconds; 0: none.
pub(crate) fn ttl_ms(retention: Retention) -> u64 {
    // Bounded so that a sum with a time does not overflow.
    u64::try_from(retention.ttl.as_millis()).unwrap_or(u64::MAX).min(1 << 60)
}

/// Whether a publication stored at `stored_ms` is too old to be kept.
fn is_old(stored_ms: u64, ttl_ms: u64, now_ms: u64) -> bool {
    ttl_ms > 0 && stored_ms.saturating_add(ttl_ms) <= now_ms
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Retention = Retention::new(10, Duration::from_secs(1));

    fn state(top: u64, newest_ms: u64, alive: Option<(u64, u64)>) -> State {
        State { top, newest_ms, alive, ..State::new(Epoch::random(), 0) }
    }

    #[track_caller]
    fn oldest(state: State, retention: Retention, now_ms: u64, expect: Option<u64>) {
        assert_eq!(state.oldest(retention, now_ms), expect, "{state:?}");
    }

    #[test]
    fn the_oldest_is_known_while_one_before_it_is_not_old() {
        oldest(state(0, 0, None), SECOND, 5000, Some(1));
        oldest(state(30, 5000, Some((15, 4500))), SECOND, 5000, Some(21));
        oldest(state(30, 5000, Some((15, 4000))), SECOND, 5000, None);
        oldest(state(30, 5000, Some((22, 4500))), SECOND, 5000, None);
        oldest(state(30, 5000, None), SECOND, 5000, None);
        oldest(state(30, 4000, None), SECOND, 5000, Some(31));
        oldest(State { first: 25, ..state(30, 5000, Some((25, 4500))) }, SECOND, 5000, Some(25));
        oldest(state(30, 0, None), Retention { ttl: Duration::ZERO, ..SECOND }, 5000, Some(21));
        let together = Retention { expiry: Expiry::Together, ..SECOND };
        oldest(state(30, 4001, Some((15, 100))), together, 5000, Some(21));
        oldest(state(30, 4000, None), together, 5000, Some(31));
    }

    #[test]
    fn a_span_is_within_what_is_retained() {
        let state = state(30, 0, None);
        let query = |after, before| HistoryQuery {
            channel: "a",
            retention: SECOND,
            after,
            before,
            reverse: false,
            limit: 0,
            bytes_max: 0,
        };
        let span = |after, before| {
            let (history, span) = state.answer(&query(after, before), 21);
            assert_eq!(history.more, span.from < span.to);
            (span.from, span.to)
        };
        assert_eq!(span(0, None), (21, 31));
        assert_eq!(span(25, Some(27)), (26, 27));
        assert_eq!(span(30, None), (31, 31));
        assert_eq!(span(u64::MAX, None), (u64::MAX, u64::MAX));
        assert_eq!(span(25, Some(3)), (26, 26));
    }
}
