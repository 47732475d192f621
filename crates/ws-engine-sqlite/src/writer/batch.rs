//! What one transaction does, and what is reported after its commit.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, Result};
use ws_core::engine::{Appended, EngineError, Epoch, Publication, Remembered, Retention, time};

use crate::history;
use crate::limits::TRIM_ROWS;
use crate::queue::{Appending, Command};
use crate::rows::{self, Insert, Span, ttl_ms};
use crate::shared::Shared;
use crate::streams::{State, Stream};
use crate::times::{self, Budget};

/// The results of the commands of a transaction.
#[derive(Debug)]
pub(super) struct Batch {
    /// One for each command.
    outcomes: Vec<Outcome>,
    drafts: Vec<Draft>,
}

/// The result of a command.
#[derive(Debug)]
enum Outcome {
    Stored { draft: usize, row: i64, epoch: Epoch, offset: u64, stored_ms: u64, publication: Publication },
    Duplicate { epoch: Epoch, offset: u64 },
    Conflict,
    Unknown,
    Removed { draft: usize, row: i64, epoch: Epoch, epoch_ms: u64 },
}

/// What the commands of a transaction share.
struct Work<'c> {
    connection: &'c Connection,
    insert: Insert<'c>,
    now_ms: u64,
    /// How much of what was ahead of the clock may still be set back.
    budget: Budget,
}

/// A stream as the transaction leaves it.
#[derive(Debug)]
struct Draft {
    stream: Arc<Stream>,
    state: State,
    /// That of the last publication; `None`: nothing was added, or the stream was removed since.
    retention: Option<Retention>,
    /// Publications that were added.
    added: u64,
}

impl Batch {
    /// Executes the commands, within a transaction.
    pub(super) fn store(connection: &Connection, shared: &Shared, commands: &[Command]) -> Result<Self> {
        let (now_ms, budget) = (shared.age.now_ms(), Budget::of(commands.len()));
        let mut work = Work { connection, insert: Insert::new(connection)?, now_ms, budget };
        let mut batch = Batch { outcomes: Vec::with_capacity(commands.len()), drafts: Vec::new() };
        let mut by_name: HashMap<&str, usize> = HashMap::new();
        let mut last = ("", 0);
        for command in commands {
            let name = command.channel();
            if last.0 != name {
                last = (name, batch.draft(connection, shared, name, &mut by_name)?);
            }
            let (at, draft) = (last.1, &mut batch.drafts[last.1]);
            batch.outcomes.push(match command {
                Command::Append(append) => draft.append(&mut work, append, at)?,
                Command::Remove { .. } => draft.remove(&work, at)?,
            });
        }
        batch.drafts.iter_mut().try_for_each(|draft| draft.finish(connection, now_ms))?;
        Ok(batch)
    }

    /// The index of a channel's draft.
    fn draft<'a>(
        &mut self,
        connection: &Connection,
        shared: &Shared,
        name: &'a str,
        by_name: &mut HashMap<&'a str, usize>,
    ) -> Result<usize> {
        if let Some(at) = by_name.get(name) {
            return Ok(*at);
        }
        let stream = shared.streams.get(name);
        let state = stream.load(connection)?;
        by_name.insert(name, self.drafts.len());
        self.drafts.push(Draft { stream, state, retention: None, added: 0 });
        Ok(self.drafts.len() - 1)
    }

    /// How many publications were stored.
    pub(super) fn stored(&self) -> usize {
        self.outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Stored { .. })).count()
    }

    /// After the commit: tells the sink and the publishers.
    pub(super) fn publish(self, shared: &Shared, commands: Vec<Command>) {
        self.outcomes.iter().zip(&commands).for_each(|(outcome, command)| self.tell(shared, outcome, command));
        self.drafts.iter().for_each(Draft::publish);
        // The publishers are answered last: by then everything that they are told is done. In reverse order: a
        // publisher that sent several waits for the first answer, and then finds all of them.
        for (outcome, command) in self.outcomes.into_iter().zip(commands).rev() {
            match command {
                Command::Append(append) => append.answer.give(outcome.appended()),
                Command::Remove { answer, .. } => {
                    let epoch = if let Outcome::Removed { epoch, .. } = outcome { Some(epoch) } else { None };
                    answer.give(epoch.ok_or(EngineError::Conflict));
                }
            }
        }
    }

    fn tell(&self, shared: &Shared, outcome: &Outcome, command: &Command) {
        match *outcome {
            Outcome::Stored { draft, row, epoch, offset, stored_ms, ref publication } => {
                let stream = &self.drafts[draft].stream;
                let deliver = || {
                    if stream.is_followed() {
                        shared.tell(|sink| sink.deliver(stream.name(), publication, command.read_us()));
                    }
                };
                // Time and position together: otherwise the stream would look empty if everything before has expired.
                stream.tell(deliver, |state| {
                    let Some(state) = state else { return };
                    (state.row, state.epoch, state.top, state.newest_ms) = (Some(row), epoch, offset, stored_ms);
                });
            }
            Outcome::Removed { draft, row, epoch, epoch_ms } => {
                let stream = &self.drafts[draft].stream;
                let reset = || shared.tell(|sink| sink.reset(stream.name(), epoch, 0));
                stream.tell(reset, |state| *state = Some(State { row: Some(row), ..State::new(epoch, epoch_ms) }));
            }
            Outcome::Duplicate { .. } | Outcome::Conflict | Outcome::Unknown => {}
        }
    }
}

