//! Repeats of publications that were not answered: exactly once, or told that nobody can tell.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::cases;
use super::fixture::Fixture;
use super::message::{Message, keep};
use super::random::Random;
use crate::engine::{Appended, Engine, EngineError, Epoch, Retention};

cases![
    a_repeat_of_what_is_retained_is_a_duplicate,
    a_repeat_of_what_never_arrived_is_published,
    a_repeat_of_what_may_have_been_given_up_is_unknown,
    a_repeat_younger_than_the_oldest_retained_is_published,
    a_repeat_after_everything_has_expired_is_unknown,
    a_repeat_older_than_the_epoch_is_unknown,
    without_retention_a_repeat_is_unknown,
    repeats_at_random_are_exactly_once_or_unknown,
];

const LONG_AGO: Duration = Duration::from_secs(86_400);

/// What a client adds to an age for the time that a repeat takes until it arrives.
const ON_THE_WAY: Duration = Duration::from_millis(5);

/// Lets some milliseconds pass on the clock of any engine.
async fn pause() {
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(5) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A channel whose epoch began before now.
async fn begin<E: Engine>(f: &Fixture<E>, channel: &str) -> Instant {
    f.follow(channel).await;
    f.history(super::message::all(channel)).await;
    pause().await;
    Instant::now()
}

async fn a_repeat_of_what_is_retained_is_a_duplicate<E: Engine>(f: Fixture<E>) {
    f.follow("a").await;
    let message = Message::new(1).id("x");
    let first = f.append("a", keep(10), &message).await;
    for age in [Duration::ZERO, Duration::from_secs(1), LONG_AGO] {
        let again = f.append("a", keep(10), &message.clone().repeated(age)).await;
        assert_eq!(again, Appended { duplicate: true, ..first }, "after {age:?}");
        let other = Message::new(2).id("x").repeated(age);
        assert_eq!(f.try_append("a", keep(10), &other).await, Err(EngineError::Conflict), "after {age:?}");
    }
}

async fn a_repeat_of_what_never_arrived_is_published<E: Engine>(f: Fixture<E>) {
    let sent = begin(&f, "a").await;
    f.fill("a", keep(10), 3).await;
    let message = Message::new(4).id("x").repeated(sent.elapsed());
    let appended = f.append("a", keep(10), &message).await;
    assert_eq!((appended.position.map(|(_, offset)| offset), appended.duplicate), (Some(4), false));
    assert!(f.append("a", keep(10), &message).await.duplicate, "and is found from then on");
}

async fn a_repeat_of_what_may_have_been_given_up_is_unknown<E: Engine>(f: Fixture<E>) {
    let sent = begin(&f, "a").await;
    f.append("a", keep(2), &Message::new(1).id("x")).await;
    f.fill("a", keep(2), 2).await;
    for id in ["x", "never sent"] {
        let repeat = Message::new(1).id(id).repeated(sent.elapsed());
        assert_eq!(f.try_append("a", keep(2), &repeat).await, Err(EngineError::UnknownOutcome), "{id}");
    }
    assert_eq!(f.sink.delivered("a").len(), 3, "nothing was published");
    let fresh = f.append("a", keep(2), &Message::new(1).id("never sent")).await;
    assert_eq!(fresh.position.map(|(_, offset)| offset), Some(4), "what is sent for the first time is published");
}

async fn a_repeat_younger_than_the_oldest_retained_is_published<E: Engine>(f: Fixture<E>) {
    begin(&f, "a").await;
    f.fill("a", keep(2), 5).await;
    pause().await;
    let sent = Instant::now();
    let repeat = Message::new(6).id("x").repeated(sent.elapsed());
    let appended = f.append("a", keep(2), &repeat).await;
    assert_eq!(appended.position.map(|(_, offset)| offset), Some(6), "all that was published since is retained");
}

async fn a_repeat_after_everything_has_expired_is_unknown<E: Engine>(f: Fixture<E>) {
    let short = Retention::new(10, Duration::from_millis(2));
    begin(&f, "a").await;
    f.append("a", short, &Message::new(1).id("x")).await;
    pause().await;
    let repeat = Message::new(1).id("x").repeated(Duration::ZERO);
    assert_eq!(f.try_append("a", short, &repeat).await, Err(EngineError::UnknownOutcome), "none is retained");
    let fresh = f.append("a", short, &Message::new(1).id("x")).await;
    assert_eq!(fresh.position.map(|(_, offset)| offset), Some(2), "what is sent for the first time is published");
}

async fn a_repeat_older_than_the_epoch_is_unknown<E: Engine>(f: Fixture<E>) {
    let old = Message::new(1).id("x").repeated(LONG_AGO);
    f.follow("new").await;
    assert_eq!(f.try_append("new", keep(10), &old).await, Err(EngineError::UnknownOutcome), "of an unknown channel");
    let sent = begin(&f, "a").await;
    f.append("a", keep(10), &Message::new(1).id("x")).await;
    f.remove("a").await;
    let repeat = Message::new(1).id("x").repeated(sent.elapsed());
    assert_eq!(f.try_append("a", keep(10), &repeat).await, Err(EngineError::UnknownOutcome), "after a removal");
    pause().await;
    let repeat = Message::new(1).id("x").repeated(Duration::ZERO);
    assert_eq!(f.append("a", keep(10), &repeat).await.position.map(|(_, offset)| offset), Some(1), "sent after it");
}

async fn without_retention_a_repeat_is_unknown<E: Engine>(f: Fixture<E>) {
    f.follow("a").await;
    let repeat = Message::new(1).id("x").repeated(Duration::ZERO);
    assert_eq!(f.try_append("a", keep(0), &repeat).await, Err(EngineError::UnknownOutcome));
    assert_eq!(f.sink.delivered("a"), [], "nothing was published");
}

/// What was sent in a channel, and what became of it.
#[derive(Debug, Default)]
struct Model {
    sent: Vec<Instant>,
    published: HashMap<usize, (Epoch, u64)>,
    /// Publications in this epoch.
    top: u64,
    /// When it had begun.
    begun: Option<Instant>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    new: u64,
    duplicate: u64,
    unknown: u64,
}

async fn repeats_at_random_are_exactly_once_or_unknown<E: Engine>(f: Fixture<E>) {
    let mut tasks = JoinSet::new();
    for seed in 0..16 {
        let f = f.clone();
        tasks.spawn(async move { play(&f, seed).await });
    }
    let (mut new, mut duplicate, mut unknown) = (0, 0, 0);
    for counts in tasks.join_all().await {
        (new, duplicate, unknown) = (new + counts.new, duplicate + counts.duplicate, unknown + counts.unknown);
    }
    assert!(new > 50 && duplicate > 50 && unknown > 50, "all happen: {new}, {duplicate}, {unknown}");
}

/// A client that loses requests and answers, and repeats.
async fn play<E: Engine>(f: &Fixture<E>, seed: u64) -> Counts {
    let channel = format!("run{seed}");
    let mut random = Random::new(seed);
    let (size, ttl) = (2 + random.below(30) as usize, [0, 0, 8][random.below(3) as usize]);
    let retention = Retention::new(size, Duration::from_millis(ttl));
    f.follow(&channel).await;
    f.history(super::message::all(&channel)).await;
    // Not before that: however long it took, the epoch may have begun as late as this.
    let mut model = Model { begun: Some(Instant::now()), ..Model::default() };
    pause().await;
    for _ in 0..80 {
        match random.below(20) {
            0 => {
                f.remove(&channel).await;
                (model.top, model.begun) = (0, Some(Instant::now()));
            }
            1..5 => pause().await,
            5..12 => {
                model.sent.push(Instant::now());
                if random.below(3) > 0 {
                    model.append(f, &channel, retention, model.sent.len() - 1, false).await;
                }
            }
            _ if model.sent.is_empty() => {}
            _ => {
                let back = random.below(model.sent.len().min(6) as u64) as usize;
                model.append(f, &channel, retention, model.sent.len() - 1 - back, true).await;
            }
        }
    }
    model.counts
}

impl Model {
    async fn append<E: Engine>(
        &mut self,
        f: &Fixture<E>,
        channel: &str,
        retention: Retention,
        n: usize,
        is_repeat: bool,
    ) {
        let id = n.to_string();
        let message = Message::new(n).id(&id);
        let (appended, is_late) = match is_repeat {
            true => f.try_repeat(channel, retention, &message, self.sent[n], ON_THE_WAY).await,
            false => (f.try_append(channel, retention, &message).await, false),
        };
        match appended {
            Ok(Appended { position, duplicate: true }) => {
                assert_eq!(position, self.published.get(&n).copied(), "a duplicate of what was published");
                self.counts.duplicate += 1;
            }
            Ok(Appended { position, .. }) => {
                let before = self.published.insert(n, position.expect("a position"));
                assert!(before.is_none() || is_late, "{n} is published once");
                self.top += 1;
                self.counts.new += 1;
            }
            Err(EngineError::UnknownOutcome) => {
                let is_old = self.begun.is_some_and(|begun| self.sent[n] <= begun + 2 * ON_THE_WAY);
                let has_given_up = self.top > retention.size as u64 || !retention.ttl.is_zero();
                assert!(is_repeat && (is_old || has_given_up), "{n} is known not to have been published");
                self.counts.unknown += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
}
