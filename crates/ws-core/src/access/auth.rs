//! The rules by which connections authenticate (CONFIG `[auth]`).

use std::sync::Arc;
use std::time::Duration;

use ws_proto::{ErrorBody, ErrorCode};

use super::identity::{Authenticator, Claims, TokenError};

/// Why a token was rejected.
#[derive(Debug)]
pub(crate) struct TokenRejection {
    /// The error for its sender.
    pub(crate) error: ErrorBody,
    /// It names an unknown key: it may be valid after the keys have been renewed.
    pub(crate) has_unknown_key: bool,
}

impl From<TokenRejection> for ErrorBody {
    fn from(rejection: TokenRejection) -> Self {
        rejection.error
    }
}

/// The authentication rules of a hub.
#[derive(Debug, Clone)]
pub struct Auth {
    /// Checks tokens; `None`: there are no keys, so no token is valid.
    pub authenticator: Option<Arc<dyn Authenticator>>,
    /// Whether a connection may stay without a user.
    pub anonymous: bool,
    /// If it may not: the time it has to authenticate before it is closed with 4500.
    pub authenticate_within: Duration,
    /// How long before its token expires a connection is notified; zero: never.
    pub expiry_notice: Duration,
    /// How long after its token has ceased to be valid ([`Claims::valid_until_ms`]) it is closed with 4002.
    pub expiry_grace: Duration,
}

impl Auth {
    /// Every connection is anonymous.
    pub const fn none() -> Self {
        Auth {
            authenticator: None,
            anonymous: true,
            authenticate_within: Duration::ZERO,
            expiry_notice: Duration::ZERO,
            expiry_grace: Duration::ZERO,
        }
    }

    /// The claims of a token, checked at this time of day.
    fn check(&self, token: &str, unix_ms: u64) -> Result<Claims, TokenRejection> {
        let Some(authenticator) = &self.authenticator else {
            return Err(invalid(
                "this server has no keys to check tokens with; its operator configures them (auth.keys)",
            ));
        };
        authenticator.check(token, unix_ms).map_err(|error| {
            let has_unknown_key = matches!(error, TokenError::UnknownKey(_));
            TokenRejection { error: ErrorBody::new(ErrorCode::InvalidToken, error.to_string()), has_unknown_key }
        })
    }

    /// Fetches newer keys, and calls `done` afterwards.
    pub(crate) fn renew_keys(&self, done: Box<dyn FnOnce() + Send>) {
        match &self.authenticator {
            Some(authenticator) => authenticator.renew_keys(done),
            None => done(),
        }
    }

    /// The claims of a token that logs in, or that replaces the one `user` logged in with.
    ///
    /// # Errors
    /// `invalid_token`; `token_expired` if nothing else is wrong with it.
    pub(crate) fn log_in(&self, token: &str, user: Option<&str>, unix_ms: u64) -> Result<Claims, TokenRejection> {
        let claims = self.check(token, unix_ms)?;
        if claims.channel.is_some() {
            return Err(invalid("a subscription token cannot log in; send it with `subscribe`"));
        }
        if user.is_some_and(|user| user != claims.user) {
            return Err(invalid("the token is for another user; a connection keeps its user"));
        }
        if claims.has_expired(unix_ms) { Err(expired()) } else { Ok(claims) }
    }

    /// The claims of a token with which `user` subscribes to `channel`.
    ///
    /// # Errors
    /// `invalid_token`; `token_expired` if nothing else is wrong with it.
    pub(crate) fn subscribe(
        &self,
        token: &str,
        channel: &str,
        user: Option<&str>,
        unix_ms: u64,
    ) -> Result<Claims, TokenRejection> {
        let claims = self.check(token, unix_ms)?;
        match &claims.channel {
            None => Err(invalid("this is not a subscription token; send it with `authenticate`")),
            Some(named) if named != channel => Err(invalid("the subscription token is for another channel")),
            Some(_) if user != Some(&claims.user) => Err(invalid("the subscription token is for another user")),
            Some(_) if claims.has_expired(unix_ms) => Err(expired()),
            Some(_) => Ok(claims),
        }
    }
}

fn expired() -> TokenRejection {
    TokenRejection { error: ErrorBody::new(ErrorCode::TokenExpired, "the token has expired"), has_unknown_key: false }
}

fn invalid(message: &'static str) -> TokenRejection {
    TokenRejection { error: ErrorBody::new(ErrorCode::InvalidToken, message), has_unknown_key: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_700_000_000_000;

    /// A token is `user`, or `user/channel`; a token of the user `old` has expired.
    #[derive(Debug)]
    struct Plain;

    impl Authenticator for Plain {
        fn check(&self, token: &str, _: u64) -> Result<Claims, TokenError> {
            let (user, channel) = token.split_once('/').map_or((token, None), |(user, channel)| (user, Some(channel)));
            let (channel, valid_until_ms) = (channel.map(Into::into), (user == "old").then_some(1));
            match user {
                "" => Err(TokenError::Invalid("it is empty".to_owned())),
                _ => Ok(Claims { user: user.into(), channel, valid_until_ms, ..Claims::default() }),
            }
        }
    }

    fn auth() -> Auth {
        Auth { authenticator: Some(Arc::new(Plain)), ..Auth::none() }
    }

    #[test]
    fn logging_in() {
        let check = |token: &str, user: Option<&str>, expect: Result<&str, ErrorCode>| {
            let result =
                auth().log_in(token, user, NOW_MS).map(|claims| claims.user).map_err(|rejection| rejection.error.code);
            assert_eq!(result, expect.map(str::to_owned), "{token}");
        };
        check("ann", None, Ok("ann"));
        check("ann", Some("ann"), Ok("ann"));
        check("ann", Some("bob"), Err(ErrorCode::InvalidToken));
        check("", None, Err(ErrorCode::InvalidToken));
        check("old", None, Err(ErrorCode::TokenExpired));
        check("old", Some("ann"), Err(ErrorCode::InvalidToken));
        check("ann/a", None, Err(ErrorCode::InvalidToken));
        check("old/a", None, Err(ErrorCode::InvalidToken));
        assert_eq!(
            Auth::none().log_in("ann", None, NOW_MS).err().map(|rejection| rejection.error.code),
            Some(ErrorCode::InvalidToken)
        );
    }

    #[test]
    fn subscribing() {
        let check = |token: &str, user: Option<&str>, expect: Option<ErrorCode>| {
            let code = auth().subscribe(token, "a", user, NOW_MS).err().map(|rejection| rejection.error.code);
            assert_eq!(code, expect, "{token} {user:?}");
        };
        let invalid = Some(ErrorCode::InvalidToken);
        check("ann/a", Some("ann"), None);
        check("ann/a", Some("bob"), invalid);
        check("ann/a", None, invalid);
        check("ann/b", Some("ann"), invalid);
        check("ann", Some("ann"), invalid);
        check("old/a", Some("old"), Some(ErrorCode::TokenExpired));
        check("old/a", Some("ann"), invalid);
        check("old/b", Some("old"), invalid);
        check("old", Some("old"), invalid);
    }
}
