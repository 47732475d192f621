//! One round: a load, a fault under it, and what everybody has to agree on after it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use ws_tests::fault_proxy::Rng;
use ws_tests::prelude::*;

use super::faults::Fault;
use super::field::{Field, Goal, Phase};
use super::judge::judge;
use super::judge::presence::ids;
use super::members::Member;
use super::publishers::Publisher;
use super::stage::{LEASE, Stage};
use super::subscribers::Subscriber;
use super::trace::{Answer, Attempt, BROADCASTS, Clock, Page, Record, Told, Trace};
use super::wire::Wire;

/// How soon presence is right, after the lease from the fault on. It is a second, which other tests demand; the machine of
/// this one may be busy.
const PRESENT_WITHIN: Duration = Duration::from_millis(1000 + 3000);

/// How soon everybody has come back, or been answered, after a fault.
const BACK_WITHIN: Duration = Duration::from_secs(15);

/// What a round has come to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) wrong: Vec<String>,
    pub(super) sums: Sums,
}

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Sums {
    pub(super) rounds: u64,
    pub(super) acknowledged: u64,
    pub(super) unknown: u64,
    pub(super) received: u64,
    pub(super) gaps: u64,
    pub(super) wrong: u64,
}

impl Sums {
    pub(super) fn add(&mut self, other: &Sums) {
        let Sums { rounds, acknowledged, unknown, received, gaps, wrong } = other;
        self.rounds += rounds;
        self.acknowledged += acknowledged;
        self.unknown += unknown;
        self.received += received;
        self.gaps += gaps;
        self.wrong += wrong;
    }
}

/// The rest of a line of a table.
impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sums { rounds, acknowledged, unknown, received, gaps, wrong } = self;
        write!(f, "| {rounds} | {acknowledged} | {unknown} | {received} | {gaps} | {wrong} |")
    }
}

/// The clients of a round, by what they leave.
#[derive(Default)]
struct Load {
    publishers: JoinSet<Vec<Attempt>>,
    readers: JoinSet<(Vec<Trace>, Vec<String>)>,
    pages: JoinSet<Vec<Page>>,
    members: JoinSet<(Wire, Vec<String>)>,
}

pub(super) async fn run(stage: &mut Stage, fault: Fault, seed: u64, round: u64) -> Outcome {
    let (set_phase, phase) = watch::channel(Phase::Load);
    let present = Arc::new(Mutex::default());
    let field = Field { servers: stage.addrs(), clock: Clock::start(), phase, present, round };
    let mut rng = Rng::new(seed, 1000 * round);
    let load = Load::begin(&field, seed);
    let members = load.members.len();
    let (mut record, mut wrong) = (Record::default(), Vec::new());

    sleep(Duration::from_millis(300) + rng.time(Duration::from_millis(300))).await;
    let stopped = fault.inflict(stage, &mut rng).await;
    let healed = Instant::now();
    sleep(Duration::from_millis(300)).await;

    set_phase.send_replace(Phase::Calm);
    match timeout(BACK_WITHIN, load.publishers.join_all()).await {
        Ok(attempts) => record.attempts.extend(attempts.into_iter().flatten()),
        Err(_) => wrong.push(format!("not all publishers are answered within {BACK_WITHIN:?}")),
    }
    record.pages.extend(load.pages.join_all().await.into_iter().flatten());
    let settled = async {
        while field.present().len() < members {
            sleep(Duration::from_millis(5)).await
        }
    };
    if timeout(BACK_WITHIN, settled).await.is_err() {
        wrong.push(format!("{} of {members} members are back within {BACK_WITHIN:?}", field.present().len()));
    }
    let by = (healed + LEASE).max(Instant::now()) + PRESENT_WITHIN;
    wrong.extend(presence(&field, by).await);

    let mut end = Publishers::of(&field);
    end.of_kept().await;
    record.last = whole(&field).await;
    let ends = record.last.iter().map(|page| (page.channel.clone(), (page.epoch.clone(), page.top)));
    let goal = Goal { ends: ends.collect(), present: field.present() };
    set_phase.send_replace(Phase::End(Arc::new(goal)));
    let mut readers = load.readers;
    while !readers.is_empty() {
        end.of_passing().await;
        while let Ok(Some(done)) = timeout(Duration::from_millis(100), readers.join_next()).await {
            let (traces, late) = done.expect("a reader is told what the contract says");
            record.traces.extend(traces);
            wrong.extend(late);
        }
    }
    record.attempts.extend(end.attempts());
    let members = load.members.join_all().await;
    wrong.extend(members.into_iter().flat_map(|(_, wrong)| wrong));
    wrong.extend(judge(&record, &fault.rules(stopped)));
    let sums = sums(&record, &wrong);
    Outcome { wrong, sums }
}

fn channels(round: u64) -> [String; 4] {
    [format!("log:{round}a"), format!("log:{round}b"), format!("few:{round}"), format!("pass:{round}")]
}

