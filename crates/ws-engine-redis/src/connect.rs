//! The connections of the engine, for as long as it lives. The writer and the feed live and die together; the reader is
//! where they are, ends with them, and is replaced alone where it alone breaks. Whatever breaks is dialled anew, without
//! end, at most some ten times a second.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::bytes::Bytes;
use crate::check::dial_setup;
use crate::dial::{Backoff, DialError, dial};
use crate::generations::Seen;
use crate::limits::{BACKOFF, CHECK_ALL_EVERY, ECHO_EVERY, ECHO_WITHIN, TICK};
use crate::link::{Link, Patience};
use crate::location::Address;
use crate::owned::Owned;
use crate::prepare::{self, PrepareError, hear, load_scripts, setup};
use crate::primary::Finder;
use crate::replicas::Replicas;
use crate::resp::Value;
use crate::shared::Shared;
use crate::trouble::{Health, Part};

/// The writer and the feed, and who waits for the replicas of what the writer has written.
struct Pair {
    writer: Owned,
    subscriber: Owned,
    replicas: Option<(Owned, Arc<Replicas>)>,
    place: Place,
    seen: Seen,
}

/// A primary, and which process there is connected to: a name or an address may lead to another one at any time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    address: Address,
    run_id: Box<str>,
}

impl Place {
    /// Whether it is another process. One address or name may stand for several, and several for one.
    fn is_other(&self, before: &Place) -> bool {
        if self.run_id.is_empty() { self != before } else { self.run_id != before.run_id }
    }
}

impl Pair {
    fn links(&self) -> impl Iterator<Item = &Owned> {
        [&self.writer, &self.subscriber].into_iter().chain(self.replicas.iter().map(|(link, _)| link))
    }

    /// Waits until one of them has ended. Why.
    async fn ended(&self) -> String {
        let replicas = async {
            match &self.replicas {
                Some((link, _)) => link.ended().await,
                None => pending().await,
            }
        };
        tokio::select! {
            trouble = self.writer.ended() => trouble,
            trouble = self.subscriber.ended() => trouble,
            trouble = replicas => trouble,
        }
    }
}

/// Keeps the writer and the feed, and says where they are; `None`: they are not there.
pub(crate) async fn keep_pair(shared: Arc<Shared>, finder: Arc<Finder>, place: watch::Sender<Option<Place>>) {
    let (mut primary, mut last) = (finder.fixed().cloned(), None);
    // After an outage that ends no lease, there is always time to renew it.
    let mut backoff = Backoff::new((BACKOFF.0, BACKOFF.1.min(shared.options.lease / 10)));
    while !shared.is_closed() {
        let trouble = match shared.stats.dialled(connect(&shared, &finder, &mut primary).await) {
            Ok(pair) => {
                let since = Instant::now();
                place.send_replace(Some(pair.place.clone()));
                if last.replace(pair.place.clone()).is_some_and(|last| pair.place.is_other(&last)) {
                    // Before anything else is published.
                    shared.tell_missed(&pair.writer, pair.seen.age());
                }
                shared.tell_due(&pair.writer);
                let trouble = tokio::select! {
                    trouble = use_pair(&shared, &pair) => trouble,
                    trouble = finder.has_moved(&shared.options, &pair.place.address) => trouble,
                    trouble = shared.keep_lease(&pair.writer, &pair.subscriber) => trouble,
                    trouble = stalls(&shared, &pair) => trouble,
                };
                if since.elapsed() > BACKOFF.1 {
                    backoff.reset();
                }
                pair.links().for_each(|link| link.end(trouble.clone()));
                trouble
            }
            Err(trouble) => {
                finder.doubt().await;
                trouble
            }
        };
        place.send_replace(None);
        // What can only be read is not up to date.
        let reader = shared.reader.write().take();
        reader.iter().for_each(|reader| reader.end(trouble.clone()));
        shared.report(Part::Pair, Health::Trouble(trouble));
        shared.writer.write().take();
        shared.replicas.write().take();
        shared.subscriber.write().take();
        shared.nodes.is_heard.store(false, Ordering::Release);
        shared.unfollow_all();
        sleep(backoff.pause()).await;
    }
}

