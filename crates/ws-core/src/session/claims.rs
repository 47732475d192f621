//! Checks tokens. A frame whose token names an unknown key is held once, until the keys have been renewed.

use ws_proto::Request;

use super::held::Held;
use super::state::{Session, Stop};
use crate::access::{Auth, Claims, TokenRejection};
use crate::engine::Done;
use crate::engine::pending::Pending;

impl Session {
    /// Checks a token that came with a frame.
    ///
    /// # Errors
    /// The token is rejected, or the frame has to be held.
    pub(super) fn claims(
        &mut self,
        request: &Request<'_>,
        check: impl Fn(&Auth) -> Result<Claims, TokenRejection>,
    ) -> Result<Claims, Stop> {
        match check(self.auth()) {
            Err(rejection) if rejection.has_unknown_key && !self.has_renewed_keys => {
                let keys = self.renew_keys();
                if keys.poll(|| self.waker()).is_none() {
                    return Err(Held::Keys(request.into(), keys).into());
                }
                check(self.auth()).map_err(Stop::from)
            }
            checked => checked.map_err(Stop::from),
        }
    }

    fn renew_keys(&self) -> Pending<()> {
        Pending::call(|done: Done<()>| self.auth().renew_keys(Box::new(move || done(Ok(())))))
    }
}
