//! Answers to requests, and the login (docs/CLIENTS.md, "Connection").

use serde::Deserialize;
use serde_json::value::RawValue;
use ws_proto::action::{AuthenticateData, PublishData, SubscribeData};
use ws_proto::{ErrorBody, ErrorCode};

use super::link::{Flight, Kind, Login, Phase};
use super::output::{Ack, Answer, Output, Why};
use super::problem::{Cause, Problem};
use super::state::Machine;
use crate::position::Position;

impl Machine {
    /// The request with this id, which is answered now.
    fn landed(&mut self, id: &str) -> Option<Flight> {
        let number = id.parse::<u64>().ok().filter(|number| number.to_string() == id)?;
        self.flights.remove(&number)
    }

    pub(super) fn response(&mut self, id: &str, data: &RawValue) {
        let Some(flight) = self.landed(id) else { return };
        self.pace.answered(self.clock.t);
        let understood = match flight.kind {
            Kind::Authenticate { generation } => {
                read::<AuthenticateData<'_>>(data).map(|data| self.authenticated(generation, &data))
            }
            Kind::Subscribe { channel } => read::<SubscribeData<'_>>(data).map(|data| self.subscribed(&channel, &data)),
            Kind::Unsubscribe { channel } => {
                self.has_left(&channel);
                Some(())
            }
            Kind::Publish { msg_id } => read::<PublishData<'_>>(data).map(|data| self.published(&msg_id, ack(data))),
            Kind::Request { request } => {
                self.push(Output::Answer { request, answer: Answer::Data(data.to_owned()) });
                Some(())
            }
        };
        if understood.is_none() {
            self.fault(Cause::Frame);
        }
    }

    pub(super) fn refusal(&mut self, id: &str, error: &ErrorBody) {
        let Some(flight) = self.landed(id) else { return };
        let t = self.t();
        let by_rate = error.code == ErrorCode::RateLimited;
        if by_rate {
            self.pace.refused(t, flight.sent, error.retry_after_ms.unwrap_or(0));
        } else {
            self.pace.answered(t);
        }
        match flight.kind {
            Kind::Authenticate { generation } => self.login_refused(generation, error),
            Kind::Subscribe { channel } if by_rate || flight.is_void => self.subscribe_again(&channel),
            Kind::Subscribe { channel } => self.subscribe_refused(&channel, error),
            Kind::Unsubscribe { channel } if by_rate => self.unsubscribe_again(&channel),
            Kind::Unsubscribe { channel } => self.has_left(&channel),
            Kind::Publish { msg_id } => self.publish_refused(&msg_id, error),
            Kind::Request { request } => {
                let answer = Answer::Error(Problem::from(error));
                self.push(Output::Answer { request, answer });
            }
        }
    }

    fn authenticated(&mut self, generation: u64, data: &AuthenticateData<'_>) {
        if generation == self.token.generation || self.token.question.is_some() {
            self.token.expires = data.expires_at.or(self.token.expires);
        }
        // What was forced has served: the next one may be.
        self.link.iter_mut().for_each(|link| link.is_forced = false);
        if self.phase == Phase::Connected {
            self.was_remade = false;
            return self.succeed_logins();
        }
        self.connected(Some(data.user.clone().into_owned()));
    }

    fn login_refused(&mut self, generation: u64, error: &ErrorBody) {
        let t = self.t();
        let Some(link) = &mut self.link else { return };
        if self.phase == Phase::Connected {
            return self.refresh_refused(error);
        }
        if generation != self.token.generation && self.token.question.is_none() {
            // Another token has come in between.
            link.login = Login::Needed { not_before: t };
            return;
        }
        let renewable = match error.code {
            ErrorCode::TokenExpired => !link.is_forced,
            ErrorCode::InvalidToken => !link.is_forced && !link.is_fresh,
            _ => false,
        };
        if renewable && self.options.provider {
            (link.is_forced, link.login) = (true, Login::Asking);
            self.flights.values_mut().for_each(|flight| flight.is_void = true);
            self.token.is_stale = true;
            if self.token.question.is_none() {
                self.ask(Why::Expired, false);
            }
        } else if error.retryable {
            let wait = error.retry_after_ms.unwrap_or_else(|| self.backoff(0));
            self.flights.values_mut().for_each(|flight| flight.is_void = true);
            if let Some(link) = &mut self.link {
                link.login = Login::Needed { not_before: t + wait };
            }
        } else {
            self.finish(Some(Problem::from(error)));
        }
    }

    /// A token that was to take the place of another one on a connection that is logged in.
    fn refresh_refused(&mut self, error: &ErrorBody) {
        match error.code {
            // Once: a provider that gives it again would be asked as fast as the network allows.
            ErrorCode::TokenExpired if self.link.as_ref().is_some_and(|link| !link.is_forced) => {
                self.link.iter_mut().for_each(|link| link.is_forced = true);
                self.token.is_stale = true;
                if self.token.question.is_none() {
                    self.ask(Why::Expired, false);
                }
            }
            ErrorCode::InvalidToken if !self.was_remade => {
                self.was_remade = true;
                self.remake();
            }
            _ if error.retryable => {
                let wait = error.retry_after_ms.unwrap_or_else(|| self.backoff(0));
                self.token.ask_at = Some(self.t() + wait);
            }
            _ => self.finish(Some(Problem::from(error))),
        }
    }

    /// A drawn back-off.
    pub(super) fn backoff(&mut self, n: u32) -> u64 {
        let timers = &self.options.timers;
        self.random.backoff(n, timers.backoff_min, timers.backoff_max)
    }
}

fn read<'a, T: Deserialize<'a>>(data: &'a RawValue) -> Option<T> {
    serde_json::from_str(data.get()).ok()
}

fn ack(data: PublishData<'_>) -> Ack {
    let position = data.epoch.zip(data.offset).map(|(epoch, offset)| Position { epoch: epoch.into_owned(), offset });
    Ack { position, level: Some(data.ack), duplicate: data.duplicate }
}
