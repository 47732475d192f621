//! The connections of the engine, for as long as it lives. The writer and the feed live and die together; the reader is
//! replaced alone. Whatever breaks is dialled anew, without end, at most some ten times a second.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::dial::{Backoff, DialError, dial};
use crate::limits::{BACKOFF, CHECK_ALL_EVERY, ECHO_WITHIN, TICK};
use crate::link::{Failure, Link, Patience};
use crate::prepare::{hear, load_scripts, setup};
use crate::resp::Value;
use crate::scripts::Script;
use crate::shared::{Part, Shared, random};

/// The writer and the feed.
struct Pair {
    writer: Link,
    subscriber: Link,
}

/// Keeps the writer and the feed.
pub(crate) async fn keep_pair(shared: Arc<Shared>) {
    let mut backoff = Backoff::new(BACKOFF);
    while !shared.is_closed() {
        let trouble = match shared.stats.dialled(connect(&shared).await) {
            Ok(pair) => {
                let since = Instant::now();
                let trouble = tokio::select! {
                    trouble = use_pair(&shared, &pair) => trouble,
                    trouble = shared.keep_lease(&pair.writer, &pair.subscriber) => trouble,
                };
                if since.elapsed() > BACKOFF.1 {
                    backoff.reset();
                }
                [&pair.writer, &pair.subscriber].into_iter().for_each(|link| link.end(trouble.clone()));
                trouble
            }
            Err(trouble) => trouble,
        };
        shared.report(Part::Pair, Some(trouble));
        shared.writer.write().take();
        shared.subscriber.write().take();
        shared.unfollow_all();
        sleep(backoff.pause()).await;
    }
}

/// Keeps the reader.
pub(crate) async fn keep_reader(shared: Arc<Shared>) {
    let mut backoff = Backoff::new(BACKOFF);
    while !shared.is_closed() {
        let patience = Patience::Command(shared.options.command_timeout);
        let trouble = match shared.stats.dialled(dial(&shared.options, patience, Box::new(|_| {})).await) {
            Ok(link) => {
                let since = Instant::now();
                if !shared.install(&shared.reader, &link) {
                    return;
                }
                shared.report(Part::Reader, None);
                let trouble = link.ended().await;
                if since.elapsed() > BACKOFF.1 {
                    backoff.reset();
                }
                trouble
            }
            Err(error) => error.to_string(),
        };
        shared.reader.write().take();
        shared.report(Part::Reader, Some(trouble));
        sleep(backoff.pause()).await;
    }
}

/// Looks after everything that waits.
pub(crate) async fn keep_time(shared: Arc<Shared>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut checked = Instant::now();
    while !shared.is_closed() {
        ticks.tick().await;
        shared.tick_feed();
        shared.tick_lanes();
        shared.tick_desk();
        if checked.elapsed() > CHECK_ALL_EVERY {
            checked = Instant::now();
            (0..shared.keys.partitions()).for_each(|partition| shared.check_partition(partition));
        }
    }
}

async fn connect(shared: &Arc<Shared>) -> Result<Pair, String> {
    let within = shared.options.command_timeout;
    let feed = shared.clone();
    let words = |error: DialError| error.to_string();
    let writer = dial(&shared.options, Patience::Command(within), Box::new(|_| {})).await.map_err(words)?;
    let on_push = Box::new(move |parts: &[Value]| feed.pushed(parts));
    let subscriber = dial(&shared.options, Patience::Silence(within), on_push).await.map_err(words)?;
    let pair = Pair { writer, subscriber };
    let prepared = async {
        load_scripts(&pair.writer).await?;
        setup(&pair.writer, shared).await?;
        shared.read_clock(&pair.writer).await?;
        renew_generations(shared, &pair.writer).await?;
        listen(shared, &pair.subscriber).await?;
        shared.renew_lease(&pair.writer, &pair.subscriber).await.map(drop)
    };
    let prepared = timeout(within, prepared).await.map_err(|_| format!("Redis has not answered within {within:?}"));
    if let Err(trouble) = prepared.and_then(|prepared| prepared) {
        [&pair.writer, &pair.subscriber].into_iter().for_each(|link| link.end(trouble.clone()));
        return Err(trouble);
    }
    Ok(pair)
}

