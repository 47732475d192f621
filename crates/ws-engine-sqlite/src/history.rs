//! Answers to history queries: without the disk if only the position is asked for and it is known, and
//! from a snapshot of the database otherwise.

use rusqlite::{Connection, TransactionBehavior};
use ws_core::engine::{Found, History, HistoryQuery, Retention};

use crate::rows::{self, Known, Span};
use crate::streams::{State, Stream};

/// The answer, if it does not need the disk.
pub(crate) fn at_once(stream: &Stream, query: &HistoryQuery<'_>, now_ms: u64) -> Option<History> {
    let mut state = stream.try_lock()?;
    let state = state.as_mut()?;
    let oldest = state.oldest(query.retention, now_ms)?;
    state.first = oldest;
    let (history, span) = state.answer(query, oldest);
    (query.limit == 0 || span.from == span.to).then_some(history)
}

/// The answer, from the database.
pub(crate) fn read(
    connection: &mut Connection,
    stream: &Stream,
    query: &HistoryQuery<'_>,
    now_ms: u64,
) -> rusqlite::Result<History> {
    // Take the position first: everything up to it is in the snapshot. Only the oldest publications are deleted, so the
    // snapshot may begin later than the position says, but it has no hole.
    if query.limit == 0 {
        stream.wait_until_told();
    }
    let state = stream.load(connection)?;
    let snapshot = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
    let (oldest, alive) = match state.oldest(query.retention, now_ms) {
        Some(oldest) if oldest > state.top => (oldest, None),
        _ => find_oldest(&snapshot, &state, query.retention, now_ms)?,
    };
    let (mut history, span) = state.answer(query, oldest);
    if let Some(row) = state.row.filter(|_| history.more && query.limit > 0) {
        history.publications = rows::page(&snapshot, row, span, query.reverse, query.limit, query.bytes_max)?;
        history.more = span.to - span.from > history.publications.len() as u64;
    }
    snapshot.finish()?;
    learn(stream, &state, oldest, alive);
    Ok(history)
}

/// The retained publication with this id.
pub(crate) fn find(
    connection: &mut Connection,
    stream: &Stream,
    (retention, msg_id): (Retention, &str),
    now_ms: u64,
) -> rusqlite::Result<Option<Found>> {
    stream.wait_until_told();
    let state = stream.load(connection)?;
    let snapshot = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
    let Some(row) = state.row else { return Ok(None) };
    // What is not told yet may be in the snapshot.
    let is_retained = |known: &Known| known.offset <= state.top && state.retains(known, retention, now_ms);
    let Some(known) = rows::find(&snapshot, row, msg_id)?.filter(is_retained) else { return Ok(None) };
    let span = Span { from: known.offset, to: known.offset + 1 };
    let publication = rows::page(&snapshot, row, span, false, 1, 1)?.pop();
    snapshot.finish()?;
    Ok(publication.map(|publication| Found { epoch: state.epoch, publication }))
}

/// The oldest retained publication of a snapshot, and its offset with the time when it was stored; `top + 1` if there is
/// none.
pub(crate) fn find_oldest(
    snapshot: &Connection,
    state: &State,
    retention: Retention,
    now_ms: u64,
) -> rusqlite::Result<(u64, Option<(u64, u64)>)> {
    let Some(row) = state.row else { return Ok((state.top + 1, None)) };
    let retained = |stored_ms: &u64| !state.has_expired(*stored_ms, retention, now_ms);
    // All before `low` have expired, none from `high` on. Usually the first look decides.
    let (mut low, mut high, mut alive) = (state.lowest(retention), state.top + 1, None);
    let mut middle = low;
    while low < high {
        match rows::stored_ms(snapshot, row, middle)?.filter(retained) {
            Some(stored_ms) => (high, alive) = (middle, Some((middle, stored_ms))),
            None => low = middle + 1,
        }
        middle = low + (high - low) / 2;
    }
    Ok((high, alive))
}

/// Remembers what was found for the next query.
fn learn(stream: &Stream, seen: &State, oldest: u64, alive: Option<(u64, u64)>) {
    let mut state = stream.lock();
    let Some(state) = state.as_mut().filter(|state| state.row == seen.row && state.epoch == seen.epoch) else {
        return;
    };
    state.first = state.first.max(oldest);
    state.alive = alive.or(state.alive);
}
