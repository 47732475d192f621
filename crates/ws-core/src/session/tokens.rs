//! What becomes of tokens: how long each holds, and what ends with it.

use ws_proto::event::{TokenExpiring, Unsubscribed};
use ws_proto::{CloseCode, ErrorCode};

use super::answer::append_event;
use super::login::{End, millis};
use super::pass::Pass;
use super::state::Session;
use crate::access::{Auth, Grants, Identity};

impl Session {
    /// The connection has to authenticate in time.
    pub(super) fn expect_token(&mut self, now_ms: u64) {
        let within_ms = millis(self.auth().authenticate_within);
        self.login.get_or_insert_default().authenticate_by_ms = Some(now_ms.saturating_add(within_ms));
        self.schedule();
    }

    /// The connection has this identity from now on.
    pub(super) fn keep_token(&mut self, identity: &Identity) {
        if identity.expires_at_ms().is_none() && self.login.is_none() {
            return;
        }
        let end = |expires_at_ms| End { expires_at_ms, told: false };
        let login = self.login.get_or_insert_default();
        login.authenticate_by_ms = None;
        login.token = identity.expires_at_ms().map(end);
        self.schedule();
    }

    /// The connection has subscribed to a channel with a token of its own.
    pub(super) fn keep_pass(&mut self, channel: &str, pass: Pass) {
        self.login.get_or_insert_default().passes.insert(channel.into(), pass);
        self.schedule();
    }

    /// The subscription to a channel has ended.
    pub(super) fn forget_pass(&mut self, channel: &str) {
        self.login.iter_mut().for_each(|login| drop(login.passes.remove(channel)));
    }

    /// What the token grants that the connection subscribed to this channel with.
    pub(super) fn pass(&self, channel: &str) -> Option<&Grants> {
        Some(self.login.as_ref()?.passes.get(channel)?.grants())
    }

    /// Does what is due: tells of a token that runs out, ends what has run out.
    pub(super) fn look_at_tokens(&mut self, now_ms: u64, out: &mut Vec<u8>) {
        if !self.connection().auth_state().take_due() {
            return;
        }
        let unix_ms = self.time_of_day();
        let Some(login) = &mut self.login else { return };
        let auth = &self.membership.shared().auth;
        if login.authenticate_by_ms.is_some_and(|by_ms| by_ms <= now_ms) {
            return self.end(CloseCode::NotAuthenticated);
        }
        if let Some(end) = login.token.as_mut().filter(|end| end.next_ms(auth) <= unix_ms) {
            if end.told || auth.expiry_notice.is_zero() {
                return self.end(CloseCode::TokenExpired);
            }
            end.told = true;
            append_event(&TokenExpiring { expires_at: end.expires_at_ms }, out);
        }
        while let Some(channel) = self.login.as_mut().and_then(|login| login.take_ended(unix_ms)) {
            let reason = "the subscription token has expired; subscribe with a fresh one";
            self.revoke(&channel, ErrorCode::TokenExpired, reason, true, out);
        }
        self.schedule();
    }

    fn end(&mut self, code: CloseCode) {
        self.closing = Some(code);
        self.connection().close(code);
    }

    /// Ends a subscription that the client did not ask to end, and says so.
    pub(super) fn revoke(&mut self, channel: &str, code: ErrorCode, reason: &str, retryable: bool, out: &mut Vec<u8>) {
        self.forget_pass(channel);
        if self.membership.unsubscribe(channel) {
            self.membership.shared().counters.revoked.add(1);
            append_event(&Unsubscribed { channel: channel.into(), code, reason: reason.into(), retryable }, out);
        }
    }

    fn schedule(&self) {
        let login = self.login.as_ref();
        let by_ms = login.and_then(|login| login.authenticate_by_ms);
        self.connection().auth_state().look_at(by_ms, login.and_then(|login| login.next_ms(self.auth())));
    }

    /// The time of day: what holds for a token is judged by it at every look, so that a clock that is set, or goes on
    /// while the machine sleeps, counts at once.
    pub(super) fn time_of_day(&self) -> u64 {
        self.membership.shared().clock.time_of_day()
    }

    pub(super) fn auth(&self) -> &Auth {
        &self.membership.shared().auth
    }
}
