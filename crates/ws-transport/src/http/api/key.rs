//! The keys of the API: who asks, and what it may do.

use std::fmt;

use hyper::header::{AUTHORIZATION, HeaderMap};
use subtle::ConstantTimeEq;
use ws_proto::{ErrorBody, ErrorCode};

use crate::http::token;

const HEADER: &str = "x-api-key";

/// What a key may do. Each includes the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApiRights {
    /// Whatever changes nothing.
    Read,
    /// Publish in channels and broadcast.
    Publish,
    /// Everything.
    Admin,
}

impl ApiRights {
    const fn as_str(self) -> &'static str {
        match self {
            ApiRights::Read => "read",
            ApiRights::Publish => "publish",
            ApiRights::Admin => "admin",
        }
    }
}

/// A key of the HTTP API.
#[derive(Clone)]
pub struct ApiKey {
    name: Box<str>,
    rights: ApiRights,
    key: Box<[u8]>,
}

/// Without the key itself.
impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("name", &self.name).field("rights", &self.rights).finish_non_exhaustive()
    }
}

impl ApiKey {
    /// `name`: for the log. `key`: what requests have to present.
    pub fn new(name: &str, rights: ApiRights, key: &[u8]) -> Self {
        ApiKey { name: name.into(), rights, key: key.into() }
    }

    /// For the log.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it may do.
    pub fn rights(&self) -> ApiRights {
        self.rights
    }

    /// # Errors
    /// `permission_denied` unless it includes `needed`.
    pub(super) fn check(&self, needed: ApiRights) -> Result<(), ErrorBody> {
        if self.rights >= needed {
            return Ok(());
        }
        let (has, needs) = (self.rights.as_str(), needed.as_str());
        let message = format!("this API key has the right {has:?}, and this request needs {needs:?}");
        Err(ErrorBody::new(ErrorCode::PermissionDenied, message))
    }
}

/// The key that a request presents, in `Authorization: Bearer` or in `X-API-Key`. The time that this takes depends on
/// the number and the lengths of the keys, and on nothing else.
///
/// # Errors
/// `not_available` where there are no keys; `unauthenticated` for a request without a key, and with an unknown one.
pub(super) fn authenticate<'a>(keys: &'a [ApiKey], headers: &HeaderMap) -> Result<&'a ApiKey, ErrorBody> {
    if keys.is_empty() {
        let message = "the HTTP API is off: start the server with --api-key KEY (or WS_SERVER_API_KEY, or `[api] key`)";
        return Err(ErrorBody::new(ErrorCode::NotAvailable, message));
    }
    let refused = |message| ErrorBody::new(ErrorCode::Unauthenticated, message);
    let presented = headers.get(HEADER).map(|key| key.as_bytes());
    let presented =
        presented.or_else(|| headers.get_all(AUTHORIZATION).iter().find_map(token::bearer).map(str::as_bytes));
    let presented =
        presented.ok_or_else(|| refused("no API key: send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`"))?;
    let mut found = None;
    for key in keys {
        if bool::from(key.key.ct_eq(presented)) {
            found = Some(key);
        }
    }
    found.ok_or_else(|| refused("unknown API key"))
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    #[track_caller]
    fn check(header: Option<(&str, &str)>, expect: Result<&str, ErrorCode>) {
        let keys = [("a", ApiRights::Read, "one"), ("b", ApiRights::Admin, "two")];
        let keys = keys.map(|(name, rights, key)| ApiKey::new(name, rights, key.as_bytes()));
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.append(HeaderName::try_from(name).expect("a name"), HeaderValue::from_str(value).expect("a value"));
        }
        let found = authenticate(&keys, &headers);
        assert_eq!(found.map(ApiKey::name).map_err(|error| error.code), expect, "{header:?}");
    }

    #[test]
    fn a_key_comes_in_either_header() {
        check(Some(("Authorization", "Bearer one")), Ok("a"));
        check(Some(("Authorization", "bearer two")), Ok("b"));
        check(Some(("X-API-Key", "two")), Ok("b"));
        for unknown in ["Bearer three", "Bearer on", "Bearer onee", "Bearer ", "Basic one", "one"] {
            check(Some(("Authorization", unknown)), Err(ErrorCode::Unauthenticated));
        }
        check(Some(("X-API-Key", "Bearer one")), Err(ErrorCode::Unauthenticated));
        check(None, Err(ErrorCode::Unauthenticated));
    }

    #[test]
    fn without_keys_the_api_is_off() {
        let refused = authenticate(&[], &HeaderMap::new()).map(ApiKey::name).map_err(|error| error.code);
        assert_eq!(refused, Err(ErrorCode::NotAvailable));
    }

    #[test]
    fn each_right_includes_the_one_before() {
        use ApiRights::{Admin, Publish, Read};
        for (has, may) in [(Read, 1), (Publish, 2), (Admin, 3)] {
            let key = ApiKey::new("a", has, b"k");
            assert_eq!([Read, Publish, Admin].iter().filter(|needed| key.check(**needed).is_ok()).count(), may);
        }
        let refused = ApiKey::new("a", Publish, b"k").check(Admin).expect_err("not allowed").to_string();
        assert!(refused.contains("\"publish\"") && refused.contains("\"admin\""), "{refused}");
    }

    #[test]
    fn a_key_is_not_shown() {
        assert!(!format!("{:?}", ApiKey::new("a", ApiRights::Read, b"swordfish")).contains("sword"));
    }
}
