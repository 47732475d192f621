//! The participant: takes requests, begins runs, and ends them all when the server ends.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use ws_core::{Ask, Clock, Entry, HeldStream, Hub, Reply, RunCounts, Runs};
use ws_proto::action::{AskClaude, AskClaudeData, CancelClaudeData};
use ws_proto::api::RunInfo;
use ws_proto::claude::{RunEvent, Started};
use ws_proto::{ErrorBody, ErrorCode};

use crate::asking::{digest, question};
use crate::context::{self, Context};
use crate::journal::{self, Journal};
use crate::limits::{DELIVERED_EVERY, DELIVERED_WITHIN};
use crate::lookup;
use crate::open::{Admitted, NewRun, OpenRun, OpenRuns, conflict};
use crate::options::RunOptions;
use crate::pieces::raw;
use crate::provider::Provider;
use crate::publish::{sender, start_id};
use crate::recovery;
use crate::run::Run;
use crate::upstream::Question;

/// Runs Claude for a hub. A cheap handle; the hub itself keeps none.
#[derive(Debug, Clone)]
pub struct Claude(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    me: Weak<Inner>,
    hub: Hub,
    /// `None`: there is no key.
    provider: Option<Arc<dyn Provider>>,
    options: RunOptions,
    open: OpenRuns,
    journal: Journal,
    counts: RunCounts,
}

impl Claude {
    /// Begins to run Claude for a hub. Runs that a server before this one has left open are known and held when this
    /// returns, and ended afterwards, `provider` or not. Call it before the hub is served.
    ///
    /// # Errors
    /// The engine cannot say which runs were left open.
    pub async fn start(hub: Hub, provider: Option<Arc<dyn Provider>>, options: RunOptions) -> Result<Self, ErrorBody> {
        let counts = RunCounts::new(options.models_allowed.iter().chain([&options.model]).map(String::as_str));
        let (open, journal) = (OpenRuns::default(), Journal::default());
        let inner = Arc::new_cyclic(|me| Inner { me: me.clone(), hub, provider, options, open, journal, counts });
        for noted in journal::left_open(&inner.hub).await? {
            inner.clone().adopt(noted);
        }
        let runs: Arc<dyn Runs> = inner.clone();
        inner.hub.set_runs(Arc::downgrade(&runs));
        Ok(Claude(inner))
    }

    /// Whether there is a key.
    pub fn has_provider(&self) -> bool {
        self.0.provider.is_some()
    }