/// Uses the connections until one of them ends. Why.
async fn use_pair(shared: &Arc<Shared>, pair: &Pair) -> String {
    if !shared.install(&shared.writer, &pair.writer) || !shared.install(&shared.subscriber, &pair.subscriber) {
        return "it is closed".to_owned();
    }
    shared.report(Part::Pair, None);
    shared.follow_all();
    shared.flush_all();
    let mut renewals = interval(shared.options.lease / 3);
    renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut echoes = Echoes::default();
    loop {
        let is_time = tokio::select! {
            trouble = pair.writer.ended() => return trouble,
            trouble = pair.subscriber.ended() => return trouble,
            () = shared.renew.notified() => false,
            _ = renewals.tick() => true,
            () = sleep(TICK) => {
                if let Some(trouble) = echoes.check(shared, &pair.subscriber) {
                    return trouble;
                }
                continue;
            }
        };
        if shared.is_closed() {
            return "it is closed".to_owned();
        }
        let renewed = async {
            if !is_time {
                load_scripts(&pair.writer).await?;
            }
            renew_generations(shared, &pair.writer).await
        };
        if let Err(trouble) = renewed.await {
            return trouble;
        }
        if is_time {
            echoes.send(shared, &pair.writer);
        } else {
            // What asks in vain again and again does not do so without a pause.
            sleep(Duration::from_millis(5)).await;
            shared.flush_all();
        }
    }
}

/// What this server sends to itself through Redis, to see that its feed is alive.
#[derive(Debug, Default)]
struct Echoes {
    sent: u64,
    at: Option<Instant>,
}

impl Echoes {
    fn send(&mut self, shared: &Shared, writer: &Link) {
        if self.at.is_none() {
            self.at = Some(Instant::now());
        }
        self.sent += 1;
        let (topic, number) = (shared.keys.echo(&shared.node_name), self.sent);
        let args = [b"SPUBLISH".to_vec(), topic.into_bytes(), number.to_be_bytes().to_vec()];
        // What becomes of it is seen on the feed.
        let _ = writer.send(|batch| batch.command(args, |_| {}));
    }

    /// Whether one has not arrived, and nothing else either: behind a backlog it is late, and the feed is not dead.
    fn check(&mut self, shared: &Shared, subscriber: &Link) -> Option<String> {
        let at = self.at?;
        if shared.echoed.load(Ordering::Acquire) >= self.sent {
            self.at = None;
            return None;
        }
        let is_dead = at.elapsed() > ECHO_WITHIN && subscriber.silence() > ECHO_WITHIN;
        is_dead.then(|| format!("what is published has not arrived within {ECHO_WITHIN:?}"))
    }
}

/// Hears itself and the other servers from now on.
async fn listen(shared: &Arc<Shared>, subscriber: &Link) -> Result<(), String> {
    shared.echoed.store(0, Ordering::Release);
    let keys = &shared.keys;
    let topics = [keys.echo(&shared.node_name), keys.all_nodes(), keys.node(&shared.nodes.own_name())];
    hear(subscriber, &topics).await
}

/// Asks for the generation of every partition, and begins another one where Redis has become another one.
async fn renew_generations(shared: &Arc<Shared>, writer: &Link) -> Result<(), String> {
    let mut answers = Vec::new();
    writer.send(|batch| {
        for partition in 0..shared.keys.partitions() {
            let wrong = match shared.wrong[partition].swap(0, Ordering::AcqRel) {
                0 => Vec::new(),
                wrong => wrong.to_be_bytes().to_vec(),
            };
            let keys = vec![shared.keys.generation(partition).into_bytes()];
            let mut args = shared.eval(Script::Generation, keys);
            args.extend([random().to_vec(), wrong]);
            let (done, answered) = tokio::sync::oneshot::channel();
            batch.command(args, move |result| drop(done.send(result)));
            answers.push(answered);
        }
    })?;
    for (partition, answer) in answers.into_iter().enumerate() {
        let answer = answer.await.unwrap_or_else(|_| Err(Failure::Refused("it was dropped".to_owned())));
        let answer = answer.map_err(|failure| format!("a generation cannot be renewed: {failure}"))?;
        let generation = answer.as_bytes().and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
        let before = shared.generations[partition].swap(generation, Ordering::AcqRel);
        if before != 0 && before != generation {
            tracing::warn!(partition, "Redis has lost data or has become another one: a new generation begins");
            shared.stats.generations.add(1);
            shared.check_partition(partition);
            shared.is_other();
        }
    }
    Ok(())
}

impl Shared {
    /// Puts a connection into its place. False: the engine is closed, and so is the connection.
    fn install(&self, slot: &parking_lot::RwLock<Option<Link>>, link: &Link) -> bool {
        *slot.write() = Some(link.clone());
        if self.is_closed() {
            slot.write().take();
            link.end("the engine is closed");
            return false;
        }
        true
    }

    /// Has the writer and the feed be dialled anew.
    pub(crate) fn end_pair(&self, why: &str) {
        let links = [self.writer.read().clone(), self.subscriber.read().clone()];
        // On a task of its own: the callers may be dealing with what these links have said.
        let why = why.to_owned();
        self.runtime.spawn(async move { links.iter().flatten().for_each(|link| link.end(why.clone())) });
    }
}
