//! Asking Claude: what is checked before whoever runs it is asked. The caller has checked the rights.

use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::Poll;

use tokio::runtime::Handle;
use ws_proto::action::{AskClaude, AskClaudeData, CancelClaude, CancelClaudeData, MessageRole};
use ws_proto::api::OpenRuns;
use ws_proto::claude::RunStatus;
use ws_proto::{ErrorBody, ErrorCode, run_id_mistake};

use super::error::unavailable;
use super::shared::Shared;
use crate::cluster::Question;
use crate::engine::pending::Pending;
use crate::options::ChannelOptions;
use crate::runs::{Ask, Asker, Reply, Runs};

/// The answer to a request about a run.
pub(crate) type Asked<T> = Pending<Result<T, ErrorBody>>;

impl Shared {
    /// Asks. The fields of the request are [checked](check_ask).
    ///
    /// # Errors
    /// `not_available`.
    pub(crate) fn ask_claude(
        &self,
        request: AskClaude<'static>,
        options: &Arc<ChannelOptions>,
        asker: Asker,
    ) -> Result<Asked<AskClaudeData<'static>>, ErrorBody> {
        let runs = self.runs_in(options)?;
        let ask = Ask { request, options: options.clone(), asker };
        Ok(Pending::call(|done| runs.ask(ask, Box::new(move |result| done(Ok(result))))))
    }

    /// Cancels, on whatever server the run is. The fields of the request are [checked](check_cancel).
    ///
    /// # Errors
    /// `not_available`.
    pub(crate) fn cancel_claude(
        self: &Arc<Self>,
        request: &CancelClaude<'_>,
        options: &ChannelOptions,
    ) -> Result<Asked<CancelClaudeData<'static>>, ErrorBody> {
        let runs = self.runs_in(options)?;
        let (channel, run_id) = (&*request.channel, &*request.run_id);
        let elsewhere = self.asking.has_others().then(|| {
            let question = Question::CancelRun { channel: channel.to_owned().into(), run_id: run_id.to_owned().into() };
            (Handle::current(), self.clone(), question, run_id.to_owned())
        });
        Ok(Pending::call(|done| {
            let reply = move |result| match (result, elsewhere) {
                (Err(none), Some((runtime, shared, question, run_id))) if is_not_found(&none) => {
                    drop(runtime.spawn(async move {
                        let status = shared.asking.one(&question).await.and_then(|status| status.ok_or(none));
                        done(Ok(status.map(|status| CancelClaudeData { run_id: run_id.into(), status })));
                    }));
                }
                (result, _) => done(Ok(result)),
            };
            runs.cancel(channel, run_id, Box::new(reply));
        }))
    }

    /// Cancels a run of this server, or says how it ended.
    ///
    /// # Errors
    /// `not_found`, and those of [`Runs::cancel`].
    pub(crate) async fn cancel_own(&self, channel: &str, run_id: &str) -> Result<RunStatus, ErrorBody> {
        let runs = self.runs().ok_or_else(no_run)?;
        replied(|reply| runs.cancel(channel, run_id, reply)).await.map(|data| data.status)
    }

    /// A run that is open on this server, for a request with this digest.
    ///
    /// # Errors
    /// `not_found`, and those of [`Runs::find`].
    pub(crate) async fn find_own_run(
        &self,
        channel: &str,
        run_id: &str,
        digest: &str,
    ) -> Result<AskClaudeData<'static>, ErrorBody> {
        let runs = self.runs().ok_or_else(no_run)?;
        replied(|reply| runs.find(channel, run_id, digest, reply)).await
    }

    /// The open runs of this server in a channel.
    pub(crate) fn open_runs(&self, channel: &str) -> OpenRuns {
        OpenRuns { runs: self.runs().map(|runs| runs.open_in(channel)).unwrap_or_default() }
    }

    /// Who runs Claude.
    pub(crate) fn runs(&self) -> Option<Arc<dyn Runs>> {
        self.runs.get().and_then(Weak::upgrade)
    }

    fn runs_in(&self, options: &ChannelOptions) -> Result<Arc<dyn Runs>, ErrorBody> {
        let off = |message: &'static str| ErrorBody::new(ErrorCode::NotAvailable, message);
        if !options.claude {
            return Err(off("Claude cannot be asked in this channel (`claude = false` in its namespace)"));
        }
        self.runs().ok_or_else(|| off("this server does not run Claude"))
    }
}

fn no_run() -> ErrorBody {
    ErrorBody::new(ErrorCode::NotFound, "no run of this id is known in this channel")
}

/// The answer to a call.
async fn replied<T: Send + 'static>(call: impl FnOnce(Reply<T>)) -> Result<T, ErrorBody> {
    let asked = Asked::call(|done| call(Box::new(move |result| done(Ok(result)))));
    let result = poll_fn(|cx| asked.poll(|| cx.waker().clone()).map_or(Poll::Pending, Poll::Ready)).await;
    result.map_err(|error| unavailable(&error))?
}

