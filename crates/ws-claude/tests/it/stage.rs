//! The hub, the engine and the provider of these tests.

use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use uuid::Uuid;
use ws_claude::upstream::{Answer, End, Known, Progress, Question, Usage};
use ws_claude::{Answering, Claude, Provider, RunOptions};
use ws_core::engine::{
    Append, Appended, Done, Engine, EngineError, EngineSink, EngineStats, Epoch, FindQuery, Found, History,
    HistoryQuery,
};
use ws_core::{
    Access, Actions, Asker, AskerKey, Auth, ChannelOptions, Heartbeat, Hub, HubOptions, Limits, MemoryEngine,
    MemoryLimits, Namespaces, OnLag, StreamOptions,
};
use ws_proto::ErrorBody;
use ws_proto::action::{Ack, AskClaude, AskClaudeData, GetHistory, ThinkingMode};

/// What the engine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// It stores nothing and answers nothing.
    Away,
    /// It stores what it is given, and says that it cannot: the outcome is unknown to its caller.
    Forgetful,
    /// It has been away for a moment: it cannot tell what became of a publication that it was given before.
    Unsure,
}

/// A memory engine with faults.
#[derive(Debug)]
pub(crate) struct Faulty {
    memory: MemoryEngine,
    fault: AtomicU8,
}

impl Faulty {
    pub(crate) fn set(&self, fault: Fault) {
        self.fault.store(fault as u8, Ordering::Release);
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault.load(Ordering::Acquire) == fault as u8
    }
}

fn away() -> EngineError {
    EngineError::Unavailable("on purpose".to_owned())
}

impl Engine for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn ack(&self) -> Ack {
        self.memory.ack()
    }

    fn start(&self, sink: Arc<dyn EngineSink>) {
        self.memory.start(sink);
    }

    fn append(&self, append: Append<'_>, done: Done<Appended>) {
        if self.is(Fault::Away) {
            return done(Err(away()));
        }
        if self.is(Fault::Forgetful) {
            self.memory.append(append, Box::new(drop));
            return done(Err(away()));
        }
        if self.is(Fault::Unsure) && append.msg_id.is_some() {
            return done(Err(EngineError::UnknownOutcome));
        }
        self.memory.append(append, done);
    }

    fn history(&self, query: HistoryQuery<'_>, done: Done<History>) {
        if self.is(Fault::Away) { done(Err(away())) } else { self.memory.history(query, done) }
    }

    fn find(&self, query: FindQuery<'_>, done: Done<Option<Found>>) {
        if self.is(Fault::Away) { done(Err(away())) } else { self.memory.find(query, done) }
    }

    fn remove(&self, channel: &str, done: Done<Epoch>) {
        self.memory.remove(channel, done);
    }

    fn interest(&self, channel: &str, interested: bool) {
        self.memory.interest(channel, interested);
    }

    fn stats(&self) -> EngineStats {
        self.memory.stats()
    }

    fn close(&self, done: Done<()>) {
        self.memory.close(done);
    }
}

/// A provider that answers what the test says.
#[derive(Debug, Default)]
pub(crate) struct Script {
    answers: Mutex<Vec<UnboundedReceiver<Progress>>>,
    asked: AtomicUsize,
}

impl Script {
    /// The next question gets what is sent here.
    pub(crate) fn answer(&self) -> UnboundedSender<Progress> {
        let (sender, receiver) = unbounded_channel();
        self.answers.lock().expect("no panic while locked").push(receiver);
        sender
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Acquire)
    }
}

#[derive(Debug)]
struct Scripted(UnboundedReceiver<Progress>);

impl Provider for Script {
    fn ask(&self, _: Question) -> Box<dyn Answering> {
        self.asked.fetch_add(1, Ordering::AcqRel);
        Box::new(Scripted(self.answers.lock().expect("no panic while locked").remove(0)))
    }
}

impl Answering for Scripted {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Progress> + Send + '_>> {
        Box::pin(async {
            match self.0.recv().await {
                Some(progress) => progress,
                None => std::future::pending().await,
            }
        })
    }

    fn known(&self) -> Known {
        Known::default()
    }
}

/// What ends a whole answer.
pub(crate) fn end() -> Progress {
    Progress::End(Answer {
        end: End::Complete,
        stop_reason: Some("end_turn".to_owned()),
        model: None,
        usage: Usage::default(),
        message_id: None,
        request_id: None,
    })
}

