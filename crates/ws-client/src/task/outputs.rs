//! Carrying out what the machine says.

use std::sync::Arc;

use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::Task;
use super::happened::Happened;
use super::store::Job;
use crate::command::{ChannelStatus, Delivered};
use crate::machine::{Answer, End, Input, Output, Why};
use crate::publish::PublishError;
use crate::token::{Claims, TokenError, TokenProvider};
use crate::whole_ms::whole_ms;

const STORE_ENDED: &str = "the task of the store has ended";

impl Task {
    /// What a caller waited for and does not any more is dropped: nobody else cares.
    pub(super) fn carry_out(&mut self, output: Output) {
        match output {
            Output::Dial { attempt } => self.dial(attempt),
            Output::Drop { attempt, code } => self.drop_socket(attempt, code),
            Output::Send { text } => {
                if let Some((_, socket)) = &mut self.socket {
                    socket.writer.queue(text);
                }
            }
            Output::Ask { generation, why } => self.ask(generation, why),
            Output::AbortAsk { .. } => {
                if let Some(asking) = self.asking.take() {
                    asking.abort();
                }
            }
            Output::AskChannel { channel, generation } => self.ask_channel(channel, generation),
            Output::Deliver { reader, event, position } => {
                if let Some(reader) = self.readers.get(&reader) {
                    drop(reader.events.send(Delivered { event, position }));
                }
            }
            Output::Settle(settled) => self.settle(settled.msg_id, settled.end),
            Output::Answer { request, answer } => {
                if let Some(waiting) = self.answers.remove(&request) {
                    drop(waiting.send(match answer {
                        Answer::Data(data) => Ok(data.get().to_owned()),
                        Answer::Error(error) => Err(error),
                    }));
                }
            }
            Output::LoggedIn { login, error } => {
                if let Some(waiting) = self.logins.remove(&login) {
                    drop(waiting.send(error.map_or(Ok(()), Err)));
                }
            }
            Output::Notification { data } => self.listeners.retain_mut(|listener| listener.tell(&data)),
            Output::ReadPosition { channel, user } => self.read_position(channel, user),
            Output::Store { op, what } => self.store(Job::Work { op, what }),
            Output::Channel { channel, state, error } => {
                drop(self.channel(&channel).send_replace(ChannelStatus { state, error }));
            }
            Output::Pending { count } => drop(self.pending.send_replace(count)),
            Output::Status(status) => drop(self.status.send_replace(status)),
            Output::Closed { unsent } => self.unsent = Some(unsent),
        }
    }

    fn dial(&mut self, attempt: u64) {
        let (connecting, happened) = (self.connector.connect(self.connect_within), self.happened.clone());
        let task = tokio::spawn(async move {
            let result = connecting.await;
            drop(happened.send(Happened::Dialed { attempt, result }));
        });
        self.dialing = Some((attempt, task.abort_handle()));
    }

    fn drop_socket(&mut self, attempt: u64, code: Option<u16>) {
        if let Some((_, dialing)) = self.dialing.take_if(|(dialing, _)| *dialing == attempt) {
            dialing.abort();
        }
        if self.unsent.is_none()
            && let Some((_, socket)) = self.socket.take_if(|(open, _)| *open == attempt)
        {
            // It says goodbye by itself; a dead one is not waited for.
            if let Some(code) = code {
                tokio::spawn(socket.close(code, ""));
            }
        }
    }

    /// Runs a provider in a task of its own, so that a panic there is a throw.
    fn ask(&mut self, generation: u64, why: Why) {
        let Some(provider) = self.provider.clone() else { return };
        let asked = self.provide(provider, why, move |answer| match answer {
            Ok(token) => {
                let claims = token.as_deref().map(Claims::of).unwrap_or_default();
                let expires = claims.expires();
                Input::Token { generation, token, user: claims.sub, expires }
            }
            Err(error) => {
                let (denied, retry_after, message) = reasons(error);
                Input::TokenFailed { generation, denied, retry_after, message }
            }
        });
        self.asking = Some(asked);
    }

    fn ask_channel(&mut self, channel: String, generation: u64) {
        let Some(provider) = self.channel_tokens.get(&channel).cloned() else {
            let (retry_after, message) = (None, None);
            let gone = Input::ChannelTokenFailed { channel, generation, denied: false, retry_after, message };
            return drop(self.happened.send(Happened::Input(gone)));
        };
        self.provide(provider, Why::Connect, move |answer| match answer {
            Ok(Some(token)) => Input::ChannelToken { channel, generation, token },
            Ok(None) => {
                let message = Some("the provider gave no token for the channel".to_owned());
                Input::ChannelTokenFailed { channel, generation, denied: true, retry_after: None, message }
            }
            Err(error) => {
                let (denied, retry_after, message) = reasons(error);
                Input::ChannelTokenFailed { channel, generation, denied, retry_after, message }
            }
        });
    }

    fn provide(
        &self,
        provider: Arc<dyn TokenProvider>,
        why: Why,
        input: impl FnOnce(Result<Option<String>, TokenError>) -> Input + Send + 'static,
    ) -> AbortHandle {
        let (happened, within) = (self.happened.clone(), self.token_within);
        let asked = tokio::spawn(async move { timeout(within, provider.token(why)).await });
        let abort = asked.abort_handle();
        tokio::spawn(async move {
            let answer = match asked.await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(TokenError::retry(format!("the provider took longer than {within:?}"))),
                Err(error) if error.is_cancelled() => return,
                Err(_) => Err(TokenError::retry("the provider panicked")),
            };
            drop(happened.send(Happened::Input(input(answer))));
        });
        abort
    }

    fn settle(&mut self, msg_id: String, end: End) {
        let waiting = self.ends.remove(&msg_id).into_iter().flatten();
        match end {
            End::Acknowledged { ack } => waiting.for_each(|waiting| drop(waiting.send(Ok(ack.clone())))),
            End::Failed { error, entry, kept } => {
                let error = PublishError::from(&error);
                waiting.for_each(|waiting| drop(waiting.send(Err(error.clone()))));
                if !kept {
                    // A stream that nobody reads loses what does not fit.
                    self.lost.retain(|lost| !lost.is_closed());
                    self.lost.iter().for_each(|lost| drop(lost.try_send((entry.clone(), error.clone()))));
                }
            }
        }
    }

    fn store(&mut self, job: Job) {
        if let Some(Err(Job::Work { op, .. })) = self.store.as_ref().map(|store| store.queue(job)) {
            let message = Some(STORE_ENDED.to_owned());
            drop(self.happened.send(Happened::Input(Input::StoreFailed { op, message })));
        }
    }

    fn read_position(&mut self, channel: String, user: Option<String>) {
        let job = Job::Position { user, channel };
        let unsent = match &self.store {
            Some(store) => store.queue(job).err(),
            None => Some(job),
        };
        if let Some(Job::Position { user, channel }) = unsent {
            let message = Some(STORE_ENDED.to_owned());
            drop(self.happened.send(Happened::Input(Input::PositionFailed { channel, user, message })));
        }
    }
}

fn reasons(error: TokenError) -> (bool, Option<u64>, Option<String>) {
    match error {
        TokenError::Denied(message) => (true, None, Some(message)),
        TokenError::Retry { message, after } => (false, after.map(whole_ms), Some(message)),
    }
}
