//! Repeats in a stream against the simplest model: everything that was ever published, with its time.

use std::time::Duration;

use proptest::prelude::*;

use super::stream::{Outcome, Stream, Totals};
use crate::engine::{Append, EngineError, Epoch, Retention};

const RETENTION: Retention = Retention::new(4, Duration::from_millis(30));

#[derive(Debug, Clone)]
enum Op {
    Wait(u64),
    /// With an id, data that may differ from what was sent before, and an age.
    Publish {
        id: usize,
        data: u8,
        age_ms: u64,
    },
    Expire,
    DropHalf,
    Remove,
}

const IDS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn op() -> impl Strategy<Value = Op> {
    let age_ms = prop_oneof![2 => Just(0), 5 => 1u64..40];
    let data = prop_oneof![9 => Just(0u8), 1 => Just(1u8)];
    prop_oneof![
        4 => (1u64..12).prop_map(Op::Wait),
        12 => (0..IDS.len(), data, age_ms).prop_map(|(id, data, age_ms)| Op::Publish { id, data, age_ms }),
        1 => Just(Op::Expire),
        1 => Just(Op::DropHalf),
        1 => Just(Op::Remove),
    ]
}

/// One publication of the model.
#[derive(Debug, Clone, Copy)]
struct Published {
    id: usize,
    data: u8,
    at_ms: u64,
    epoch: usize,
    offset: u64,
    is_dropped: bool,
}

#[derive(Debug, Default)]
struct Model {
    all: Vec<Published>,
    /// When each epoch began.
    epochs: Vec<u64>,
}

impl Model {
    fn of_epoch(&self) -> impl Iterator<Item = &Published> {
        self.all.iter().filter(|published| published.epoch + 1 == self.epochs.len())
    }

    fn retained(&self, now_ms: u64) -> Vec<Published> {
        let newest_first = self.all.iter().rev().filter(|published| published.epoch + 1 == self.epochs.len());
        let is_kept = |published: &&Published| !published.is_dropped && published.at_ms + 30 > now_ms;
        let mut retained: Vec<_> = newest_first.take(RETENTION.size).take_while(is_kept).copied().collect();
        retained.reverse();
        retained
    }

    /// Whether a repeat may have been published: word for word what PROTOCOL says.
    fn is_unknown(&self, now_ms: u64, age_ms: u64) -> bool {
        let retained = self.retained(now_ms);
        let has_given_up = self.of_epoch().count() > retained.len();
        let epoch_age_ms = now_ms - self.epochs.last().expect("there is one");
        let oldest_age_ms = retained.first().map(|oldest| now_ms - oldest.at_ms);
        epoch_age_ms <= age_ms || (has_given_up && oldest_age_ms.is_none_or(|oldest_ms| oldest_ms <= age_ms))
    }

    fn drop_half(&mut self, now_ms: u64) {
        let retained = self.retained(now_ms);
        let dropped: Vec<_> = retained.iter().take(retained.len().div_ceil(2)).map(|one| one.offset).collect();
        let epoch = self.epochs.len() - 1;
        let gone = |one: &&mut Published| one.epoch == epoch && dropped.contains(&one.offset);
        self.all.iter_mut().filter(gone).for_each(|one| one.is_dropped = true);
    }
}

struct World {
    stream: Stream,
    totals: Totals,
    model: Model,
    now_ms: u64,
}

impl World {
    fn publish(&mut self, id: usize, data: u8, age_ms: u64) -> Result<(), TestCaseError> {
        let (now_ms, model) = (self.now_ms, &mut self.model);
        let body = [data];
        let (retention, msg_id) = (RETENTION, Some(IDS[id]));
        let mut append =
            Append { channel: "a", retention, body: body[..].into(), data: 0..1, msg_id, age_ms, read_us: None };
        let result = self.stream.append(&mut append, now_ms, &self.totals);
        let first = model.retained(now_ms).into_iter().find(|published| published.id == id);
        match (&result, first) {
            (Ok(Outcome::Duplicate(offset)), Some(first)) => {
                prop_assert_eq!((*offset, data), (first.offset, first.data), "a true duplicate");
            }
            (Err(EngineError::Conflict), Some(first)) => prop_assert_ne!(data, first.data),
            (Err(EngineError::UnknownOutcome), None) => prop_assert!(age_ms > 0 && model.is_unknown(now_ms, age_ms)),
            (Ok(Outcome::New(publication)), None) => {
                prop_assert!(age_ms == 0 || !model.is_unknown(now_ms, age_ms));
                let sent_ms = now_ms.saturating_sub(age_ms);
                let is_twice = |published: &&Published| published.id == id && published.at_ms >= sent_ms;
                let before = model.all.iter().find(is_twice).filter(|_| age_ms > 0);
                prop_assert!(before.is_none(), "published twice since it was first sent: {before:?}");
                let (epoch, offset) = (model.epochs.len() - 1, publication.offset.unwrap_or_default());
                model.all.push(Published { id, data, at_ms: now_ms, epoch, offset, is_dropped: false });
            }
            other => prop_assert!(false, "{other:?}"),
        }
        Ok(())
    }

    fn apply(&mut self, op: &Op) -> Result<(), TestCaseError> {
        match *op {
            Op::Wait(ms) => self.now_ms += ms,
            Op::Publish { id, data, age_ms } => self.publish(id, data, age_ms)?,
            Op::Expire => self.stream.expire(self.now_ms, &self.totals),
            Op::DropHalf => {
                self.stream.expire(self.now_ms, &self.totals);
                self.stream.drop_half(&self.totals);
                self.model.drop_half(self.now_ms);
            }
            Op::Remove => {
                self.stream.reset(Epoch::random(), self.now_ms, &self.totals);
                self.model.epochs.push(self.now_ms);
            }
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn a_repeat_is_exactly_once_or_unknown(ops in proptest::collection::vec(op(), 1..120)) {
        let (now_ms, model) = (100, Model { epochs: vec![100], ..Model::default() });
        let stream = Stream::new(Epoch::random(), now_ms);
        let mut world = World { stream, totals: Totals::default(), model, now_ms };
        ops.iter().try_for_each(|op| world.apply(op))?;
    }
}
