//! What the writer deletes and forgets, in steps of bounded size: excess publications,
//! removed streams, positions of channels that nobody has used for long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Result, TransactionBehavior};
use uuid::Uuid;
use ws_core::Clock;
use ws_core::engine::{Expiry, Retention};

use super::retention::Retentions;
use crate::limits::{
    IDLE_COUNT_STEPS, MAINTENANCE_CHANNELS, MAINTENANCE_INTERVAL, MAINTENANCE_PAUSE_MAX, MAINTENANCE_ROWS,
    MAINTENANCE_SPARE_CHANNELS,
};
use crate::rows::{self, Span, ttl_ms};
use crate::shared::Shared;
use crate::streams::{State, Stream};

/// When the next step is due.
#[derive(Debug)]
pub(super) struct Maintenance {
    due: Instant,
    /// Steps until the idle channels are counted again.
    until_count: u32,
    retentions: Retentions,
}

impl Default for Maintenance {
    fn default() -> Self {
        Maintenance { due: Instant::now(), until_count: 0, retentions: Retentions::default() }
    }
}

impl Maintenance {
    pub(super) fn is_due(&self) -> bool {
        Instant::now() >= self.due
    }

    /// Time until the next step.
    pub(super) fn pause(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    /// Schedules the next step after a pause.
    pub(super) fn rest(&mut self) {
        self.due = Instant::now() + MAINTENANCE_INTERVAL;
    }

    /// One step, in one transaction, which starts nothing more after `end`.
    pub(super) fn step(&mut self, connection: &mut Connection, shared: &Shared, end: Instant) -> Result<()> {
        let began = Instant::now();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
        let counts = self.until_count == 0;
        let ahead_ms = shared.age.to_note(Clock::unix_ms());
        ahead_ms.map_or(Ok(()), |ahead_ms| rows::set_ahead_ms(&transaction, ahead_ms))?;
        let retentions = self.retentions.next(&transaction, shared)?;
        let (trimmed, more_due) = trim(&transaction, shared, end)?;
        let more_removed = rows::purge(&transaction, MAINTENANCE_ROWS)?;
        // Before the start nobody can have said which channels are in use.
        let counts = counts && shared.sink.get().is_some();
        let forgotten = if counts { forget(&transaction, shared, end)? } else { Forgotten::default() };
        transaction.commit()?;
        ahead_ms.into_iter().for_each(|ahead_ms| shared.age.noted(ahead_ms));
        let more_retentions = retentions.is_in_progress();
        self.retentions = retentions;
        trimmed.iter().for_each(Trimmed::publish);
        forgotten.publish(shared);
        let more_idle = forgotten.more;
        self.until_count = match self.until_count {
            0 if more_idle || !counts => 0,
            0 => IDLE_COUNT_STEPS,
            n => n - 1,
        };
        if more_due || more_removed || more_idle || more_retentions {
            // Publications get as much time as maintenance.
            self.due = Instant::now() + began.elapsed().min(MAINTENANCE_PAUSE_MAX);
        } else {
            self.rest();
        }
        Ok(())
    }
}

/// A stream that was trimmed.
#[derive(Debug)]
struct Trimmed {
    stream: Arc<Stream>,
    stored: u64,
    due_ms: Option<u64>,
}

/// Channels whose positions are forgotten.
#[derive(Debug, Default)]
struct Forgotten {
    rows: Vec<(i64, Box<str>)>,
    /// What the epochs of channels without a row follow from since then.
    epochs: Uuid,
    /// When those begin.
    epochs_ms: u64,
    /// There are more that are too many.
    more: bool,
}

impl Trimmed {
    fn publish(&self) {
        let mut state = self.stream.lock();
        state.iter_mut().for_each(|state| (state.stored, state.due_ms) = (self.stored, self.due_ms));
    }
}

impl Forgotten {
    /// Somebody may have read a position while it was being forgotten: then another stream begins.
    fn publish(&self, shared: &Shared) {
        for (row, name) in &self.rows {
            let Some(stream) = shared.streams.find(name) else { continue };
            let mut state = stream.lock();
            if state.is_some_and(|state| state.row == Some(*row)) {
                let begun = State::new(rows::epoch_of(self.epochs, name), self.epochs_ms);
                shared.tell(|sink| sink.reset(name, begun.epoch, 0));
                *state = Some(begun);
            }
        }
    }
}

/// Deletes what is due. Returns also whether there may be more.
fn trim(connection: &Connection, shared: &Shared, end: Instant) -> Result<(Vec<Trimmed>, bool)> {
    let now_ms = shared.age.now_ms();
    let due = rows::due(connection, now_ms, MAINTENANCE_CHANNELS)?;
    let (mut trimmed, mut rows_left) = (Vec::new(), MAINTENANCE_ROWS);
    for due in &due {
        let stream = shared.streams.get(&due.name);
        let before = stream.load(connection)?;
        let Some(row) = before.row else { continue };
        let after = trim_stream(connection, row, &stream, before, due.retention, now_ms, rows_left)?;
        rows_left -= after.stored - before.stored;
        trimmed.push(Trimmed { stream, stored: after.stored, due_ms: after.due_ms });
        if rows_left == 0 || Instant::now() >= end {
            return Ok((trimmed, true));
        }
    }
    Ok((trimmed, due.len() as u64 == MAINTENANCE_CHANNELS))
}

/// Deletes the oldest publications of a stream that are no longer retained, at most `limit`.
fn trim_stream(
    connection: &Connection,
    row: i64,
    stream: &Stream,
    mut state: State,
    retention: Retention,
    now_ms: u64,
    limit: u64,
) -> Result<State> {
    let (lowest, before, ttl_ms) = (state.lowest(retention), state, ttl_ms(retention));
    // One more, to know when the next is due.
    let times = rows::oldest_ms(connection, row, state.stored, limit + 1)?;
    let is_gone = |(at, stored_ms): &(usize, &u64)| {
        before.stored + (*at as u64) < lowest || before.has_expired(**stored_ms, retention, now_ms)
    };
    let gone = (times.iter().enumerate().take_while(is_gone).count() as u64).min(limit);
    let span = Span { from: state.stored, to: state.stored + gone };
    // Before the rows are deleted: readers must not take them for retained.
    stream.lock().iter_mut().for_each(|known| known.first = known.first.max(span.to));
    rows::delete(connection, row, span)?;
    state.stored = span.to;
    state.due_ms = match times.get(gone as usize) {
        _ if gone == limit => Some(now_ms),
        Some(_) if ttl_ms > 0 && retention.expiry == Expiry::Together => Some(state.newest_ms + ttl_ms),
        Some(stored_ms) if ttl_ms > 0 => Some(stored_ms + ttl_ms),
        _ => None,
    };
    let idle_ms = (state.stored > state.top).then_some(now_ms);
    rows::update_channel(connection, row, &state, retention, idle_ms)?;
    Ok(state)
}

/// Forgets the positions of excess idle channels.
fn forget(connection: &Connection, shared: &Shared, end: Instant) -> Result<Forgotten> {
    let (idle, max) = (rows::count_idle(connection)?, shared.options.idle_channels_max as u64);
    let excess = idle.saturating_sub(max).min(MAINTENANCE_ROWS);
    let mut forgotten = Forgotten::default();
    if excess == 0 {
        return Ok(forgotten);
    }
    let now_ms = shared.age.now_ms();
    // Some may have subscribers.
    for (row, name) in rows::idle(connection, excess + MAINTENANCE_SPARE_CHANNELS)? {
        if forgotten.rows.len() as u64 == excess || (!forgotten.rows.is_empty() && Instant::now() >= end) {
            break;
        }
        if shared.streams.evict(&name) {
            rows::forget(connection, row)?;
            forgotten.rows.push((row, name));
        } else {
            rows::stay_idle(connection, row, now_ms)?;
        }
    }
    forgotten.more = !forgotten.rows.is_empty() && idle - forgotten.rows.len() as u64 > max;
    if !forgotten.rows.is_empty() {
        // Whoever knows a position of theirs must not find it in a stream that counts from 1 again.
        (forgotten.epochs, forgotten.epochs_ms) = (Uuid::new_v4(), now_ms);
        rows::set_epochs(connection, forgotten.epochs, now_ms)?;
    }
    Ok(forgotten)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::tests::open;

    #[test]
    fn a_position_that_was_read_while_it_was_forgotten_is_another_stream() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let (shared, connection) = open(dir.path());
        let row = rows::tests::channel(&connection, "a");
        rows::stay_idle(&connection, row, 1).expect("a row");
        let reader = crate::database::open_reader(&shared.directory.database()).expect("a reader");

        let transaction = connection.unchecked_transaction().expect("a transaction");
        let end = Instant::now() + Duration::from_secs(60);
        let forgotten = forget(&transaction, &shared, end).expect("it is forgotten");
        let stream = shared.streams.get("a");
        assert_eq!(stream.load(&reader).expect("it can be read").row, Some(row), "not committed yet");
        transaction.commit().expect("committed");
        forgotten.publish(&shared);

        let known = stream.load(&reader).expect("it is known");
        assert_eq!(known, rows::load(&connection, "a").expect("it can be read"));
        assert_eq!(known.row, None);
    }
}