impl Load {
    fn begin(field: &Field, seed: u64) -> Self {
        let (mut load, mut nth) = (Load::default(), 1000 * field.round);
        let mut rng = || {
            nth += 1;
            Rng::new(seed, nth)
        };
        let channels = channels(field.round);
        let [log, twins, few, pass] = &channels;
        for home in 0..field.servers.len() {
            let publishers = [("log", log), ("few", few), ("pass", pass), ("all", &BROADCASTS.to_owned())]
                .map(|(name, channel)| (format!("{name}{home}"), channel))
                .map(|(name, channel)| Publisher::new(field, &name, channel, home, rng()));
            publishers.into_iter().for_each(|one| drop(load.publishers.spawn(one.run())));
            for is_restless in [false, true] {
                let who = format!("{} reader of server {home}", if is_restless { "restless" } else { "steady" });
                let reader = Subscriber::new(field, &who, home, is_restless, rng(), &channels);
                load.readers.spawn(reader.run());
            }
            for is_restless in [false, true, true] {
                load.members.spawn(Member::new(field, home, is_restless, rng()).run());
            }
        }
        for home in 0..2 {
            load.publishers.spawn(Publisher::new(field, "twin", twins, home, rng()).run());
        }
        load.pages.spawn(pages(field.clone(), few.clone(), rng()));
        load
    }
}

/// Reads a history again and again, on any server, until the load is over.
async fn pages(field: Field, channel: String, mut rng: Rng) -> Vec<Page> {
    let mut pages = Vec::new();
    while field.is_load() {
        sleep(Duration::from_millis(20)).await;
        let server = field.any(&mut rng);
        let Some(mut wire) = Wire::connect(&field.servers, server).await else { continue };
        // A server that stands still does not answer.
        let page = timeout(Duration::from_secs(1), page(&field, &mut wire, &channel, None)).await;
        pages.extend(page.ok().flatten().map(|(page, _)| page));
    }
    pages
}

/// A page behind an offset, and whether there is more; `None`: it was refused.
async fn page(field: &Field, wire: &mut Wire, channel: &str, since: Option<Value>) -> Option<(Page, bool)> {
    let asked = field.clock.now();
    let mut answer = wire.request("get_history", json!({"channel": channel, "limit": 1000, "since": since})).await?;
    let data = &mut answer["data"];
    let (epoch, top) = (data["epoch"].as_str()?.to_owned(), data["offset"].as_u64()?);
    let entry = |entry: &Value| Some((entry["offset"].as_u64()?, entry["data"].as_str()?.to_owned()));
    let entries = data["publications"].as_array()?.iter().filter_map(entry).collect();
    let answered = field.clock.now();
    Some((Page { channel: channel.to_owned(), asked, answered, epoch, top, entries }, data["more"] == true))
}

/// The whole history of each channel that has one.
async fn whole(field: &Field) -> Vec<Page> {
    let mut all = BTreeMap::new();
    for channel in channels(field.round).iter().take(3) {
        let read = async || {
            let mut wire = Wire::connect(&field.servers, 0).await?;
            let (mut whole, mut more) = page(field, &mut wire, channel, None).await?;
            while more {
                let since = json!({"epoch": whole.epoch, "offset": whole.entries.last()?.0});
                let next;
                (next, more) = page(field, &mut wire, channel, Some(since)).await?;
                whole.entries.extend(next.entries);
            }
            Some(whole)
        };
        all.insert(channel.clone(), until("the whole history", read).await);
    }
    all.into_values().collect()
}

/// (e): asked on every server, the presence is that of the connections that live, soon after the fault.
async fn presence(field: &Field, by: Instant) -> Vec<String> {
    let mut wrong = Vec::new();
    for server in 0..field.servers.len() {
        let mut last = Value::Null;
        loop {
            let room = json!({"channel": field.room(), "limit": 1000});
            if let Some(mut wire) = Wire::connect(&field.servers, server).await {
                last = wire.request("get_presence", room).await.unwrap_or_default();
            }
            if ids(&last) == Some(field.present()) {
                break;
            }
            if Instant::now() > by {
                let lives = field.present();
                wrong.push(format!("(e) server {server} still says {last}, there are {lives:?}"));
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
    wrong
}

/// Those that publish the end of each channel.
struct Publishers {
    kept: Vec<Publisher>,
    passing: Vec<Publisher>,
}

impl Publishers {
    fn of(field: &Field) -> Self {
        let end = |channel: &String| Publisher::new(field, "end", channel, 0, Rng::new(0, 0));
        let [log, twins, few, pass] = &channels(field.round);
        Publishers { kept: [log, twins, few].map(end).into(), passing: [pass, &BROADCASTS.to_owned()].map(end).into() }
    }

    async fn of_kept(&mut self) {
        for publisher in &mut self.kept {
            within("the end to be published", publisher.publish()).await;
        }
    }

    async fn of_passing(&mut self) {
        for publisher in &mut self.passing {
            within("the end to be published", publisher.publish()).await;
        }
    }

    fn attempts(self) -> impl Iterator<Item = Attempt> {
        self.kept.into_iter().chain(self.passing).flat_map(Publisher::into_attempts)
    }
}

fn sums(record: &Record, wrong: &[String]) -> Sums {
    let is_acked = |attempt: &&Attempt| matches!(attempt.answer, Answer::Stored { .. } | Answer::Passed);
    let told = |wanted: fn(&Told) -> bool| {
        record.traces.iter().flat_map(|trace| &trace.events).filter(|(_, told)| wanted(told)).count() as u64
    };
    Sums {
        rounds: 1,
        acknowledged: record.attempts.iter().filter(is_acked).count() as u64,
        unknown: record.attempts.iter().filter(|attempt| attempt.answer == Answer::Unknown).count() as u64,
        received: told(|told| matches!(told, Told::Publication { .. })),
        gaps: told(|told| matches!(told, Told::Gap(_) | Told::Began { gap: Some(_), .. })),
        wrong: wrong.len() as u64,
    }
}
