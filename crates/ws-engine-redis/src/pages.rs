//! Reading: pages of histories, and positions. Who asks for a position that is already being asked for waits for the next
//! answer together with everybody else, so a storm of subscribers is two questions.

use std::sync::Arc;

use tokio::time::{Instant, sleep};
use ws_core::engine::{Done, EngineError, History, HistoryQuery, Publication, Retention, RoundTrip};

use crate::limits::{NUMBER_MAX, PAGE_AGAIN, READ_WAIT};
use crate::link::Failure;
use crate::message::{Position, body};
use crate::positions::key;
use crate::refusal::{is_moving, is_stale};
use crate::resp::Value;
use crate::scripts::{Script, ttl_ms};
use crate::shared::{Shared, random};

/// A query, and who asks.
struct Page {
    channel: Box<str>,
    retention: Retention,
    after: u64,
    before: u64,
    reverse: bool,
    limit: usize,
    bytes_max: usize,
    /// When the first who asks came.
    came: Instant,
    asks: Asks,
}

enum Asks {
    One(Done<History>),
    /// Of a position.
    Many(Vec<Done<History>>),
}

impl Asks {
    fn answer(self, result: Result<History, EngineError>) {
        match self {
            Asks::One(done) => done(result),
            Asks::Many(all) => all.into_iter().for_each(|done| done(result.clone())),
        }
    }
}

impl Shared {
    pub(crate) fn page(self: &Arc<Self>, query: &HistoryQuery<'_>, done: Done<History>) {
        if self.is_closed() {
            return done(Err(self.unavailable()));
        }
        let is_position = query.limit == 0 && query.after == 0 && query.before.is_none();
        let asks = if is_position {
            let key = key(query.channel, query.retention);
            let mut pages = self.positions.0.lock();
            if let Some(next) = pages.get_mut(&key) {
                next.push((Instant::now(), done));
                return;
            }
            pages.insert(key, Vec::new());
            Asks::Many(vec![done])
        } else {
            Asks::One(done)
        };
        self.read(Page {
            channel: query.channel.into(),
            retention: query.retention,
            after: query.after.min(NUMBER_MAX - 1),
            before: query.before.unwrap_or(NUMBER_MAX).min(NUMBER_MAX),
            reverse: query.reverse,
            limit: query.limit.min(NUMBER_MAX as usize),
            bytes_max: query.bytes_max.min(NUMBER_MAX as usize),
            came: Instant::now(),
            asks,
        });
    }

    fn read(self: &Arc<Self>, page: Page) {
        let link = self.reader.read().clone();
        let Some(link) = link else {
            // It may be back in a moment.
            let trouble = self.unavailable();
            let may_wait = page.came.elapsed() < READ_WAIT && !self.is_closed();
            return if may_wait { self.read_again(page) } else { self.answer(page, Err(trouble)) };
        };
        if !self.may_be_sent(page.came) {
            let trouble = self.unavailable();
            return self.answer(page, Err(trouble));
        }
        let partition = self.keys.partition(&page.channel);
        let keys = [
            self.keys.generation(partition),
            self.keys.meta(partition, &page.channel),
            self.keys.stream(partition, &page.channel),
        ];
        let mut args = self.eval(Script::Page, keys.map(String::into_bytes).to_vec());
        args.extend([page.retention.size.to_string(), ttl_ms(page.retention).to_string()].map(String::into_bytes));
        let numbers = [page.after, page.before, u64::from(page.reverse)];
        args.extend(numbers.map(|number| number.to_string().into_bytes()));
        args.extend([page.limit, page.bytes_max].map(|number| number.to_string().into_bytes()));
        let (shared, mut page) = (self.clone(), Some(page));
        let sent = link.send(|batch| {
            if let Some(page) = page.take() {
                let asked = Instant::now();
                batch.command(args, move |result| {
                    shared.stats.answered(RoundTrip::Page, asked);
                    shared.paged(page, result);
                });
            }
        });
        if let (Err(reason), Some(page)) = (sent, page) {
            if page.came.elapsed() < READ_WAIT {
                return self.read_again(page);
            }
            self.answer(page, Err(EngineError::Unavailable(reason)));
        }
    }

    fn paged(self: &Arc<Self>, page: Page, result: Result<Value, Failure>) {
        match result {
            Ok(Value::Array(parts)) => match history(&parts, &page) {
                Some(history) => self.answer(page, Ok(history)),
                None => {
                    let other = "a script has answered what this version does not understand".to_owned();
                    self.answer(page, Err(EngineError::Unavailable(other)));
                }
            },
            Ok(Value::Bytes(answer)) if answer == b"NONE" => self.begin(page),
            Ok(_) => self.read_renewed(page),
            Err(Failure::Refused(error)) if is_stale(&error) => self.read_renewed(page),
            Err(Failure::Refused(error)) if is_moving(&error) => self.read_again(page),
            // To read twice does no harm.
            Err(Failure::Lost { .. }) if !self.is_closed() => self.read_again(page),
            Err(failure) => self.answer(page, Err(EngineError::Unavailable(failure.to_string()))),
        }
    }

