//! Checks tokens, so many a second. A frame whose token names an unknown key is held once, until the keys have been
//! renewed.

use ws_proto::action::{ActionName, Subscribe};
use ws_proto::{ErrorBody, ErrorCode, Request};

use super::held::Held;
use super::refused::Refused;
use super::state::{Session, Stop};
use crate::access::{Auth, Claims, TokenRejection};
use crate::engine::Done;
use crate::engine::pending::Pending;

impl Session {
    /// Checks a token that came with a frame.
    ///
    /// # Errors
    /// There were too many checks, the token is rejected, or the frame has to be held.
    pub(super) fn claims(
        &mut self,
        request: &Request<'_>,
        check: impl Fn(&Auth) -> Result<Claims, TokenRejection>,
    ) -> Result<Claims, Stop> {
        if !self.has_renewed_keys {
            self.take_token_check()?;
        }
        let mut checked = check(self.auth());
        if !self.has_renewed_keys && checked.as_ref().is_err_and(|rejection| rejection.has_unknown_key) {
            let keys = self.renew_keys();
            if keys.poll(|| self.waker()).is_none() {
                return Err(Held::Keys(request.into(), keys).into());
            }
            checked = check(self.auth());
        }
        self.has_bad_token = checked.as_ref().is_err_and(|rejection| rejection.error.code == ErrorCode::InvalidToken);
        checked.map_err(|rejection| {
            let (connection, request, error) = (self.connection().id(), request.id.text(), &*rejection.error.message);
            tracing::debug!(%connection, request = &*request, error, "a token was refused");
            rejection.into()
        })
    }

    /// Takes one check from the rate: a signature costs processor time, also that of a valid token.
    fn take_token_check(&mut self) -> Result<(), Stop> {
        let shared = self.membership.shared();
        match shared.token_rate.take(self.token_bucket, shared.clock.now_ms()) {
            Ok(bucket) => {
                self.token_bucket = bucket;
                Ok(())
            }
            Err(wait_ms) => {
                let message = "this connection has more tokens checked than it may (limits.token_checks_per_second)";
                let error = ErrorBody::rate_limited(message, wait_ms);
                Err(Stop::Refused(if self.has_bad_token { Refused::guess(error) } else { error.into() }))
            }
        }
    }

    /// What a request over the rate of all requests counts as.
    pub(super) fn too_fast(&self, request: &Request<'_>, error: ErrorBody) -> Refused {
        let has_token = || match ActionName::from_name(&request.action) {
            Some(ActionName::Authenticate) => true,
            Some(ActionName::Subscribe) => {
                request.payload::<Subscribe<'_>>().is_ok_and(|payload| payload.token.is_some())
            }
            _ => false,
        };
        if self.has_bad_token && has_token() { Refused::guess(error) } else { error.into() }
    }

    fn renew_keys(&self) -> Pending<()> {
        Pending::call(|done: Done<()>| self.auth().renew_keys(Box::new(move || done(Ok(())))))
    }
}