fn is_not_found(error: &ErrorBody) -> bool {
    error.code == ErrorCode::NotFound
}

/// Checks the fields of a request but for the channel's name (PROTOCOL section 8).
///
/// # Errors
/// `invalid_payload`.
pub(crate) fn check_ask(ask: &AskClaude<'_>) -> Result<(), ErrorBody> {
    check_run_id(ask.run_id.as_deref())?;
    match (&ask.prompt, &ask.messages) {
        (None, None) => return Err(invalid("prompt", "is missing: send it, or `payload.messages`")),
        (Some(_), Some(_)) => return Err(invalid("prompt", "and `payload.messages` exclude each other")),
        (Some(prompt), None) => check_text("prompt", prompt)?,
        (None, Some(messages)) => {
            let roles = messages.iter().map(|message| message.role);
            let turns = [MessageRole::User, MessageRole::Assistant].into_iter().cycle();
            if messages.len() % 2 == 0 || !roles.eq(turns.take(messages.len())) {
                return Err(invalid("messages", "must begin and end with `user`, and alternate"));
            }
            for (at, message) in messages.iter().enumerate() {
                check_text(&format!("messages[{at}].content"), &message.content)?;
            }
            if ask.context.is_some_and(|context| context > 0) {
                return Err(invalid("context", "and `payload.messages` exclude each other"));
            }
        }
    }
    ask.system.as_deref().map_or(Ok(()), |system| check_text("system", system))?;
    for (field, text) in [("model", &ask.model), ("effort", &ask.effort)] {
        text.as_deref().map_or(Ok(()), |text| check_text(field, text))?;
    }
    if ask.max_tokens == Some(0) {
        return Err(invalid("max_tokens", "must be at least 1"));
    }
    Ok(())
}

/// Checks the id of a run.
///
/// # Errors
/// `invalid_payload`.
pub(crate) fn check_run_id(run_id: Option<&str>) -> Result<(), ErrorBody> {
    run_id.and_then(run_id_mistake).map_or(Ok(()), |mistake| Err(invalid("run_id", &mistake)))
}

fn check_text(field: &str, text: &str) -> Result<(), ErrorBody> {
    if text.chars().all(char::is_whitespace) { Err(invalid(field, "is empty, or white space alone")) } else { Ok(()) }
}

fn invalid(field: &str, mistake: &str) -> ErrorBody {
    ErrorBody::new(ErrorCode::InvalidPayload, format!("`payload.{field}` {mistake}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(payload: &str, expect: Option<&str>) {
        let ask: AskClaude<'_> = serde_json::from_str(payload).expect("it decodes");
        let found = check_ask(&ask).err();
        assert!(found.iter().all(|error| error.code == ErrorCode::InvalidPayload));
        let field = |error: ErrorBody| error.message.split('`').nth(1).unwrap_or_default().to_owned();
        assert_eq!(found.map(field).as_deref(), expect.map(|field| format!("payload.{field}")).as_deref(), "{payload}");
    }

    #[test]
    fn what_may_be_asked() {
        let of = |fields: &str| format!(r#"{{"channel":"a",{fields}}}"#);
        check(&of(r#""prompt":"hi""#), None);
        check(&of(r#""prompt":" hi ","run_id":"a-B_9","context":3,"max_tokens":1"#), None);
        check(&of(r#""messages":[{"role":"user","content":"hi"}],"context":0"#), None);
        let three = r#"{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}"#;
        check(&of(&format!(r#""messages":[{three}]"#)), None);
        check(r#"{"channel":"a"}"#, Some("prompt"));
        check(&of(r#""prompt":"hi","messages":[{"role":"user","content":"hi"}]"#), Some("prompt"));
        for blank in ["", " ", r"\n\t", r"\u3000\u00a0"] {
            check(&of(&format!(r#""prompt":"{blank}""#)), Some("prompt"));
            check(&of(&format!(r#""prompt":"hi","system":"{blank}""#)), Some("system"));
            let messages = format!(r#""messages":[{{"role":"user","content":"{blank}"}}]"#);
            check(&of(&messages), Some("messages[0].content"));
        }
        check(&of(r#""messages":[]"#), Some("messages"));
        check(&of(r#""messages":[{"role":"assistant","content":"a"}]"#), Some("messages"));
        let (user, model) = (r#"{"role":"user","content":"a"}"#, r#"{"role":"assistant","content":"b"}"#);
        for turns in [format!("{user},{model}"), format!("{user},{user}"), format!("{user},{user},{user}")] {
            check(&of(&format!(r#""messages":[{turns}]"#)), Some("messages"));
        }
        check(&of(&format!(r#""messages":[{user}],"context":1"#)), Some("context"));
        check(&of(r#""prompt":"hi","run_id":"""#), Some("run_id"));
        check(&of(r#""prompt":"hi","run_id":"a/b""#), Some("run_id"));
        check(&of(r#""prompt":"hi","max_tokens":0"#), Some("max_tokens"));
        check(&of(r#""prompt":"hi","effort":"""#), Some("effort"));
    }
}