/// Keeps the reader, where the writer is.
pub(crate) async fn keep_reader(shared: Arc<Shared>, mut place: watch::Receiver<Option<Place>>) {
    let mut backoff = Backoff::new(BACKOFF);
    while !shared.is_closed() {
        let there = place.borrow_and_update().clone();
        let mut health = Health::Pending;
        if let Some(there) = there {
            let (since, trouble) = (Instant::now(), read_from(&shared, &there, &mut place).await);
            if since.elapsed() > BACKOFF.1 {
                backoff.reset();
            }
            shared.reader.write().take();
            if place.borrow().as_ref() == Some(&there) {
                health = Health::Trouble(trouble);
            }
        }
        shared.report(Part::Reader, health);
        // Where the writer has gone it goes at once.
        if let Ok(Err(_)) = timeout(backoff.pause(), place.changed()).await {
            return;
        }
    }
}

/// Reads from the Redis where the writer is, until the connection ends or the writer has gone. Why.
async fn read_from(shared: &Shared, there: &Place, place: &mut watch::Receiver<Option<Place>>) -> String {
    let patience = Patience::Command(shared.options.command_timeout);
    let dialled = dial(&shared.options, &there.address, patience, Box::new(|_| {})).await;
    let link = match shared.stats.dialled(dialled) {
        Ok(link) => link,
        Err(error) => return error.to_string(),
    };
    match prepare::run_id(&link).await {
        Ok(run_id) if *run_id == *there.run_id => {}
        Ok(_) => return ELSEWHERE.to_owned(),
        Err(trouble) => return trouble,
    }
    if !shared.install(&shared.reader, &link) {
        return "it is closed".to_owned();
    }
    shared.report(Part::Reader, Health::Well);
    tokio::select! {
        trouble = link.ended() => trouble,
        Ok(_) = place.wait_for(|now| now.as_ref() != Some(there)) => "the writer has gone".to_owned(),
    }
}

const ELSEWHERE: &str = "the connections lead to different servers of Redis";

/// Looks after everything that waits.
pub(crate) async fn keep_time(shared: Arc<Shared>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut checked = Instant::now();
    while !shared.is_closed() {
        ticks.tick().await;
        shared.say();
        shared.tick_feed();
        shared.tick_lanes();
        shared.tick_desk();
        if checked.elapsed() > CHECK_ALL_EVERY {
            checked = Instant::now();
            (0..shared.keys.partitions()).for_each(|partition| shared.check_partition(partition));
        }
    }
}

async fn connect(shared: &Arc<Shared>, finder: &Finder, primary: &mut Option<Address>) -> Result<Pair, String> {
    let within = shared.options.command_timeout;
    shared.nodes.begin_number();
    let address = finder.find(&shared.options, None).await.map_err(|error| error.to_string())?;
    let dialled = dial_pair(shared, &address).await.map_err(|error| error.to_string())?;
    let is_other = primary.replace(address.clone()).as_ref() != Some(&address);
    if is_other && !shared.is_in_cluster() {
        tracing::info!(primary = %address, "Sentinels lead to this primary");
    }
    let (writer, subscriber, replicas) = dialled;
    let prepared = async {
        let run_id: Box<str> = prepare::run_id(&writer).await?.into();
        for other in std::iter::once(&subscriber).chain(replicas.iter().map(|(link, _)| link)) {
            if *run_id != *prepare::run_id(other).await? {
                return Err(ELSEWHERE.to_owned());
            }
        }
        let place = Place { address, run_id };
        let mut pair = Pair { writer, subscriber, replicas, place, seen: Seen::default() };
        load_scripts(&pair.writer).await?;
        match finder.slots() {
            None => setup(&pair.writer, shared).await?,
            // Once is enough. It is on another node, which was there at the start and may be away alone.
            Some(slots) if shared.keys.share().unit == 0 => {
                let compared = async {
                    let Ok(link) = dial_setup(shared, slots).await else { return Ok(()) };
                    setup(&link, shared).await
                };
                if let Ok(Err(other @ PrepareError::Other(_))) = timeout(within / 4, compared).await {
                    return Err(other.into());
                }
            }
            Some(_) => {}
        }
        shared.read_clock(&pair.writer).await?;
        shared.renew_generations(&pair.writer, &mut pair.seen).await?;
        listen(shared, &pair.subscriber).await?;
        shared.renew_lease(&pair.writer, &pair.subscriber).await?;
        Ok(pair)
    };
    timeout(within, prepared).await.unwrap_or_else(|_| Err(format!("Redis has not answered within {within:?}")))
}

/// The writer, the feed, and who waits for the replicas of what the writer has written.
type Dialled = (Owned, Owned, Option<(Owned, Arc<Replicas>)>);