pub(crate) fn text(text: &str) -> Progress {
    Progress::Text(text.to_owned())
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) hub: Hub,
    pub(crate) engine: Arc<Faulty>,
    pub(crate) script: Arc<Script>,
    pub(crate) claude: Claude,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let memory = MemoryEngine::new(MemoryLimits { history_bytes_max: 1 << 24, idle_channels_max: 100 });
        let engine = Arc::new(Faulty { memory, fault: AtomicU8::new(Fault::None as u8) });
        let (hub, script) = (hub(engine.clone()), Arc::<Script>::default());
        let provider: Arc<dyn Provider> = script.clone();
        let claude = Claude::start(hub.clone(), Some(provider), run_options()).await.expect("nothing was left open");
        Stage { hub, engine, script, claude }
    }

    pub(crate) async fn ask(&self, run_id: &str) -> Result<AskClaudeData<'static>, ErrorBody> {
        self.ask_in("room", run_id).await
    }

    pub(crate) async fn ask_in(&self, channel: &str, run_id: &str) -> Result<AskClaudeData<'static>, ErrorBody> {
        ask(&self.hub, channel, run_id).await
    }

    pub(crate) async fn history(&self, channel: &str) -> Vec<Value> {
        history(&self.hub, channel).await
    }

    pub(crate) fn open(&self) -> usize {
        self.hub.runs().map_or(0, |runs| runs.open())
    }

    pub(crate) async fn until(&self, what: &str, holds: impl FnMut() -> bool) {
        until(what, holds).await;
    }
}

/// A hub over an engine. Channels in `cursor` have no history.
pub(crate) fn hub(engine: Arc<dyn Engine>) -> Hub {
    let channels = ChannelOptions {
        history_size: 100,
        history_ttl: Duration::ZERO,
        presence: true,
        join_leave: false,
        join_leave_max: 100,
        on_lag: OnLag::Gap,
        subscribe: Access::ANYONE,
        publish: Access::ANYONE,
        read_history: Access::ANYONE,
        read_presence: Access::ANYONE,
        claude: true,
        hold: None,
    };
    let passing = ChannelOptions { history_size: 0, ..channels.clone() };
    let named = [("cursor".into(), Arc::new(passing))].into();
    let options = HubOptions {
        limits: Limits::TEST,
        heartbeat: Heartbeat { interval_ms: 0, timeout_ms: 0 },
        namespaces: Namespaces { default: Arc::new(channels), named },
        actions: Actions { broadcast: Access::ANYONE, get_connections: Access::ANYONE },
        streams: StreamOptions { size: 1000, ttl: Duration::from_secs(600) },
        auth: Auth::none(),
        shards: 1,
    };
    Hub::start(options, engine)
}

/// Somebody asks.
pub(crate) async fn ask(hub: &Hub, channel: &str, run_id: &str) -> Result<AskClaudeData<'static>, ErrorBody> {
    let request = AskClaude {
        channel: channel.to_owned().into(),
        run_id: Some(run_id.to_owned().into()),
        prompt: Some("Hi".into()),
        ..AskClaude::default()
    };
    hub.ask_claude(request, Asker { user: None, key: AskerKey::Connection(Uuid::from_u128(1)) }).await
}

/// The data of all publications of a channel.
pub(crate) async fn history(hub: &Hub, channel: &str) -> Vec<Value> {
    let query = GetHistory { channel: channel.into(), limit: Some(1000), ..GetHistory::default() };
    let page = hub.history(&query).await.expect("the engine is there");
    let entries = page.publications.iter().map(|entry| serde_json::from_str::<Value>(entry.get()).expect("JSON"));
    entries.map(|mut entry| entry["data"].take()).collect()
}

/// Which publications of a run these are.
pub(crate) fn kinds(publications: &[Value]) -> Vec<&str> {
    publications.iter().filter_map(|data| data["claude"].as_str()).collect()
}

/// Waits until this holds; time passes by itself.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..100_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("waited for {what}");
}

pub(crate) fn run_options() -> RunOptions {
    RunOptions {
        model: "m".to_owned(),
        models_allowed: Vec::new(),
        max_tokens: 100,
        effort: None,
        thinking: ThinkingMode::Omitted,
        system: None,
        client_options: Vec::new(),
        context_bytes_max: 1 << 20,
        runs_max: 10,
        runs_per_user_max: 1,
        runs_per_channel_max: 10,
        run_timeout: Duration::from_secs(600),
        delta_interval: Duration::from_millis(40),
    }
}
