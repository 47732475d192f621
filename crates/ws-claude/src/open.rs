//! The runs that are open: by their ids, and how many there are of each asker and in each channel.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::sync::watch;
use ws_core::{AskerKey, Place, Reply};
use ws_proto::action::AskClaudeData;
use ws_proto::api::RunInfo;
use ws_proto::claude::RunStatus;
use ws_proto::{ErrorBody, ErrorCode};

use crate::noted::Noted;
use crate::options::RunOptions;
use crate::refusals::{conflict, full, in_doubt};
use crate::state::State;

/// Why a run is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Somebody has cancelled it.
    Cancelled,
    /// The server ends.
    Interrupted,
}

/// An open run, as others see it.
#[derive(Debug)]
pub(crate) struct OpenRun {
    channel: Arc<str>,
    id: Arc<str>,
    stream: Arc<str>,
    key: AskerKey,
    user: Option<Arc<str>>,
    /// Tells requests apart.
    digest: String,
    model: String,
    started_at: u64,
    stop: watch::Sender<Option<Stop>>,
    /// Other servers have it now.
    is_lost: watch::Sender<bool>,
    /// Its places in the whole cluster.
    places: Mutex<Vec<Place>>,
    /// Whether it has its id in the whole cluster; `None`: that is not known yet.
    is_here: watch::Sender<Option<bool>>,
    /// The data of its `started`, from when it may be on its way until it is known to be published.
    started: Mutex<Option<Arc<RawValue>>>,
    state: Mutex<State>,
}

/// What a run is opened with.
#[derive(Debug, Clone)]
pub(crate) struct NewRun {
    pub(crate) channel: Arc<str>,
    pub(crate) id: Arc<str>,
    pub(crate) key: AskerKey,
    pub(crate) user: Option<Arc<str>>,
    pub(crate) digest: String,
    pub(crate) model: String,
    pub(crate) started_at: u64,
}

/// What becomes of a request.
pub(crate) enum Admitted {
    /// Its run begins.
    New(Arc<OpenRun>),
    /// It has been answered, or will be.
    Known,
}

/// All open runs.
#[derive(Debug, Default)]
pub(crate) struct OpenRuns {
    runs: Mutex<Runs>,
    /// How many there are, for whoever waits for none.
    count: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Runs {
    /// In the order in which they began.
    all: Vec<Arc<OpenRun>>,
    by_id: HashMap<(Arc<str>, Arc<str>), Arc<OpenRun>>,
    by_asker: HashMap<AskerKey, usize>,
    by_channel: HashMap<Arc<str>, usize>,
    is_closed: bool,
}

impl OpenRun {
    fn new(run: NewRun) -> Self {
        let NewRun { channel, id, key, user, digest, model, started_at } = run;
        let stream = format!("{}:{channel}/{id}", ws_proto::CLAUDE_NAMESPACE).into();
        let (stop, is_lost) = (watch::Sender::new(None), watch::Sender::new(false));
        let (places, is_here) = (Mutex::default(), watch::Sender::new(None));
        let (started, state) = (Mutex::default(), Mutex::new(State::Starting(Vec::new())));
        OpenRun {
            channel,
            id,
            stream,
            key,
            user,
            digest,
            model,
            started_at,
            stop,
            is_lost,
            places,
            is_here,
            started,
            state,
        }
    }

    pub(crate) fn channel(&self) -> &Arc<str> {
        &self.channel
    }

    pub(crate) fn id(&self) -> &Arc<str> {
        &self.id
    }

    pub(crate) fn stream(&self) -> &Arc<str> {
        &self.stream
    }

    pub(crate) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Whose runs are counted together with it.
    pub(crate) fn key(&self) -> &AskerKey {
        &self.key
    }

    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    pub(crate) fn model(&self) -> &str {
        &self.model
    }

    /// As it is kept for the next server.
    pub(crate) fn noted(&self) -> Noted {
        let (channel, run_id, user) = (self.channel.clone(), self.id.clone(), self.user.clone());
        // In this order: one that is known to be published is forgotten only afterwards.
        let (started, has_begun) = (self.started(), self.has_begun());
        Noted { channel, run_id, user, model: self.model.clone(), started_at: self.started_at, has_begun, started }
    }

    /// From now on its `started` may be on its way, and have this data.
    pub(crate) fn set_started(&self, data: Arc<RawValue>) {
        *self.started.lock() = Some(data);
    }

    /// The data of its `started`, if that may be on its way.
    pub(crate) fn started(&self) -> Option<Arc<RawValue>> {
        self.started.lock().clone()
    }

    /// Its `started` is published, and it is only left to be ended.
    pub(crate) fn set_left(&self) {
        *self.state.lock() = State::Left;
        *self.started.lock() = None;
    }

