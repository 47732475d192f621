//! What a token says. One that names a key which is not at hand is held, once, until newer keys have been looked for.

use super::{Asked, Session, Stop};
use crate::auth::{Auth, Unfit};
use crate::engine::Pending;
use crate::identity::Claims;

impl Session {
    /// Checks a token that a frame brought.
    ///
    /// # Errors
    /// It does not do, or the frame has to be held.
    pub(super) fn claims(&mut self, check: impl Fn(&Auth) -> Result<Claims, Unfit>) -> Result<Claims, Stop> {
        let has_looked = match self.asked.take() {
            Some(Asked::Keys(keys)) if keys.take().is_none() => return Err(self.wait_for_keys(keys)),
            asked => matches!(asked, Some(Asked::Keys(_))),
        };
        match check(self.auth()) {
            Err(unfit) if unfit.has_unknown_key && !has_looked => {
                let keys = self.renew_keys();
                if keys.take().is_none() {
                    return Err(self.wait_for_keys(keys));
                }
                check(self.auth()).map_err(Stop::from)
            }
            checked => checked.map_err(Stop::from),
        }
    }

    fn wait_for_keys(&mut self, keys: Pending<()>) -> Stop {
        self.asked = Some(Asked::Keys(keys));
        Stop::Hold
    }

    fn renew_keys(&self) -> Pending<()> {
        let connection = self.connection().clone();
        let look = |done: crate::engine::Done<()>| self.auth().renew_keys(Box::new(move || done(Ok(()))));
        Pending::start(look, move || connection.wake())
    }
}