    /// Nothing is known of the channel: its position begins.
    fn begin(self: &Arc<Self>, page: Page) {
        if !self.may_be_sent(page.came) {
            return self.read(page);
        }
        let partition = self.keys.partition(&page.channel);
        let keys = [
            self.keys.generation(partition),
            self.keys.meta(partition, &page.channel),
            self.keys.stream(partition, &page.channel),
        ];
        let mut args = self.eval(Script::Position, keys.map(String::into_bytes).to_vec());
        let position_ttl = self.options.position_ttl.as_millis().to_string().into_bytes();
        let followed = self.followed(&page.channel);
        let begins = followed.map_or_else(|| random().to_vec(), |channel| self.begins(&channel.state.lock()));
        args.extend([position_ttl, begins, b"1".to_vec(), b"0".to_vec()]);
        let Some(link) = self.reader.read().clone() else { return self.read(page) };
        let (shared, mut page) = (self.clone(), Some(page));
        let sent = link.send(|batch| {
            let Some(page) = page.take() else { return };
            batch.command(args, move |result| match result {
                Ok(Value::Array(_)) => shared.read(page),
                Ok(_) => shared.read_renewed(page),
                Err(Failure::Refused(error)) if is_moving(&error) => shared.read_again(page),
                Err(failure) => shared.answer(page, Err(EngineError::Unavailable(failure.to_string()))),
            });
        });
        if let (Err(_), Some(page)) = (sent, page) {
            self.read(page);
        }
    }

    /// The data, or the scripts, have just gone: they are renewed.
    fn read_renewed(self: &Arc<Self>, page: Page) {
        self.renew();
        self.read_again(page);
    }

    fn read_again(self: &Arc<Self>, page: Page) {
        let shared = self.clone();
        self.runtime.spawn(async move {
            sleep(PAGE_AGAIN).await;
            shared.read(page);
        });
    }

    /// Answers when the sink has been given what the answer includes.
    fn answer(self: &Arc<Self>, page: Page, result: Result<History, EngineError>) {
        if let Asks::Many(_) = page.asks {
            self.read_next(&page);
        }
        let history = match result {
            Ok(history) => history,
            Err(error) => return page.asks.answer(Err(error)),
        };
        let (shared, channel, until) = (self.clone(), page.channel.clone(), (history.epoch, history.top));
        let deadline = self.deadline(page.came);
        let then = move |has_come: bool| shared.delivered(page, history, has_come);
        self.when_delivered(&channel, until, deadline, Box::new(then));
    }

    /// A position has been answered: who came too late for it is next.
    fn read_next(self: &Arc<Self>, page: &Page) {
        let key = key(&page.channel, page.retention);
        let mut pages = self.positions.0.lock();
        let next = pages.remove(&key).unwrap_or_default();
        let first = next.first().map(|(came, _)| *came).filter(|_| !self.is_closed());
        if first.is_some() {
            pages.insert(key, Vec::new());
        }
        drop(pages);
        let asks = Asks::Many(next.into_iter().map(|(_, done)| done).collect());
        match first {
            Some(came) => self.read(Page { channel: page.channel.clone(), came, asks, ..*page }),
            None => asks.answer(Err(self.unavailable())),
        }
    }

    /// The sink has been given what was read, or not in time.
    fn delivered(self: &Arc<Self>, page: Page, history: History, has_come: bool) {
        if !has_come {
            return page.asks.answer(Err(self.unavailable()));
        }
        let is_position = matches!(page.asks, Asks::Many(_));
        match self.as_followed(&page.channel, page.retention, is_position, history) {
            Some(history) => page.asks.answer(Ok(history)),
            None => self.read_other(page),
        }
    }

    /// What was read is of an epoch that has ended meanwhile: it is read again. Who waits for the same position goes with it.
    fn read_other(self: &Arc<Self>, mut page: Page) {
        if let Asks::Many(all) = &mut page.asks {
            let mut pages = self.positions.0.lock();
            let next = pages.entry(key(&page.channel, page.retention)).or_default();
            all.extend(next.drain(..).map(|(_, done)| done));
        }
        self.read(page);
    }

    /// What was read, if it is of the epoch of the feed. The sink is not told of the epoch in which a channel is first
    /// followed: it takes it from here.
    ///
    /// A position is not behind the feed. Where it was asked for before the channel was followed, the feed began later: the
    /// sink is not told of what is between. What that has pushed out is not retained.
    pub(crate) fn as_followed(
        &self,
        channel: &str,
        retention: Retention,
        is_position: bool,
        mut history: History,
    ) -> Option<History> {
        let Some(channel) = self.followed(channel) else { return Some(history) };
        let state = channel.state.lock();
        let Some(known) = state.known.filter(|_| state.subscribers > 0) else { return Some(history) };
        if known.epoch() != history.epoch {
            return None;
        }
        if is_position {
            history.top = history.top.max(known.delivered());
            history.oldest = history.oldest.max((history.top + 1).saturating_sub(retention.size as u64));
        }
        Some(history)
    }

    /// Gives up everything that waits for a position.
    pub(crate) fn fail_pages(&self) {
        let pages = std::mem::take(&mut *self.positions.0.lock());
        pages.into_values().flatten().for_each(|(_, done)| done(Err(self.unavailable())));
    }
}

/// An answer of the script.
fn history(parts: &[Value], page: &Page) -> Option<History> {
    let [meta, oldest, more, records @ ..] = parts else { return None };
    let position = Position::of(meta.as_bytes()?, oldest.as_bytes()?)?;
    let (top, oldest, more) = (position.top, position.oldest, more.as_int()? != 0);
    let (first, last) = (oldest.max(page.after + 1), page.before.min(top + 1).saturating_sub(1));
    let mut publications = Vec::with_capacity(records.len());
    for (n, record) in (0..).zip(records) {
        let offset = if page.reverse { last.checked_sub(n)? } else { first + n };
        publications.push(Publication { offset: Some(offset), body: body(record.as_bytes()?)? });
    }
    Some(History { epoch: position.epoch(), top, oldest, publications, more })
}
