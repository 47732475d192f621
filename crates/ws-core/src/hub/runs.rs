//! Claude: who runs it is set here, and asked by callers without a connection. The caller has checked the rights.

use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::Poll;

use ws_proto::action::{AskClaude, AskClaudeData, CancelClaude, CancelClaudeData};
use ws_proto::api::OpenRuns;
use ws_proto::{ChannelName, ErrorBody, ErrorCode};

use super::handle::Hub;
use crate::cluster::Question;
use crate::options::{ChannelOptions, Hold};
use crate::runs::{Asker, Runs};
use crate::state::{Asked, Shared, check_ask, check_run_id, unavailable};

/// A stream whose run is open: nothing of it expires, and its epoch stays. Ends when it is dropped.
#[derive(Debug)]
pub struct HeldStream {
    shared: Arc<Shared>,
    name: Box<str>,
    options: Arc<ChannelOptions>,
}

impl Hub {
    /// Sets who runs Claude from now on; only the first one counts. The hub does not keep it alive.
    pub fn set_runs(&self, runs: Weak<dyn Runs>) {
        // A second one is a mistake of the wiring, and changes nothing.
        let _ = self.shared.runs.set(runs);
    }

    /// Who runs Claude, if anybody does.
    pub fn runs(&self) -> Option<Arc<dyn Runs>> {
        self.shared.runs()
    }

    /// Asks Claude. Answered when `started` is published.
    ///
    /// # Errors
    /// `invalid_payload`, `invalid_channel`, `unknown_namespace`, `not_available`, and those of [`Runs::ask`].
    pub async fn ask_claude(&self, request: AskClaude<'_>, asker: Asker) -> Result<AskClaudeData<'static>, ErrorBody> {
        check_ask(&request)?;
        let options = self.shared.channel_options(ChannelName::parse_asking(&request.channel)?)?;
        answer(self.shared.ask_claude(request.into_owned(), &options, asker)?).await
    }

    /// Ends a run, on whatever server it is, or says how it ended.
    ///
    /// # Errors
    /// `invalid_payload`, `invalid_channel`, `unknown_namespace`, `not_available`, those of [`Runs::cancel`];
    /// `engine_unavailable`, `overloaded`: another server that may have it does not say.
    pub async fn cancel_claude(&self, request: &CancelClaude<'_>) -> Result<CancelClaudeData<'static>, ErrorBody> {
        check_run_id(Some(&request.run_id))?;
        let options = self.shared.channel_options(ChannelName::parse_asking(&request.channel)?)?;
        answer(self.shared.cancel_claude(request, &options)?).await
    }

    /// The open runs of a channel, on all servers, in the order in which they began.
    ///
    /// # Errors
    /// `invalid_channel`, `unknown_namespace`; `engine_unavailable`, `overloaded`.
    pub async fn open_runs(&self, channel: &str) -> Result<OpenRuns, ErrorBody> {
        self.shared.channel_options(ChannelName::parse_asking(channel)?)?;
        let others: Vec<OpenRuns> = self.shared.asking.all(&Question::Runs { channel: channel.into() }).await?;
        let OpenRuns { mut runs } = self.shared.open_runs(channel);
        runs.extend(others.into_iter().flat_map(|others| others.runs));
        runs.sort_by_key(|run| run.started_at);
        Ok(OpenRuns { runs })
    }

    /// The run of this id that another server has open, for a request with this digest; `None`: none has.
    ///
    /// # Errors
    /// Those of [`Runs::find`]; `engine_unavailable`, `overloaded`: another server that may have it does not say.
    pub async fn run_elsewhere(
        &self,
        channel: &str,
        run_id: &str,
        digest: &str,
    ) -> Result<Option<AskClaudeData<'static>>, ErrorBody> {
        let question = Question::Run { channel: channel.into(), run_id: run_id.into(), digest: digest.into() };
        self.shared.asking.one(&question).await
    }

    /// Whether this is the stream of a run that another server has open.
    ///
    /// # Errors
    /// `engine_unavailable`, `overloaded`: another server that may have it does not say.
    pub(super) async fn is_streamed_elsewhere(&self, name: ChannelName<'_>) -> Result<bool, ErrorBody> {
        let Some(stream) = name.stream() else { return Ok(false) };
        // Whatever was asked for, it was not this: who has the run says so by a conflict.
        match self.run_elsewhere(stream.channel.as_str(), stream.run_id, "").await {
            Ok(found) => Ok(found.is_some()),
            Err(error) if error.code == ErrorCode::Conflict => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Holds a stream while its run is open.
    ///
    /// # Errors
    /// `invalid_channel`, `unknown_namespace`.
    pub fn hold_stream(&self, name: &str) -> Result<HeldStream, ErrorBody> {
        let options = self.shared.channel_options(ChannelName::parse(name)?)?;
        // Without it, an engine may forget the epoch of a stream in which nothing was published yet.
        self.shared.engine.interest(name, true);
        let stream = HeldStream { shared: self.shared.clone(), name: name.into(), options };
        stream.set(true);
        Ok(stream)
    }
}

impl HeldStream {
    fn set(&self, is_on: bool) {
        self.options.hold.iter().map(Arc::as_ref).for_each(|hold: &Hold| hold.set(is_on));
    }

    /// The run is about to end: what is published from now on has the age that counts.
    pub fn release(&self) {
        self.set(false);
    }
}

impl Drop for HeldStream {
    fn drop(&mut self) {
        self.release();
        self.shared.engine.interest(&self.name, false);
    }
}

async fn answer<T: Send + 'static>(asked: Asked<T>) -> Result<T, ErrorBody> {
    let result = poll_fn(|cx| asked.poll(|| cx.waker().clone()).map_or(Poll::Pending, Poll::Ready)).await;
    result.map_err(|error| unavailable(&error))?
}
