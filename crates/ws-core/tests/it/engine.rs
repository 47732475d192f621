//! The memory engine: the conformance suite, and what it drops to stay within its limits.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::Duration;

use tokio::time::sleep;
use ws_core::engine::{
    Append, Appended, Done, Engine, EngineError, EngineSink, EngineStats, Epoch, FindQuery, Found, History,
    HistoryQuery, Publication, Retention, conformance,
};
use ws_core::{MemoryEngine, MemoryLimits};
use ws_proto::action::Ack;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_memory_engine_does_what_every_engine_does() {
    let limits = MemoryLimits { history_bytes_max: 16 << 20, idle_channels_max: 100 };
    conformance::run(async || MemoryEngine::new(limits)).await;
}

#[derive(Debug)]
struct Nobody;

impl EngineSink for Nobody {
    fn deliver(&self, _: &str, _: &Publication, _: Option<u64>) {}
    fn reset(&self, _: &str, _: Epoch, _: u64) {}
    fn renew(&self, _: &str, _: Epoch, _: u64) {}
    fn skip(&self, _: &str, _: u64) {}
    fn lost(&self, _: &str) {}
    fn has_room(&self) {}
}

/// A started memory engine, which answers within the call.
struct Memory(MemoryEngine);

const SIZE: usize = 100;

impl Memory {
    fn start(history_bytes_max: usize, idle_channels_max: usize) -> Self {
        let engine = MemoryEngine::new(MemoryLimits { history_bytes_max, idle_channels_max });
        engine.start(Arc::new(Nobody));
        Memory(engine)
    }

    /// Appends a number of bytes; zero seconds: they do not expire.
    fn append(&self, channel: &str, bytes: usize, ttl_seconds: u64) -> u64 {
        let retention = Retention::new(SIZE, Duration::from_secs(ttl_seconds));
        let body: Arc<[u8]> = vec![0; bytes].into();
        let append = Append { channel, retention, data: 0..body.len(), body, msg_id: None, age_ms: 0, read_us: None };
        let appended: Appended = answer(|done| self.0.append(append, done));
        appended.position.expect("a position").1
    }

    fn history(&self, channel: &str) -> History {
        let retention = Retention::new(SIZE, Duration::ZERO);
        let (after, before, limit, bytes_max) = (0, None, SIZE, usize::MAX);
        let query = HistoryQuery { channel, retention, after, before, reverse: false, limit, bytes_max };
        answer(|done| self.0.history(query, done))
    }

    fn epoch(&self, channel: &str) -> Epoch {
        self.history(channel).epoch
    }

    fn stats(&self) -> EngineStats {
        self.0.stats()
    }
}

fn answer<T: Send + 'static>(call: impl FnOnce(Done<T>)) -> T {
    let (answer, answered) = mpsc::channel::<Result<T, EngineError>>();
    call(Box::new(move |result| answer.send(result).expect("somebody waits")));
    answered.try_recv().expect("it answers within the call").expect("it can do it")
}

