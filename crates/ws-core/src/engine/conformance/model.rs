//! Random calls compared with the simplest possible model: a list.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::cases;
use super::fixture::Fixture;
use super::message::{Message, keep};
use super::random::Random;
use super::recorder::Event;
use crate::engine::{Appended, Engine, EngineError, Epoch, HistoryQuery, Publication};

cases![an_engine_is_a_list];

const TASKS: u64 = 8;
const RUNS_PER_TASK: u64 = 6;
const STEPS: u64 = 60;

/// What a channel is.
#[derive(Debug, Default)]
struct Model {
    epoch: Option<Epoch>,
    top: u64,
    /// Up to `top`, with the data and the id of each.
    kept: Vec<(Publication, u64, Option<&'static str>)>,
    events: Vec<Event>,
}

async fn an_engine_is_a_list<E: Engine>(f: Fixture<E>) {
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let f = f.clone();
        tasks.spawn(async move {
            for run in 0..RUNS_PER_TASK {
                compare(&f, task * RUNS_PER_TASK + run).await;
            }
        });
    }
    tasks.join_all().await;
}

/// One run, in a channel of its own.
async fn compare<E: Engine>(f: &Fixture<E>, seed: u64) {
    let channel = format!("run{seed}");
    let (mut random, mut model) = (Random::new(seed), Model::default());
    let size = 1 + random.below(6) as usize;
    f.follow(&channel).await;
    for step in 0..STEPS {
        let context = format!("seed {seed}, step {step}, size {size}");
        match random.below(20) {
            0 => {
                let epoch = f.remove(&channel).await;
                assert_ne!(model.epoch, Some(epoch), "{context}: a new epoch");
                model = Model { epoch: Some(epoch), events: model.events, ..Model::default() };
                model.events.push(Event::Reset(epoch));
            }
            1..12 => {
                let id = [None, None, Some("x"), Some("y"), Some("z")][random.below(5) as usize];
                let data = random.below(3);
                let message = Message { id, ..Message::sent(data, step) };
                let appended = f.try_append(&channel, keep(size), &message).await;
                model.append(size, data, id, &message.body, &appended, &context);
            }
            _ => {
                let query = query(&mut random, &channel, size, model.top);
                let history = f.history(query).await;
                assert_eq!(history.epoch, *model.epoch.get_or_insert(history.epoch), "{context}: epoch");
                let (expect, more) = model.history(&query);
                let oldest = model.top + 1 - model.kept.len() as u64;
                assert_eq!((history.top, history.oldest), (model.top, oldest), "{context}: top, oldest");
                assert_eq!((history.publications, history.more), (expect, more), "{context}: {query:?}");
            }
        }
    }
    assert_eq!(f.sink.events(&channel), model.events, "seed {seed}: what the sink was given");
}

impl Model {
    fn append(
        &mut self,
        size: usize,
        data: u64,
        id: Option<&'static str>,
        body: &Arc<[u8]>,
        appended: &Result<Appended, EngineError>,
        context: &str,
    ) {
        let first = self.kept.iter().find(|(_, _, kept)| id.is_some() && *kept == id);
        let (offset, duplicate) = match first {
            Some((_, other, _)) if *other != data => {
                assert_eq!(*appended, Err(EngineError::Conflict), "{context}");
                return;
            }
            Some((publication, ..)) => (publication.offset.unwrap_or_default(), true),
            None => (self.top + 1, false),
        };
        let appended = appended.as_ref().unwrap_or_else(|error| panic!("{context}: {error}"));
        let epoch = *self.epoch.get_or_insert(appended.position.expect("a position").0);
        assert_eq!(*appended, Appended { position: Some((epoch, offset)), duplicate }, "{context}");
        if duplicate {
            return;
        }
        let publication = Publication { offset: Some(offset), body: body.clone() };
        self.top = offset;
        self.events.push(Event::Delivered(publication.clone()));
        self.kept.push((publication, data, id));
        self.kept.drain(..self.kept.len().saturating_sub(size));
    }

    fn history(&self, query: &HistoryQuery<'_>) -> (Vec<Publication>, bool) {
        let within = |offset: u64| offset > query.after && query.before.is_none_or(|before| offset < before);
        let publications = self.kept.iter().map(|(publication, ..)| publication.clone());
        let mut all: Vec<_> = publications.filter(|p| p.offset.is_some_and(within)).collect();
        if query.reverse {
            all.reverse();
        }
        let mut bytes = 0;
        let wanted = all.iter().take(query.limit).take_while(|publication| {
            let goes_on = bytes == 0 || bytes < query.bytes_max;
            bytes += publication.body.len();
            goes_on
        });
        let n = wanted.count();
        let more = n < all.len();
        all.truncate(n);
        (all, more)
    }
}

fn query<'a>(random: &mut Random, channel: &'a str, size: usize, top: u64) -> HistoryQuery<'a> {
    let body = Message::sent(0, 10).body.len();
    HistoryQuery {
        channel,
        retention: keep(size),
        after: if random.below(2) == 0 { 0 } else { random.below(top + 3) },
        before: (random.below(2) == 0).then(|| random.below(top + 3)),
        reverse: random.below(2) == 0,
        limit: [0, 1, 2, 3, 100][random.below(5) as usize],
        bytes_max: [0, body, body + 1, 3 * body, 1 << 20][random.below(5) as usize],
    }
}