    /// Begins no more runs, and ends all as `interrupted`. Waits until that is published, but not for longer than this.
    pub async fn drain(&self, within: Duration) {
        let inner = &self.0;
        inner.open.interrupt();
        let runs = inner.open.count();
        if runs == 0 {
            return;
        }
        tracing::info!(runs, "claude: interrupting all runs");
        if timeout(within, inner.open.none()).await.is_err() {
            let runs = inner.open.count();
            tracing::warn!(
                runs,
                "claude: the end of some runs is not published; the next start does that where it can"
            );
        }
        // Readers see the ends before they are told to go; who lags is not waited for.
        let is_delivered = async {
            while inner.hub.log_bytes() > 0 {
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
        if let Some(run) = self.open.get(&channel, &run_id) {
            let status = run.cancel();
            return reply(Ok(data(&run_id, status)));
        }
        let hub = self.hub.clone();
        tokio::spawn(async move {
            reply(match lookup::status(&hub, &channel, &run_id).await {
                Ok(Some(status)) => Ok(data(&run_id, status)),
                Ok(None) => Err(ErrorBody::new(ErrorCode::NotFound, "no run of this id is known in this channel")),
                Err(error) => Err(error),
            });
        });
    }

    fn open_in(&self, channel: &str) -> Vec<RunInfo> {
        self.open.infos(channel)
    }

    fn open(&self) -> usize {
        self.open.count()
    }

    fn counts(&self) -> &RunCounts {
        &self.counts
    }
}

/// A run that may begin: all but its `started` is done.
struct Prepared {
    context: Option<Context>,
    held: HeldStream,
    stream_epoch: String,
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
        let prepared = match self.prepare(&open, &request).await {
            Ok(prepared) => prepared,
            Err(error) => return self.refuse(&open, error).await,
        };
        self.announce(open, request, question, prepared, &*provider).await;
    }

    /// A request with its run's id, unless that has a run already: then this is answered with it, whatever may be asked now.
    async fn unless_known(&self, ask: Ask, reply: Reply<AskClaudeData<'static>>) -> Option<Asked> {
        let Some(id) = ask.request.run_id.as_deref().map(Arc::<str>::from) else {
            return Some((ask, uuid::Uuid::new_v4().to_string().into(), reply));
        };
        let (channel, digest): (Arc<str>, String) = (ask.request.channel.as_ref().into(), digest(&ask.request));
        let mut reply = self.open.find(&channel, &id, &digest, reply)?;
        if ask.options.has_history() {
            match lookup::started(&self.hub, &channel, &id).await {
                Ok(None) => {}
                Ok(Some((started, stored))) => {
                    // It may have begun meanwhile, and be open.
                    reply = self.open.find(&channel, &id, &digest, reply)?;
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
        match self.open.admit(new, &self.options, reply) {
            Admitted::New(open) => Some((open, request)),
            Admitted::Known => None,
        }
    }

    /// Nothing of a run was published.
    async fn refuse(&self, open: &Arc<OpenRun>, error: ErrorBody) {
        self.close(open).await;
        open.begun(Err(error));
    }

    async fn close(&self, open: &Arc<OpenRun>) {
        self.open.close(open);
        self.note().await;
    }

    /// Keeps which runs are open now. A note that is too old is found to be so by what the runs have published.
    async fn note(&self) {
        if let Err(error) = self.journal.note(&self.hub, &self.open).await {
            tracing::debug!(%error, "claude: which runs are open cannot be kept");
        }
    }

    async fn prepare(&self, open: &OpenRun, request: &AskClaude<'_>) -> Result<Prepared, ErrorBody> {
        let context = match request.context.unwrap_or_default() {
            0 => None,
            n => Some(context::collect(&self.hub, open.channel(), n, self.options.context_bytes_max).await?),
        };
        self.journal.note(&self.hub, &self.open).await?;
        let stream = open.stream();
        // An earlier run of this id: its stream is not continued.
        if self.hub.position(stream).await?.is_some_and(|(_, offset)| offset > 0) {
            if lookup::started(&self.hub, open.channel(), open.id()).await?.is_some() {
                let message = "a run of this id has come and gone meanwhile; ask again to be told of it";
                return Err(ErrorBody::new(ErrorCode::Overloaded, message));
            }
            self.hub.remove_history(stream).await?;
        }
        let held = self.hub.hold_stream(stream)?;
        let stream_epoch = self.hub.position(stream).await?.map(|(epoch, _)| epoch.to_string()).unwrap_or_default();
        Ok(Prepared { context, held, stream_epoch })
    }

    /// Publishes `started`, and runs.
    async fn announce(
        self: Arc<Self>,
        open: Arc<OpenRun>,
        request: AskClaude<'static>,
        mut question: Question,
        prepared: Prepared,
        provider: &dyn Provider,
    ) {
        let Prepared { context, held, stream_epoch } = prepared;
        let started = Started {
            run_id: open.id().to_string().into(),
            stream: open.stream().to_string().into(),
            stream_epoch: stream_epoch.clone().into(),
            model: question.model.clone().into(),
            prompt: request.prompt,
            messages: request.messages,
            context: context.as_ref().map(|context| context.taken),
            request_digest: Some(open.digest().to_owned().into()),
        };
        let from = Arc::new(sender(open.user()));
        let (data, id) = (raw(&RunEvent::Started(started)), start_id(open.id()));
        let entry = Entry { channel: open.channel(), data: &data, from: &from, id: Some(&id), is_last: false };
        let begun = Instant::now();
        let position = match self.hub.append(&entry).await {
            Ok((position, _)) => position,
            Err(error) if error.code == ErrorCode::EngineUnavailable => {
                open.begun(Err(error));
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
        let run = Run { hub: self.hub.clone(), open: open.clone(), stream_epoch, held, from, begun };
        let stream = run.stream(provider.ask(question), &self.options, &self.counts);
        // That it has begun is kept meanwhile.
        let (outcome, ()) = tokio::join!(stream, self.note());
        outcome.count(&self.counts, open.model());
        let (status, usage) = (outcome.status.as_str(), outcome.usage.unwrap_or_default());
        let error = outcome.error.as_ref().map(|error| format!("{:?}", error.code));
        tracing::info!(
            run = %open.id(), channel = %open.channel(), status, error, ms = begun.elapsed().as_millis() as u64,
            input_tokens = usage.input_tokens, output_tokens = usage.output_tokens, request_id = outcome.request_id,
            "claude: finished"
        );
        run.finish(outcome).await;
        drop(run);
        self.close(&open).await;
    }

    /// Finds out whether a `started` was stored after all: then its run is interrupted.
    async fn settle(&self, open: Arc<OpenRun>, held: HeldStream) {
        tracing::warn!(run = %open.id(), channel = %open.channel(), "claude: whether a run has begun is not known yet");
        if let Some(status) = recovery::end(&self.hub, &open, held).await {
            self.counts.ended(status).add(1);
        }
        self.close(&open).await;
    }

    /// Takes over a run that was left open, to end it.
    fn adopt(self: Arc<Self>, noted: crate::noted::Noted) {
        let left = noted.clone();
        let new = NewRun {
            channel: left.channel,
            id: left.run_id,
            key: recovery::nobody(),
            user: left.user,
            digest: String::new(),
            model: left.model,
            started_at: left.started_at,
        };
        let open = self.open.adopt(new, noted.has_begun);
        let held = match self.hub.hold_stream(open.stream()) {
            Ok(held) => held,
            Err(error) => {
                tracing::warn!(run = %open.id(), channel = %open.channel(), %error, "claude: a run that was left open cannot be ended");
                self.journal.keep(noted);
                return self.open.close(&open);
            }
        };
        tokio::spawn(async move {
            tracing::info!(run = %open.id(), channel = %open.channel(), "claude: ending a run that was left open");
            self.settle_left(open, held).await;
        });
    }

    async fn settle_left(&self, open: Arc<OpenRun>, held: HeldStream) {
        if let Some(status) = recovery::end(&self.hub, &open, held).await {
            self.counts.ended(status).add(1);
        }
        self.close(&open).await;
    }
}
