//! The participant: takes requests, begins runs, and ends them all when the server ends.

use std::sync::{Arc, Weak};
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::{Instant, timeout};
use ws_core::{Ask, Clock, Entry, HeldStream, Hub, Place, Reply, RunCounts, Runs};
use ws_proto::action::{AskClaude, AskClaudeData, CancelClaudeData};
use ws_proto::api::RunInfo;
use ws_proto::claude::{RunEvent, Started};
use ws_proto::{ErrorBody, ErrorCode};

use crate::asking::{digest, question};
use crate::books::Books;
use crate::context::{self, Context};
use crate::journal;
use crate::left;
use crate::limits::{DELIVERED_EVERY, DELIVERED_WITHIN};
use crate::lookup;
use crate::open::{Admitted, NewRun, OpenRun};
use crate::options::RunOptions;
use crate::pieces::raw;
use crate::places;
use crate::provider::Provider;
use crate::publish::{sender, start_id};
use crate::refusals::{conflict, in_doubt, passed_by};
use crate::run::Run;
use crate::upstream::Question;

/// Runs Claude for a hub. A cheap handle; the hub itself keeps none.
#[derive(Debug, Clone)]
pub struct Claude(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    me: Weak<Inner>,
    books: Arc<Books>,
    /// `None`: there is no key.
    provider: Option<Arc<dyn Provider>>,
    options: RunOptions,
}

impl Claude {
    /// Begins to run Claude for a hub. Runs that a server before this one has left open are known and held when this
    /// returns, and ended afterwards, `provider` or not; among several servers, those of dead ones are found afterwards.
    /// Call it before the hub is served.
    ///
    /// # Errors
    /// The engine cannot say which runs were left open.
    pub async fn start(hub: Hub, provider: Option<Arc<dyn Provider>>, options: RunOptions) -> Result<Self, ErrorBody> {
        let counts = RunCounts::new(options.models_allowed.iter().chain([&options.model]).map(String::as_str));
        let books = Arc::new(Books::new(hub, counts));
        let inner = Arc::new_cyclic(|me| Inner { me: me.clone(), books: books.clone(), provider, options });
        let runs: Arc<dyn Runs> = inner.clone();
        if books.hub.node().is_none() {
            for noted in journal::left_open(&books.hub, None).await?.unwrap_or_default() {
                // A run that was noted twice is open already.
                let _ = left::adopt(&books, noted);
            }
        }
        books.hub.set_runs(Arc::downgrade(&runs));
        inner.node_ended();
        Ok(Claude(inner))
    }

    /// Whether there is a key.
    pub fn has_provider(&self) -> bool {
        self.0.provider.is_some()
    }

    /// Begins no more runs, and ends all as `interrupted`. Waits until that is published, but not for longer than this.
    pub async fn drain(&self, within: Duration) {
        let books = &self.0.books;
        books.open.interrupt();
        let runs = books.open.count();
        if runs > 0 {
            tracing::info!(runs, "claude: interrupting all runs");
        }
        let is_over = async {
            books.open.none().await;
            if runs > 0 || books.journal.is_behind() {
                // Nobody keeps it later.
                let _ = books.journal.note(&books.hub, &books.open).await;
            }
        };
        let _ = timeout(within, is_over).await;
        let left = books.open.count();
        if left > 0 {
            tracing::warn!(
                runs = left,
                "claude: the end of some runs is not published; the next start does that where it can"
            );
        }
        if runs == 0 {
            return;
        }
        // Readers see the ends before they are told to go; who lags is not waited for.
        let is_delivered = async {
            while books.hub.log_bytes() > 0 {
                tokio::time::sleep(DELIVERED_EVERY).await;
            }
        };
        let _ = timeout(DELIVERED_WITHIN, is_delivered).await;
    }
}

impl Runs for Inner {
    fn ask(&self, ask: Ask, reply: Reply<AskClaudeData<'static>>) {
        // The hub has upgraded its reference, so there is one.
        let Some(inner) = self.me.upgrade() else { return };
        tokio::spawn(inner.begin(ask, reply));
    }