impl Outcome {
    fn appended(self) -> std::result::Result<Appended, EngineError> {
        match self {
            Outcome::Stored { epoch, offset, .. } => Ok(Appended { position: Some((epoch, offset)), duplicate: false }),
            Outcome::Duplicate { epoch, offset } => Ok(Appended { position: Some((epoch, offset)), duplicate: true }),
            Outcome::Unknown => Err(EngineError::UnknownOutcome),
            Outcome::Conflict | Outcome::Removed { .. } => Err(EngineError::Conflict),
        }
    }
}

impl State {
    /// What decides about a repeat whose id is not retained.
    fn remembered(&self, connection: &Connection, retention: Retention, now_ms: u64) -> Result<Remembered> {
        let (oldest, found) = history::find_oldest(connection, self, retention, now_ms)?;
        Ok(Remembered { epoch_ms: self.epoch_ms, oldest, oldest_ms: found.map(|(_, stored_ms)| stored_ms) })
    }

    /// What is stored of a publication, whose time does not go back behind those of the channel before it.
    fn show(&mut self, work: &mut Work<'_>, row: i64, append: &Appending) -> Result<Arc<[u8]>> {
        let Work { connection, budget, .. } = work;
        let before_ms = match self.shown_ms {
            Some(shown_ms) => shown_ms,
            None => rows::shown_ms(connection, row, self.top)?,
        };
        let mut body = append.body.clone();
        if let Some((shown_ms, sets_back)) = time::follow(&mut body, &append.data, before_ms) {
            let stored = Span { from: self.stored, to: self.top + 1 };
            let is_right = !sets_back || times::set_back(connection, row, stored, shown_ms, budget)?;
            // Until all before it are set back it stays ahead with them.
            let shown_ms = if is_right { shown_ms } else { time::raise(&mut body, &append.data, before_ms) };
            self.shown_ms = Some(shown_ms);
        }
        Ok(body)
    }
}

impl Draft {
    fn append(&mut self, work: &mut Work<'_>, append: &Appending, draft: usize) -> Result<Outcome> {
        let (connection, now_ms, state) = (work.connection, work.now_ms, &mut self.state);
        let known = match (state.row, append.msg_id.as_deref()) {
            (Some(row), Some(id)) => rows::find(connection, row, id)?.map(|known| (row, known)),
            _ => None,
        };
        if let Some((_, known)) = known.as_ref().filter(|(_, known)| state.retains(known, append.retention, now_ms)) {
            let is_same = known.data == append.data();
            let (epoch, offset) = (state.epoch, known.offset);
            return Ok(if is_same { Outcome::Duplicate { epoch, offset } } else { Outcome::Conflict });
        }
        if let Some(sent_ms) = append.sent_ms
            && state.remembered(connection, append.retention, now_ms)?.may_have_lost(sent_ms)
        {
            return Ok(Outcome::Unknown);
        }
        if let Some((row, known)) = known {
            rows::forget_id(connection, row, known.offset)?;
        }
        let row = match state.row {
            Some(row) => row,
            None => rows::insert_channel(connection, self.stream.name(), state)?,
        };
        let (offset, stored_ms) = (state.top + 1, now_ms.max(state.newest_ms));
        let publication = Publication { offset: Some(offset), body: state.show(work, row, append)? };
        work.insert.run(row, &publication, stored_ms, append)?;
        if state.alive.is_none() || state.first == offset {
            state.alive = Some((offset, stored_ms));
        }
        (state.row, state.top, state.newest_ms) = (Some(row), offset, stored_ms);
        self.retention = Some(append.retention);
        self.added += 1;
        Ok(Outcome::Stored { draft, row, epoch: state.epoch, offset, stored_ms, publication })
    }

    /// A new stream begins; the publications of the old one are deleted later.
    fn remove(&mut self, work: &Work<'_>, draft: usize) -> Result<Outcome> {
        let Work { connection, now_ms, .. } = *work;
        self.state.row.map_or(Ok(()), |row| rows::remove(connection, row))?;
        let mut state = State::new(Epoch::random(), now_ms);
        let row = rows::insert_channel(connection, self.stream.name(), &state)?;
        rows::stay_idle(connection, row, now_ms)?;
        let epoch = state.epoch;
        state.row = Some(row);
        *self = Draft { stream: self.stream.clone(), state, retention: None, added: 0 };
        Ok(Outcome::Removed { draft, row, epoch, epoch_ms: now_ms })
    }

    /// Deletes some excess publications, so that the database does not grow, and stores the stream's state.
    fn finish(&mut self, connection: &Connection, now_ms: u64) -> Result<()> {
        let (Some(retention), Some(row)) = (self.retention, self.state.row) else { return Ok(()) };
        let state = &mut self.state;
        let lowest = state.lowest(retention);
        let gone = Span { from: state.stored, to: lowest.min(state.stored + self.added + TRIM_ROWS) };
        if gone.from < gone.to {
            rows::delete(connection, row, gone)?;
            state.stored = gone.to;
        }
        let expires_ms = Some(state.newest_ms.saturating_add(ttl_ms(retention))).filter(|_| !retention.ttl.is_zero());
        let left_ms = (state.stored < lowest).then_some(now_ms);
        state.due_ms = [state.due_ms, expires_ms, left_ms].into_iter().flatten().min();
        rows::update_channel(connection, row, state, retention, None)
    }

    /// After the commit: updates the state, and keeps what readers have learned meanwhile.
    fn publish(&self) {
        let mut state = self.stream.lock();
        let Some(known) = state.as_mut() else { return };
        let first = known.first.max(self.state.first).max(self.state.stored);
        let alive = known.alive.or(self.state.alive);
        *known = State { first, alive, ..self.state };
    }
}
