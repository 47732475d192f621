//! The expiry of tokens, and what ends with them.

use ws_proto::event::{TokenExpiring, Unsubscribed};
use ws_proto::{CloseCode, ErrorCode};

use super::answer::append_event;
use super::login::{TokenExpiry, millis};
use super::state::Session;
use super::subscription_grant::SubscriptionGrant;
use crate::access::{Auth, Grants, Identity};

impl Session {
    /// Starts the auth deadline of the connection.
    pub(super) fn start_auth_deadline(&mut self, now_ms: u64) {
        let within_ms = millis(self.auth().authenticate_within);
        self.login.get_or_insert_default().authenticate_by_ms = Some(now_ms.saturating_add(within_ms));
        self.schedule();
    }

    /// Notes the expiry of the connection's new login token.
    pub(super) fn set_token(&mut self, identity: &Identity) {
        let (expires_at_ms, valid_until_ms) = (identity.expires_at_ms(), identity.valid_until_ms());
        if expires_at_ms.is_none() && self.login.is_none() {
            return;
        }
        let end =
            |(expires_at_ms, valid_until_ms)| TokenExpiry { expires_at_ms, valid_until_ms, client_notified: false };
        let login = self.login.get_or_insert_default();
        login.authenticate_by_ms = None;
        login.token = expires_at_ms.zip(valid_until_ms).map(end);
        self.schedule();
    }

    /// The connection has subscribed to a channel with a subscription token.
    pub(super) fn set_subscription_grant(&mut self, channel: &str, grant: SubscriptionGrant) {
        self.login.get_or_insert_default().subscription_grants.insert(channel.into(), grant);
        self.schedule();
    }

    /// The subscription to a channel has ended.
    pub(super) fn remove_subscription_grant(&mut self, channel: &str) {
        if let Some(login) = &mut self.login {
            login.subscription_grants.remove(channel);
        }
    }

    /// The grants of the subscription token for a channel.
    pub(super) fn subscription_grants(&self, channel: &str) -> Option<&Grants> {
        Some(self.login.as_ref()?.subscription_grants.get(channel)?.grants())
    }

    /// Does what is due: notifies the client of the login token's expiry, and ends what has expired.
    pub(super) fn check_tokens(&mut self, now_ms: u64, out: &mut Vec<u8>) {
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
            if end.client_notified || auth.expiry_notice.is_zero() {
                return self.end(CloseCode::TokenExpired);
            }
            end.client_notified = true;
            append_event(&TokenExpiring { expires_at: end.expires_at_ms }, out);
        }
        while let Some(channel) = self.login.as_mut().and_then(|login| login.take_expired(unix_ms)) {
            let reason = "the subscription token has expired; subscribe with a fresh one";
            self.revoke(&channel, ErrorCode::TokenExpired, reason, true, out);
        }
        self.schedule();
    }

    fn end(&mut self, code: CloseCode) {
        self.closing = Some(code);
        self.connection().close(code);
    }

    /// Ends a subscription that the client did not ask to end, and notifies the client. One that the server API has asked
    /// for stays, without what its token granted.
    pub(super) fn revoke(&mut self, channel: &str, code: ErrorCode, reason: &str, retryable: bool, out: &mut Vec<u8>) {
        self.remove_subscription_grant(channel);
        if self.membership.subscription(channel).is_some_and(|subscription| subscription.is_assigned()) {
            return;
        }
        if self.membership.unsubscribe(channel) {
            self.membership.shared().counters.revoked.add(1);
            let code = code.into();
            append_event(&Unsubscribed { channel: channel.into(), code, reason: reason.into(), retryable }, out);
            self.end_streams_of(channel, out);
        }
    }

    fn schedule(&self) {
        let login = self.login.as_ref();
        let by_ms = login.and_then(|login| login.authenticate_by_ms);
        self.connection().auth_state().set_deadlines(by_ms, login.and_then(|login| login.next_ms(self.auth())));
    }

    /// The time of day. Tokens are checked against it each time, so a clock that is set, or that advances while the
    /// machine sleeps, takes effect at once.
    pub(super) fn time_of_day(&self) -> u64 {
        self.membership.shared().clock.time_of_day()
    }

    pub(super) fn auth(&self) -> &Auth {
        &self.membership.shared().auth
    }
}