    fn cancel(&self, channel: &str, run_id: &str, reply: Reply<CancelClaudeData<'static>>) {
        let (channel, run_id): (Arc<str>, Arc<str>) = (channel.into(), run_id.into());
        let data = |run_id: &str, status| CancelClaudeData { run_id: run_id.to_owned().into(), status };
        let open = self.books.open.get(&channel, &run_id);
        if let Some(run) = open.as_ref().filter(|run| run.is_here()) {
            return reply(Ok(data(&run_id, run.cancel())));
        }
        let hub = self.books.hub.clone();
        tokio::spawn(async move {
            // Of one that is just beginning, that is known in a moment. One that was left open may have begun elsewhere.
            if let Some(run) = open.filter(|run| !run.is_adopted())
                && run.comes_here().await
            {
                return reply(Ok(data(&run_id, run.cancel())));
            }
            reply(match lookup::status(&hub, &channel, &run_id).await {
                Ok(Some(status)) => Ok(data(&run_id, status)),
                Ok(None) => Err(ErrorBody::new(ErrorCode::NotFound, "no run of this id is known in this channel")),
                Err(error) => Err(error),
            });
        });
    }

    fn open_in(&self, channel: &str) -> Vec<RunInfo> {
        self.books.open.infos(channel)
    }

    fn open(&self) -> usize {
        self.books.open.count()
    }

    fn counts(&self) -> &RunCounts {
        &self.books.counts
    }

    fn find(&self, channel: &str, run_id: &str, digest: &str, reply: Reply<AskClaudeData<'static>>) {
        match self.books.open.held(&channel.into(), &run_id.into()) {
            Some(run) => run.answer(digest, reply),
            None => reply(Err(ErrorBody::new(ErrorCode::NotFound, "no run of this id is open here"))),
        }
    }

    fn node_ended(&self) {
        if self.books.hub.node().is_some() {
            tokio::spawn(left::take_over(self.books.clone()));
        }
    }

    fn lapsed(&self) {
        let open = self.books.open.all();
        if !open.is_empty() {
            tracing::warn!(runs = open.len(), "claude: this server was taken for dead; others end its runs");
        }
        open.iter().for_each(|run| run.lose());
        // Including those that it has left open itself.
        self.node_ended();
    }

    fn keep_again(&self) {
        self.books.journal.may_be_lost();
        self.books.keep_again();
    }
}

/// A run that may begin: all but its `started` is done.
struct Prepared {
    context: Option<Context>,
    held: HeldStream,
    stream_epoch: String,
    /// The data of its `started`.
    started: Arc<RawValue>,
}

