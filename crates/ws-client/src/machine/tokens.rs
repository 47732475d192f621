//! The token provider: one question at a time (docs/CLIENTS.md, "Token").

use super::link::{Login, Phase, Question};
use super::output::{Output, Why};
use super::problem::{Kind, Problem};
use super::state::Machine;

/// Waits after a provider that threw, in ms.
const THROW_MIN: u64 = 1_000;
const THROW_MAX: u64 = 30_000;

impl Machine {
    pub(super) fn ask(&mut self, why: Why, is_login: bool) {
        self.abort_question();
        self.token.generation += 1;
        self.token.ask_at = None;
        let (generation, answer_by) = (self.token.generation, self.t() + self.options.timers.token);
        self.token.question = Some(Question { answer_by, is_login });
        self.push(Output::Ask { generation, why });
    }

    pub(super) fn abort_question(&mut self) {
        if self.token.question.take().is_some() {
            let generation = self.token.generation;
            self.push(Output::AbortAsk { generation });
        }
    }

    pub(super) fn login(&mut self, login: u64) {
        if !self.options.provider || self.closing.is_some() {
            let kind = if self.options.provider { Kind::Closed } else { Kind::Denied };
            return self.push(Output::LoggedIn { login, error: Some(Problem::new(kind)) });
        }
        self.token.logins.push(login);
        if matches!(self.phase, Phase::Idle | Phase::Waiting { .. }) {
            self.phase = Phase::Asking;
            self.open_store_once();
        }
        self.ask(Why::Connect, true);
    }

    pub(super) fn token_given(
        &mut self,
        generation: u64,
        token: Option<String>,
        user: Option<String>,
        expires: Option<u64>,
    ) {
        if self.token.generation != generation {
            return;
        }
        let Some(question) = self.token.question.take() else { return };
        let changes = self.changes_user(token.as_ref(), user.as_ref(), question.is_login);
        let is_anonymous = token.is_none();
        self.token.value = Some(token);
        (self.token.user, self.token.expires) = (user, expires);
        (self.token.is_stale, self.token.is_new, self.token.throws) = (false, true, 0);
        match self.phase {
            Phase::Asking => self.dial(true),
            Phase::Dialing if changes || is_anonymous || question.is_login => self.remake(),
            Phase::Dialing => self.log_in_again(),
            Phase::Connected if changes => self.remake(),
            Phase::Connected if is_anonymous => self.succeed_logins(),
            Phase::Connected => {
                if let Some(link) = &mut self.link {
                    link.refresh = true;
                }
            }
            Phase::Idle | Phase::Waiting { .. } | Phase::Closed => {}
        }
    }

    /// Whether this token is somebody else's than the connection.
    fn changes_user(&self, token: Option<&String>, user: Option<&String>, is_login: bool) -> bool {
        let Some(Some(before)) = self.user.as_ref().filter(|_| self.phase == Phase::Connected) else {
            // An anonymous connection becomes somebody's by a new one.
            return self.phase == Phase::Connected && token.is_some();
        };
        match (token, user) {
            (None, _) => true,
            (Some(_), Some(user)) => user != before,
            (Some(_), None) => is_login && self.token.user.is_some(),
        }
    }

    /// A token came during an attempt.
    fn log_in_again(&mut self) {
        let t = self.t();
        if let Some(link) = &mut self.link {
            link.is_fresh = true;
            if link.login == Login::Asking {
                link.login = Login::Needed { not_before: t };
            } else if link.login == Login::Sent {
                link.refresh = true;
            }
        }
    }

    pub(super) fn token_failed(
        &mut self,
        generation: u64,
        denied: bool,
        retry_after: Option<u64>,
        message: Option<String>,
    ) {
        if self.token.generation != generation {
            return;
        }
        let Some(question) = self.token.question.take() else { return };
        let error = Problem::with_message(if denied { Kind::Denied } else { Kind::Token }, message);
        if question.is_login {
            self.end_logins(Some(&error));
        } else if denied {
            return self.finish(Some(error));
        }
        let is_needed = self.link.as_ref().is_some_and(|link| link.login == Login::Asking);
        match self.phase {
            Phase::Asking => {
                self.error = Some(error);
                self.wait(retry_after.unwrap_or(0));
            }
            Phase::Dialing if is_needed => {
                self.drop_link(Some(1_000));
                self.error = Some(error);
                self.wait(retry_after.unwrap_or(0));
            }
            Phase::Connected if !question.is_login || self.token.is_stale => {
                let drawn = self.random.backoff(self.token.throws, THROW_MIN, THROW_MAX);
                self.token.throws += 1;
                self.token.ask_at = Some(self.t() + retry_after.unwrap_or(drawn.max(THROW_MIN)));
            }
            _ => {}
        }
    }

    pub(super) fn token_tick(&mut self) {
        let t = self.t();
        if self.token.question.as_ref().is_some_and(|question| question.answer_by <= t) {
            let generation = self.token.generation;
            self.push(Output::AbortAsk { generation });
            self.token_failed(generation, false, None, None);
        }
        if self.token.ask_at.is_some_and(|at| at <= t) {
            self.token.ask_at = None;
            if matches!(self.phase, Phase::Dialing | Phase::Connected) && self.token.question.is_none() {
                self.ask(if self.token.is_stale { Why::Expired } else { Why::Expiring }, false);
            }
        }
    }

    /// The token of the last question is in use.
    pub(super) fn succeed_logins(&mut self) {
        if self.token.question.as_ref().is_none_or(|question| !question.is_login) {
            self.end_logins(None);
        }
    }

    pub(super) fn fail_logins(&mut self) {
        self.end_logins(Some(&Problem::new(Kind::Closed)));
    }

    fn end_logins(&mut self, error: Option<&Problem>) {
        for login in std::mem::take(&mut self.token.logins) {
            self.push(Output::LoggedIn { login, error: error.cloned() });
        }
    }
}