async fn dial_pair(shared: &Arc<Shared>, address: &Address) -> Result<Dialled, DialError> {
    let (options, within) = (&shared.options, shared.options.command_timeout);
    let writer = dial(options, address, Patience::Command(within), Box::new(|_| {})).await?;
    let feed = shared.clone();
    let on_push = Box::new(move |parts: &[Value]| feed.pushed(parts));
    let subscriber = dial(options, address, Patience::Silence(within), on_push).await?;
    if options.replicas_min == 0 {
        return Ok((writer, subscriber, None));
    }
    let patience = Patience::Command(within + options.replicas_timeout);
    let link = dial(options, address, patience, Box::new(|_| {})).await?;
    let (key, min) = (shared.keys.replicas(), options.replicas_min);
    let replicas = Replicas::new(writer.clone(), link.clone(), key, min, options.replicas_timeout);
    Ok((writer, subscriber, Some((link, replicas))))
}

/// Uses the connections until one of them ends. Why.
async fn use_pair(shared: &Arc<Shared>, pair: &Pair) -> String {
    *shared.replicas.write() = pair.replicas.as_ref().map(|(_, replicas)| replicas.clone());
    if !shared.install(&shared.writer, &pair.writer) || !shared.install(&shared.subscriber, &pair.subscriber) {
        return "it is closed".to_owned();
    }
    shared.report(Part::Pair, Health::Well);
    shared.follow_all();
    shared.flush_all();
    let mut renewals = interval(shared.options.lease / 3);
    renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut to_echo = interval((shared.options.lease / 3).min(ECHO_EVERY));
    to_echo.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut echoes, mut seen) = (Echoes::default(), pair.seen.clone());
    loop {
        let is_time = tokio::select! {
            trouble = pair.ended() => return trouble,
            () = shared.renew.notified() => false,
            _ = renewals.tick() => true,
            _ = to_echo.tick() => {
                echoes.send(shared, &pair.writer);
                continue;
            }
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
            shared.renew_generations(&pair.writer, &mut seen).await
        };
        let is_other = match renewed.await {
            Ok(is_other) => is_other,
            Err(trouble) => return trouble,
        };
        if !is_time {
            // What asks in vain again and again does not do so without a pause.
            sleep(Duration::from_millis(5)).await;
        }
        if is_other {
            shared.flush_all();
        }
    }
}

/// Waits until the writer stalls though Redis does not: the command timeout may be as long as the lease, which must not be
/// lost with one connection. A Redis that stands still ends no lease, and is waited for. Why.
async fn stalls(shared: &Shared, Pair { writer, place, .. }: &Pair) -> String {
    let within = shared.options.lease / 3;
    loop {
        sleep(TICK).await;
        if writer.stalled_for() < within {
            continue;
        }
        let other = dial(&shared.options, &place.address, Patience::Command(within), Box::new(|_| {}));
        let is_well = matches!(timeout(within, other).await, Ok(Ok(_)));
        // Redis may have stood still until just now.
        sleep(TICK).await;
        if is_well && writer.stalled_for() >= within {
            return format!("this connection alone has not answered within {within:?}, a third of the lease");
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
        let topic = shared.keys.echo(&shared.node_name);
        let echo = [shared.nodes.dials(), self.sent].map(u64::to_be_bytes).concat();
        let args = [b"SPUBLISH".to_vec(), topic.into_bytes(), echo];
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
        let within = shared.options.command_timeout.min(ECHO_WITHIN);
        let is_dead = at.elapsed() > within && subscriber.silence() > within;
        is_dead.then(|| format!("what is published has not arrived within {within:?}"))
    }
}

/// Hears itself and the other servers from now on.
async fn listen(shared: &Arc<Shared>, subscriber: &Link) -> Result<(), String> {
    shared.echoed.store(0, Ordering::Release);
    let keys = &shared.keys;
    let topics = [keys.echo(&shared.node_name), keys.all_nodes(), keys.node(&shared.nodes.own_name())];
    hear(subscriber, &topics).await
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

    /// What this server has sent to itself has come. What an earlier pair has sent may come after its end, and says nothing
    /// about this one.
    pub(crate) fn has_echoed(&self, echo: &[u8]) {
        let mut echo = Bytes(echo);
        if let (Some(dials), Some(sent)) = (echo.u64(), echo.u64())
            && dials == self.nodes.dials()
        {
            self.echoed.store(sent, Ordering::Release);
        }
    }

    /// Has the writer and the feed be dialled anew.
    pub(crate) fn end_pair(&self, why: &str) {
        let links = [self.writer.read().clone(), self.subscriber.read().clone()];
        // On a task of its own: the callers may be dealing with what these links have said.
        let why = why.to_owned();
        self.runtime.spawn(async move { links.iter().flatten().for_each(|link| link.end(why.clone())) });
    }
}

#[cfg(test)]
mod tests;