/// Where a run may be.
enum Taken {
    /// Here, with these places.
    Here(Vec<Place>),
    /// It is on another server.
    Elsewhere(AskClaudeData<'static>),
}

/// A request, the id of its run, and where the answer goes.
type Asked = (Ask, Arc<str>, Reply<AskClaudeData<'static>>);

impl Inner {
    async fn begin(self: Arc<Self>, ask: Ask, reply: Reply<AskClaudeData<'static>>) {
        let Some((ask, id, reply)) = self.unless_known(ask, reply).await else { return };
        let Some(provider) = self.provider.clone() else {
            let message =
                "this server has no key for Claude: its operator sets ANTHROPIC_API_KEY, or claude.api_key_file";
            return reply(Err(ErrorBody::new(ErrorCode::NotAvailable, message)));
        };
        let question = match question(&ask.request, &self.options) {
            Ok(question) => question,
            Err(refused) => return reply(Err(refused)),
        };
        let Some((open, request)) = self.admit(ask, id, &question, reply) else { return };
        let lost = open.clone();
        tokio::select! {
            biased;
            () = lost.lost() => {
                self.leave(&lost, Err(in_doubt()));
                self.books.note().await;
            }
            () = self.run(open, request, question, &*provider) => {}
        }
    }

    async fn run(&self, open: Arc<OpenRun>, request: AskClaude<'static>, question: Question, provider: &dyn Provider) {
        if request.run_id.is_some() {
            // The id may be that of a run whose server has still to say so.
            self.books.journal.others_are_back().await;
        }
        match self.take_places(&open).await {
            Ok(Taken::Here(places)) => open.hold(places),
            Ok(Taken::Elsewhere(data)) => return self.leave(&open, Ok(data)),
            Err(error) => return self.leave(&open, Err(error)),
        }
        match self.prepare(&open, request).await {
            Ok(prepared) => self.announce(open, question, prepared, provider).await,
            Err(error) => self.refuse(&open, error).await,
        }
    }

    /// The places of a run in the whole cluster.
    async fn take_places(&self, open: &OpenRun) -> Result<Taken, ErrorBody> {
        let hub = &self.books.hub;
        let id = places::id(hub, open).await?;
        // Where the store has lost its data, it may have lost that another server has this id.
        if (id.is_none() || self.books.journal.was_lost_lately())
            && let Some(data) = hub.run_elsewhere(open.channel(), open.id(), open.digest()).await?
        {
            return Ok(Taken::Elsewhere(data));
        }
        let id = id.ok_or_else(passed_by)?;
        let [asker, channel] = places::among(hub, open, &self.options).await?;
        Ok(Taken::Here(vec![id, asker, channel]))
    }

    /// A run is not to be kept or published here any more, or was not yet.
    fn leave(&self, open: &Arc<OpenRun>, answer: Result<AskClaudeData<'static>, ErrorBody>) {
        self.books.open.close(open);
        open.begun(answer);
    }

    /// A request with its run's id, unless that has a run already: then this is answered with it, whatever may be asked now.
    async fn unless_known(&self, ask: Ask, reply: Reply<AskClaudeData<'static>>) -> Option<Asked> {
        let Some(id) = ask.request.run_id.as_deref().map(Arc::<str>::from) else {
            return Some((ask, uuid::Uuid::new_v4().to_string().into(), reply));
        };
        let (channel, digest): (Arc<str>, String) = (ask.request.channel.as_ref().into(), digest(&ask.request));
        let mut reply = self.books.open.find(&channel, &id, &digest, reply)?;
        if ask.options.has_history() {
            match lookup::started(&self.books.hub, &channel, &id).await {
                Ok(None) => {}
                Ok(Some((started, stored))) => {
                    // It may have begun meanwhile, and be open.
                    reply = self.books.open.find(&channel, &id, &digest, reply)?;
                    let is_same = started.request_digest.as_deref() == Some(&*digest);
                    reply(if is_same { Ok(lookup::data(&channel, &started, &stored)) } else { Err(conflict()) });
                    return None;
                }
                Err(error) => {
                    reply(Err(error));
                    return None;
                }
            }
        }
        Some((ask, id, reply))
    }

    /// The open run of a request, unless it is answered otherwise.
    fn admit(
        &self,
        ask: Ask,
        id: Arc<str>,
        question: &Question,
        reply: Reply<AskClaudeData<'static>>,
    ) -> Option<(Arc<OpenRun>, AskClaude<'static>)> {
        let Ask { request, asker, .. } = ask;
        let (channel, digest) = (request.channel.as_ref().into(), digest(&request));
        let (key, user) = (asker.key, asker.user);
        let (model, started_at) = (question.model.clone(), Clock::unix_ms());
        let new = NewRun { channel, id, key, user, digest, model, started_at };
        match self.books.open.admit(new, &self.options, reply) {
            Admitted::New(open) => Some((open, request)),
            Admitted::Known => None,
        }
    }

    /// Nothing of a run was published.
    async fn refuse(&self, open: &Arc<OpenRun>, error: ErrorBody) {
        self.books.close(open).await;
        open.begun(Err(error));
    }

    async fn prepare(&self, open: &OpenRun, request: AskClaude<'static>) -> Result<Prepared, ErrorBody> {
        let context = match request.context.unwrap_or_default() {
            0 => None,
            n => Some(context::collect(&self.books.hub, open.channel(), n, self.options.context_bytes_max).await?),
        };
        let stream = open.stream();
        // An earlier run of this id: its stream is not continued.
        if self.books.hub.position(stream).await?.is_some_and(|(_, offset)| offset > 0) {
            if lookup::started(&self.books.hub, open.channel(), open.id()).await?.is_some() {
                return Err(passed_by());
            }
            self.books.hub.remove_history(stream).await?;
        }
        let held = self.books.hub.hold_stream(stream)?;
        let stream_epoch =
            self.books.hub.position(stream).await?.map(|(epoch, _)| epoch.to_string()).unwrap_or_default();
        let started = Started {
            run_id: open.id().to_string().into(),
            stream: stream.to_string().into(),
            stream_epoch: stream_epoch.clone().into(),
            model: open.model().to_owned().into(),
            prompt: request.prompt,
            messages: request.messages,
            context: context.as_ref().map(|context| context.taken),
            request_digest: Some(open.digest().to_owned().into()),
        };
        let started: Arc<RawValue> = raw(&RunEvent::Started(started)).into();
        if self.books.hub.node().is_some() && self.books.hub.channel_options(open.channel())?.has_history() {
            open.set_started(started.clone());
        }
        self.books.journal.note(&self.books.hub, &self.books.open).await?;
        Ok(Prepared { context, held, stream_epoch, started })
    }

    /// Publishes `started`, and runs.
    async fn announce(&self, open: Arc<OpenRun>, mut question: Question, prepared: Prepared, provider: &dyn Provider) {
        let Prepared { context, held, stream_epoch, started } = prepared;
        let from = Arc::new(sender(open.user()));
        let id = start_id(open.id());
        let entry = Entry { channel: open.channel(), data: &started, from: &from, id: Some(&id), is_last: false };
        let begun = Instant::now();
        let position = match self.books.hub.append(&entry).await {
            Ok((position, is_duplicate)) => match self.over(&open, is_duplicate).await {
                Ok(None) => position,
                Ok(Some(data)) => {
                    self.books.close(&open).await;
                    return open.begun(Ok(data));
                }
                Err(error) => {
                    open.begun(Err(error));
                    return self.settle(open, held).await;
                }
            },
            Err(error) if matches!(error.code, ErrorCode::EngineUnavailable | ErrorCode::UnknownOutcome) => {
                // Whoever asks again with this id is told what became of it.
                open.begun(Err(if error.code == ErrorCode::UnknownOutcome { in_doubt() } else { error }));
                return self.settle(open, held).await;
            }
            Err(error) => {
                drop(held);
                let error = if error.code == ErrorCode::Conflict { conflict() } else { error };
                return self.refuse(&open, error).await;
            }
        };
        let data = AskClaudeData {
            run_id: open.id().to_string().into(),
            channel: open.channel().to_string().into(),
            epoch: position.map(|(epoch, _)| epoch.to_string().into()),
            offset: position.map(|(_, offset)| offset),
            stream: open.stream().to_string().into(),
            stream_epoch: stream_epoch.clone().into(),
        };
        open.begun(Ok(data));
        if let Some(Context { turns, is_cut, .. }) = context {
            question.messages.splice(0..0, turns);
            question.is_cut = is_cut;
        }
        tracing::info!(run = %open.id(), channel = %open.channel(), user = open.user(), model = open.model(), "claude: started");
        let run = Run { hub: self.books.hub.clone(), open: open.clone(), stream_epoch, held, from, begun };
        let stream = run.stream(provider.ask(question), &self.options, &self.books.counts);
        // That it has begun is kept meanwhile.
        let (outcome, ()) = tokio::join!(stream, self.books.note());
        outcome.count(&self.books.counts, open.model());
        let (status, usage) = (outcome.status.as_str(), outcome.usage.unwrap_or_default());
        let error = outcome.error.as_ref().map(|error| format!("{:?}", error.code));
        tracing::info!(
            run = %open.id(), channel = %open.channel(), status, error, ms = begun.elapsed().as_millis() as u64,
            input_tokens = usage.input_tokens, output_tokens = usage.output_tokens, request_id = outcome.request_id,
            "claude: finished"
        );
        run.finish(outcome).await;
        drop(run);
        self.books.close(&open).await;
    }

    /// The run to which a `started` belongs that was stored before, if that is over. If it is not, it is this one: nobody
    /// else has its id, and the engine has published twice for want of an answer.
    async fn over(&self, open: &OpenRun, is_duplicate: bool) -> Result<Option<AskClaudeData<'static>>, ErrorBody> {
        let hub = &self.books.hub;
        if is_duplicate
            && let Some((started, stored)) = lookup::started(hub, open.channel(), open.id()).await?
            && lookup::finished(hub, open.channel(), &started).await?.is_some()
        {
            return Ok(Some(lookup::data(open.channel(), &started, &stored)));
        }
        Ok(None)
    }

    /// Finds out whether a `started` was stored after all, or sees to it: then its run is interrupted.
    async fn settle(&self, open: Arc<OpenRun>, held: HeldStream) {
        tracing::warn!(run = %open.id(), channel = %open.channel(), "claude: whether a run has begun is not known yet");
        self.books.end(open, held).await;
    }
}