    /// Whether its `started` is known to be published.
    pub(crate) fn has_begun(&self) -> bool {
        matches!(&*self.state.lock(), State::Running(_) | State::Ending(..) | State::Left)
    }

    /// Answers a request for this run, now or when `started` is published.
    pub(crate) fn answer(&self, digest: &str, reply: Reply<AskClaudeData<'static>>) {
        if self.is_adopted() {
            return reply(Err(in_doubt()));
        }
        if digest != self.digest {
            return reply(Err(conflict()));
        }
        let mut state = self.state.lock();
        let data = match &mut *state {
            State::Starting(waiting) => return waiting.push(reply),
            State::InDoubt | State::Left => Err(in_doubt()),
            State::Running(data) | State::Ending(data, _) => Ok(data.clone()),
        };
        drop(state);
        reply(data);
    }

    /// It has its id in the whole cluster, and these places, until it is closed.
    pub(crate) fn hold(&self, places: Vec<Place>) {
        *self.places.lock() = places;
        self.is_here.send_replace(Some(true));
    }

    /// Whether it has its id in the whole cluster; otherwise another server may have a run of this id.
    pub(crate) fn is_here(&self) -> bool {
        *self.is_here.borrow() == Some(true)
    }

    /// Waits until that is known.
    pub(crate) async fn comes_here(&self) -> bool {
        // It does not fail: the sender is here.
        self.is_here.subscribe().wait_for(Option::is_some).await.is_ok_and(|is_here| *is_here == Some(true))
    }

    /// Whether another server began it: its request is known from its `started` alone.
    pub(crate) fn is_adopted(&self) -> bool {
        self.digest.is_empty()
    }

    /// `started` is published, or is not: answers all that wait.
    pub(crate) fn begun(&self, result: Result<AskClaudeData<'static>, ErrorBody>) {
        let next = result.as_ref().map_or(State::InDoubt, |data| State::Running(data.clone()));
        let before = std::mem::replace(&mut *self.state.lock(), next);
        if result.is_ok() {
            *self.started.lock() = None;
        }
        if let State::Starting(waiting) = before {
            waiting.into_iter().for_each(|reply| reply(result.clone()));
        }
    }

    /// Other servers have it now: nothing more is published for it here.
    pub(crate) fn lose(&self) {
        self.is_lost.send_replace(true);
    }

    /// Waits until others have it.
    pub(crate) async fn lost(&self) {
        // It does not fail: the sender is here.
        let _ = self.is_lost.subscribe().wait_for(|is_lost| *is_lost).await;
    }

    /// It has ended so; it is open until that is published.
    pub(crate) fn set_outcome(&self, status: RunStatus) {
        let mut state = self.state.lock();
        if let State::Running(data) = &*state {
            *state = State::Ending(data.clone(), status);
        }
    }

    /// Waits until somebody stops it.
    pub(crate) async fn stopped(&self) -> Stop {
        let mut stop = self.stop.subscribe();
        match stop.wait_for(Option::is_some).await.map(|stop| *stop) {
            Ok(Some(stop)) => stop,
            _ => std::future::pending().await,
        }
    }

    /// Stops it. The status that whoever asked for that is told.
    pub(crate) fn cancel(&self) -> RunStatus {
        if self.is_adopted() {
            // It has no provider any more, and its end is being published.
            return RunStatus::Interrupted;
        }
        if let State::Ending(_, status) = &*self.state.lock() {
            return *status;
        }
        self.stop(Stop::Cancelled);
        RunStatus::Cancelling
    }

    /// The first reason stays.
    fn stop(&self, why: Stop) {
        self.stop.send_if_modified(|stop| {
            let is_first = stop.is_none();
            stop.get_or_insert(why);
            is_first
        });
    }

    fn info(&self) -> Option<RunInfo> {
        if !matches!(&*self.state.lock(), State::Running(_)) {
            return None;
        }
        let status = if self.stop.borrow().is_some() { RunStatus::Cancelling } else { RunStatus::Running };
        Some(RunInfo {
            run_id: self.id.to_string(),
            status,
            model: self.model.clone(),
            user: self.user.as_deref().map(str::to_owned),
            started_at: self.started_at,
            output_tokens: None,
        })
    }
}

impl OpenRuns {
    /// Answers the request if its run is open; else the reply is given back.
    pub(crate) fn find(
        &self,
        channel: &Arc<str>,
        id: &Arc<str>,
        digest: &str,
        reply: Reply<AskClaudeData<'static>>,
    ) -> Option<Reply<AskClaudeData<'static>>> {
        match self.get(channel, id).filter(|run| !run.is_adopted()) {
            Some(run) => {
                run.answer(digest, reply);
                None
            }
            None => Some(reply),
        }
    }

