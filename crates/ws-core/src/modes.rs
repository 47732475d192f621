//! Who may do something: a set of modes (CONFIG `[actions]`, `[channels]`, `[namespaces.*]`).

use std::fmt;

/// One way to be allowed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Every connection.
    Anyone,
    /// A connection with a user.
    Authenticated,
    /// A connection whose token grants it.
    Granted,
    /// A connection that is subscribed to the channel.
    Subscriber,
}

impl Mode {
    /// All of them.
    pub const ALL: [Mode; 4] = [Mode::Anyone, Mode::Authenticated, Mode::Granted, Mode::Subscriber];

    /// Its word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Mode::Anyone => "anyone",
            Mode::Authenticated => "authenticated",
            Mode::Granted => "granted",
            Mode::Subscriber => "subscriber",
        }
    }
}

/// Who may do something: a connection that meets any of these modes. Without a mode nobody may, only the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Access(u8);

impl Access {
    /// No connection, only the server.
    pub const NOBODY: Access = Access(0);
    /// Every connection.
    pub const ANYONE: Access = Access::of(Mode::Anyone);
    /// A connection with a user.
    pub const AUTHENTICATED: Access = Access::of(Mode::Authenticated);
    /// A connection whose token grants it.
    pub const GRANTED: Access = Access::of(Mode::Granted);
    /// A connection that is subscribed to the channel.
    pub const SUBSCRIBER: Access = Access::of(Mode::Subscriber);

    const fn of(mode: Mode) -> Self {
        Access(1 << mode as u8)
    }

    /// Those, and who meets this mode.
    #[must_use]
    pub const fn or(self, mode: Mode) -> Self {
        Access(self.0 | Access::of(mode).0)
    }

    /// Whether this mode suffices.
    pub const fn has(self, mode: Mode) -> bool {
        self.0 & Access::of(mode).0 != 0
    }

    /// Its modes, in the order of [`Mode::ALL`].
    pub fn modes(self) -> impl Iterator<Item = Mode> {
        Mode::ALL.into_iter().filter(move |mode| self.has(*mode))
    }

    /// Whether a token may help a connection that has none.
    pub const fn takes_token(self) -> bool {
        self.has(Mode::Authenticated) || self.has(Mode::Granted)
    }
}

/// As in the configuration, without quotes: `granted`, `[granted, subscriber]`, `nobody`.
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.modes().map(Mode::as_str).collect();
        match words.as_slice() {
            [] => f.write_str("nobody"),
            [word] => f.write_str(word),
            words => write!(f, "[{}]", words.join(", ")),
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_is_its_own_and_a_set_has_those_that_were_put_in() {
        for mode in Mode::ALL {
            let access = Access::NOBODY.or(mode);
            assert!(access.modes().eq([mode]), "{mode:?}");
            assert_eq!((access.to_string().as_str(), access.or(mode)), (mode.as_str(), access));
        }
        let access = Access::SUBSCRIBER.or(Mode::Granted);
        assert!(access.modes().eq([Mode::Granted, Mode::Subscriber]));
        assert_eq!((access.to_string(), Access::NOBODY.to_string()), ("[granted, subscriber]".into(), "nobody".into()));
        let takes = [access, Access::AUTHENTICATED, Access::SUBSCRIBER, Access::NOBODY].map(Access::takes_token);
        assert_eq!(takes, [true, true, false, false]);
    }
}