#[tokio::test(start_paused = true)]
async fn publications_expire_without_a_call() {
    let memory = Memory::start(1 << 20, 100);
    memory.append("a", 10, 5);
    memory.append("b", 10, 60);
    sleep(Duration::from_secs(3)).await;
    memory.append("a", 10, 5);
    memory.append("c", 10, 1);
    assert_eq!(memory.stats().publications, 4);
    let bytes = memory.stats().bytes;
    sleep(Duration::from_secs(4)).await;
    assert_eq!(memory.stats().publications, 2, "the first of a and that of c, after 7 s");
    assert_eq!(memory.stats().bytes, bytes / 2);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(memory.stats().publications, 1, "the second of a, after 10 s");
    sleep(Duration::from_secs(52)).await;
    assert_eq!(memory.stats(), EngineStats { channels: 3, ..EngineStats::default() }, "positions stay");
    assert_eq!((memory.history("a").top, memory.history("a").oldest), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_emptied_and_filled_again_expires() {
    let memory = Memory::start(1 << 20, 100);
    for _ in 0..3 {
        memory.append("a", 10, 2);
        answer(|done| memory.0.remove("a", done));
        memory.append("a", 10, 2);
        sleep(Duration::from_secs(4)).await;
        assert_eq!(memory.stats().publications, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn all_channels_together_stay_within_the_bytes() {
    const MAX: usize = 20_000;
    let memory = Memory::start(MAX, 100);
    let channels: Vec<_> = (0..10).map(|i| format!("c{i}")).collect();
    let mut most = 0;
    for round in 1..=50 {
        for channel in &channels {
            assert_eq!(memory.append(channel, 100, 0), round, "offsets go on");
            let bytes = memory.stats().bytes;
            assert!(bytes <= MAX as u64, "{bytes} after an append");
            most = most.max(bytes);
        }
    }
    assert!(most > MAX as u64 * 9 / 10, "the room is used: {most}");
    let mut kept = 0;
    for channel in &channels {
        let history = memory.history(channel);
        let offsets: Vec<_> = history.publications.iter().filter_map(|publication| publication.offset).collect();
        assert_eq!(offsets, (history.oldest..=50).collect::<Vec<_>>(), "the oldest are gone: {channel}");
        assert!(history.oldest > 1, "every channel has given up something: {channel}");
        kept += offsets.len() as u64;
    }
    assert_eq!(memory.stats().publications, kept, "what is counted is what is there");
}

#[tokio::test(start_paused = true)]
async fn a_publication_over_the_limit_gets_an_offset_and_is_not_kept() {
    let memory = Memory::start(1000, 100);
    assert_eq!(memory.append("a", 2000, 0), 1);
    assert_eq!(memory.stats(), EngineStats { channels: 1, ..EngineStats::default() });
    let history = memory.history("a");
    assert_eq!((history.top, history.oldest, history.publications), (1, 2, vec![]));
    assert_eq!(memory.append("a", 10, 0), 2, "the stream goes on");
    assert_eq!(memory.history("a").oldest, 2);
}

#[tokio::test(start_paused = true)]
async fn idle_channels_that_are_too_many_are_forgotten_oldest_first() {
    let memory = Memory::start(1 << 20, 3);
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|channel| memory.epoch(channel));
    assert_eq!(memory.stats().channels, 3);
    assert_eq!([d, c, b], ["d", "c", "b"].map(|channel| memory.epoch(channel)), "three are remembered");
    assert_ne!(a, memory.epoch("a"), "the oldest begins a new epoch when it comes back");
    assert_eq!(memory.stats().channels, 3);
}

#[tokio::test(start_paused = true)]
async fn channels_that_are_in_use_are_not_forgotten() {
    let memory = Memory::start(1 << 20, 2);
    memory.0.interest("subscribed", true);
    memory.append("filled", 10, 0);
    memory.append("both", 10, 5);
    memory.0.interest("both", true);
    memory.epoch("subscribed to when idle");
    memory.0.interest("subscribed to when idle", true);
    memory.epoch("filled when idle");
    memory.append("filled when idle", 10, 0);
    let used = ["subscribed", "filled", "both", "subscribed to when idle", "filled when idle"];
    let epochs = used.map(|channel| memory.epoch(channel));
    for i in 0..100 {
        memory.epoch(&format!("other{i}"));
    }
    sleep(Duration::from_secs(10)).await;
    assert_eq!(memory.stats(), EngineStats { channels: 7, publications: 2, ..memory.stats() });
    assert_eq!(used.map(|channel| memory.epoch(channel)), epochs);

    memory.0.interest("both", false);
    memory.0.interest("subscribed", false);
    memory.epoch("other");
    memory.epoch("another");
    assert_eq!(memory.stats().channels, 5, "two idle ones and three that are in use");
    assert_eq!(memory.epoch("filled"), epochs[1]);
    assert_ne!(memory.epoch("subscribed"), epochs[0], "nobody was there any more");
}

#[tokio::test(start_paused = true)]
async fn expired_channels_are_idle() {
    let memory = Memory::start(1 << 20, 2);
    for i in 0..10 {
        memory.append(&format!("c{i}"), 10, 1);
    }
    assert_eq!(memory.stats().channels, 10);
    sleep(Duration::from_secs(4)).await;
    assert_eq!(memory.stats(), EngineStats { channels: 2, ..EngineStats::default() }, "without a call");
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_channel_does_not_count_as_idle() {
    let memory = Memory::start(1 << 20, 1);
    memory.append("a", 10, 1);
    answer(|done| memory.0.remove("a", done));
    let b = memory.epoch("b");
    assert_eq!(memory.stats().channels, 1, "a is forgotten");
    sleep(Duration::from_secs(4)).await;
    assert_eq!(memory.stats().channels, 1);
    assert_eq!(memory.epoch("b"), b, "the end of a's publication, long gone, changes nothing");
}

/// What can be wrong with an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    DeliversTwice,
    DeliversAfterTheAnswer,
    LetsHistoryOvertake,
    HasOneEpoch,
    KeepsResetsToItself,
    ForgetsMsgIds,
    TakesOtherDataForTheSame,
    IgnoresAges,
    NeverTrims,
    CountsNoSubscribers,
    IncludesTheLowerBound,
    NeverHasMore,
    CutsBodies,
}

/// The memory engine with a fault.
#[derive(Debug)]
struct Faulty {
    fault: Fault,
    engine: MemoryEngine,
    sink: Arc<FaultySink>,
}

#[derive(Debug)]
struct FaultySink {
    fault: Fault,
    sink: OnceLock<Arc<dyn EngineSink>>,
    held: Mutex<Vec<(String, Publication, Option<u64>)>>,
}

impl Faulty {
    fn new(fault: Fault) -> Self {
        let engine = MemoryEngine::new(MemoryLimits { history_bytes_max: 16 << 20, idle_channels_max: 100 });
        Faulty { fault, engine, sink: Arc::new(FaultySink { fault, sink: OnceLock::new(), held: Mutex::default() }) }
    }

    fn epoch(&self, epoch: Epoch) -> Epoch {
        if self.fault == Fault::HasOneEpoch { Epoch::from_u64(1) } else { epoch }
    }
}

impl FaultySink {
    fn sink(&self) -> &dyn EngineSink {
        &**self.sink.get().expect("it was started")
    }

    fn release(&self) {
        let mut held = self.held.lock().expect("no panic while locked");
        held.drain(..).for_each(|(channel, publication, read_us)| self.sink().deliver(&channel, &publication, read_us));
    }
}

impl EngineSink for FaultySink {
    fn deliver(&self, channel: &str, publication: &Publication, read_us: Option<u64>) {
        match self.fault {
            Fault::DeliversAfterTheAnswer | Fault::LetsHistoryOvertake => {
                self.held.lock().expect("no panic while locked").push((
                    channel.to_owned(),
                    publication.clone(),
                    read_us,
                ));
            }
            _ => self.sink().deliver(channel, publication, read_us),
        }
        if self.fault == Fault::DeliversTwice {
            self.sink().deliver(channel, publication, read_us);
        }
    }

    fn reset(&self, channel: &str, epoch: Epoch, after: u64) {
        if self.fault != Fault::KeepsResetsToItself {
            self.sink().reset(channel, epoch, after);
        }
    }

    fn renew(&self, channel: &str, epoch: Epoch, survived: u64) {
        self.sink().renew(channel, epoch, survived);
    }

    fn skip(&self, channel: &str, to: u64) {
        self.sink().skip(channel, to);
    }

    fn lost(&self, channel: &str) {
        self.sink().lost(channel);
    }

    fn has_room(&self) {
        self.sink().has_room();
    }
}

impl Engine for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn ack(&self) -> Ack {
        self.engine.ack()
    }

    fn start(&self, sink: Arc<dyn EngineSink>) {
        self.sink.sink.set(sink).expect("it is started once");
        self.engine.start(self.sink.clone());
    }

    fn append(&self, mut append: Append<'_>, done: Done<Appended>) {
        match self.fault {
            Fault::ForgetsMsgIds => append.msg_id = None,
            Fault::TakesOtherDataForTheSame => append.data = 0..0,
            Fault::IgnoresAges => append.age_ms = 0,
            Fault::NeverTrims if append.retention.size > 0 => append.retention.size = 10_000,
            Fault::CutsBodies => append.body = append.body[..append.body.len().min(4096)].into(),
            _ => {}
        }
        let (answer, answered) = mpsc::channel();
        self.engine.append(append, Box::new(move |result| answer.send(result).expect("somebody waits")));
        let appended = answered.recv().expect("an answer");
        let appended = appended.map(|appended| Appended {
            position: appended.position.map(|(epoch, offset)| (self.epoch(epoch), offset)),
            ..appended
        });
        let sink = self.sink.clone();
        match self.fault {
            Fault::DeliversAfterTheAnswer => {
                done(appended);
                sink.release();
            }
            Fault::LetsHistoryOvertake => {
                tokio::spawn(async move {
                    for _ in 0..20 {
                        tokio::task::yield_now().await;
                    }
                    sink.release();
                    done(appended);
                });
            }
            _ => done(appended),
        }
    }

    fn history(&self, mut query: HistoryQuery<'_>, done: Done<History>) {
        if self.fault == Fault::IncludesTheLowerBound {
            query.after = query.after.saturating_sub(1);
        }
        let (answer, answered) = mpsc::channel();
        self.engine.history(query, Box::new(move |result| answer.send(result).expect("somebody waits")));
        done(answered.recv().expect("an answer").map(|history| History {
            epoch: self.epoch(history.epoch),
            more: history.more && self.fault != Fault::NeverHasMore,
            ..history
        }));
    }

    fn find(&self, query: FindQuery<'_>, done: Done<Option<Found>>) {
        let (answer, answered) = mpsc::channel();
        self.engine.find(query, Box::new(move |result| answer.send(result).expect("somebody waits")));
        let found = answered.recv().expect("an answer");
        done(found.map(|found| found.map(|found| Found { epoch: self.epoch(found.epoch), ..found })));
    }

    fn remove(&self, channel: &str, done: Done<Epoch>) {
        let (answer, answered) = mpsc::channel();
        self.engine.remove(channel, Box::new(move |result| answer.send(result).expect("somebody waits")));
        done(answered.recv().expect("an answer").map(|epoch| self.epoch(epoch)));
    }

    fn interest(&self, channel: &str, interested: bool) {
        self.engine.interest(channel, interested);
        if self.fault == Fault::CountsNoSubscribers && !interested {
            self.engine.interest(channel, false);
        }
    }

    fn stats(&self) -> EngineStats {
        self.engine.stats()
    }

    fn close(&self, done: Done<()>) {
        self.engine.close(done);
    }
}

/// What the suite reports for a faulty engine.
fn verdict(fault: Fault) -> String {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let run = || runtime.block_on(conformance::run(async || Faulty::new(fault)));
    let panic = catch_unwind(AssertUnwindSafe(run)).expect_err(&format!("{fault:?} goes unnoticed"));
    panic.downcast::<String>().map(|text| *text).unwrap_or_default()
}

#[test]
fn the_suite_notices_an_engine_that_is_wrong() {
    let faults = [
        (Fault::DeliversTwice, "- the sink gets each publication once and in order: "),
        (Fault::DeliversAfterTheAnswer, "was answered when the sink had been given 0"),
        (Fault::LetsHistoryOvertake, "- history is never ahead of the sink: history has a top of "),
        (Fault::HasOneEpoch, "the epoch 0000000000000001 stands for two channels"),
        (Fault::KeepsResetsToItself, "- removal begins a new epoch: remove was answered before the sink had been told"),
        (Fault::ForgetsMsgIds, "- a msg id again is a duplicate: "),
        (Fault::TakesOtherDataForTheSame, "- other data under a msg id is a conflict: "),
        (Fault::IgnoresAges, "- a repeat of what may have been given up is unknown: "),
        (Fault::NeverTrims, "- a msg id is forgotten with its publication: "),
        (Fault::CountsNoSubscribers, "- interest ends with the last subscriber: "),
        (Fault::IncludesTheLowerBound, "- bounds are exclusive: "),
        (Fault::NeverHasMore, "- a limit cuts the answer: "),
        (Fault::CutsBodies, "- bodies come back byte for byte: "),
    ];
    std::thread::scope(|threads| {
        for (fault, expect) in faults {
            threads.spawn(move || {
                let verdict = verdict(fault);
                assert!(verdict.contains(expect), "{fault:?} is noticed otherwise: {verdict}");
            });
        }
    });
}