    /// The open run of this id, if the id is its own in the whole cluster.
    pub(crate) fn held(&self, channel: &Arc<str>, id: &Arc<str>) -> Option<Arc<OpenRun>> {
        self.get(channel, id).filter(|run| run.is_here())
    }

    /// The open run of this id.
    pub(crate) fn get(&self, channel: &Arc<str>, id: &Arc<str>) -> Option<Arc<OpenRun>> {
        self.runs.lock().by_id.get(&(channel.clone(), id.clone())).cloned()
    }

    /// Opens a run, unless one of this id is open or there are too many.
    pub(crate) fn admit(&self, new: NewRun, options: &RunOptions, reply: Reply<AskClaudeData<'static>>) -> Admitted {
        let mut runs = self.runs.lock();
        if let Some(run) = runs.by_id.get(&(new.channel.clone(), new.id.clone())).cloned() {
            drop(runs);
            run.answer(&new.digest, reply);
            return Admitted::Known;
        }
        if let Some(refused) = runs.refusal(&new, options) {
            drop(runs);
            reply(Err(ErrorBody::new(ErrorCode::Overloaded, refused)));
            return Admitted::Known;
        }
        let run = runs.insert(new);
        if let State::Starting(waiting) = &mut *run.state.lock() {
            waiting.push(reply);
        }
        self.count.send_replace(runs.all.len());
        Admitted::New(run)
    }

    /// Opens a run that a server before this one has left behind.
    ///
    /// # Errors
    /// The run of its id that is open here.
    pub(crate) fn adopt(&self, new: NewRun, noted: &Noted) -> Result<Arc<OpenRun>, Arc<OpenRun>> {
        let mut runs = self.runs.lock();
        if let Some(run) = runs.by_id.get(&(new.channel.clone(), new.id.clone())) {
            return Err(run.clone());
        }
        let run = runs.insert(new);
        *run.state.lock() = if noted.has_begun { State::Left } else { State::InDoubt };
        run.started.lock().clone_from(&noted.started);
        self.count.send_replace(runs.all.len());
        Ok(run)
    }

    /// The run is over.
    pub(crate) fn close(&self, run: &Arc<OpenRun>) {
        let mut runs = self.runs.lock();
        runs.remove(run);
        self.count.send_replace(runs.all.len());
        drop(runs);
        run.is_here.send_replace(Some(false));
        run.places.lock().clear();
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<OpenRun>> {
        self.runs.lock().all.clone()
    }

    /// Those of a channel that have begun.
    pub(crate) fn infos(&self, channel: &str) -> Vec<RunInfo> {
        let runs = self.runs.lock();
        runs.all.iter().filter(|run| *run.channel == *channel).filter_map(|run| run.info()).collect()
    }

    /// Opens no more, and stops all.
    pub(crate) fn interrupt(&self) {
        let mut runs = self.runs.lock();
        runs.is_closed = true;
        runs.all.iter().for_each(|run| run.stop(Stop::Interrupted));
    }

    /// Waits until there are none.
    pub(crate) async fn none(&self) {
        // It does not fail: the sender is here.
        let _ = self.count.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Runs {
    /// Why a run is not opened.
    fn refusal(&self, new: &NewRun, options: &RunOptions) -> Option<String> {
        let full = |what: &str, max: usize, key: &str| Some(full(what, max, key));
        let of = |count: Option<&usize>| count.copied().unwrap_or_default();
        if self.is_closed {
            Some("the server is shutting down".to_owned())
        } else if self.all.len() >= options.runs_max {
            full("the server has", options.runs_max, "runs_max")
        } else if of(self.by_asker.get(&new.key)) >= options.runs_per_user_max {
            full("you have", options.runs_per_user_max, "runs_per_user_max")
        } else if of(self.by_channel.get(&new.channel)) >= options.runs_per_channel_max {
            full("the channel has", options.runs_per_channel_max, "runs_per_channel_max")
        } else {
            None
        }
    }

    fn insert(&mut self, new: NewRun) -> Arc<OpenRun> {
        let run = Arc::new(OpenRun::new(new));
        self.all.push(run.clone());
        self.by_id.insert((run.channel.clone(), run.id.clone()), run.clone());
        if !run.is_adopted() {
            *self.by_asker.entry(run.key.clone()).or_default() += 1;
            *self.by_channel.entry(run.channel.clone()).or_default() += 1;
        }
        run
    }

    fn remove(&mut self, run: &Arc<OpenRun>) {
        let before = self.all.len();
        self.all.retain(|other| !Arc::ptr_eq(run, other));
        if self.all.len() == before {
            return;
        }
        self.by_id.remove(&(run.channel.clone(), run.id.clone()));
        if !run.is_adopted() {
            less(&mut self.by_asker, &run.key);
            less(&mut self.by_channel, &run.channel);
        }
    }
}

fn less<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}
