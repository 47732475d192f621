//! The token of a handshake (PROTOCOL section 7).

use std::borrow::Cow;

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use percent_encoding::percent_decode_str;

use super::query::option;

const SCHEME: &str = "bearer";

/// The token in `Authorization: Bearer`, else in the query as `token=`. An empty or unreadable token counts as a bad
/// one, not as none: its sender does not mean to be anonymous. Schemes other than `Bearer` are for proxies and are
/// ignored.
pub(super) fn token<'a>(headers: &'a HeaderMap, query: &'a str) -> Option<Cow<'a, str>> {
    let header = headers.get_all(AUTHORIZATION).iter().find_map(bearer).map(Cow::Borrowed);
    header.or_else(|| option(query, "token").map(decoded))
}

/// A token needs no percent-encoding, but some URL builders escape more than they must.
fn decoded(value: &str) -> Cow<'_, str> {
    percent_decode_str(value).decode_utf8().unwrap_or_default()
}

pub(super) fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.as_bytes().split_at_checked(SCHEME.len())?;
    let is_bearer = scheme.eq_ignore_ascii_case(SCHEME.as_bytes()) && matches!(token, [] | [b' ' | b'\t', ..]);
    is_bearer.then(|| str::from_utf8(token).unwrap_or_default().trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: Option<&'static [u8]>, query: &str, expect: Option<&str>) {
        let mut headers = HeaderMap::new();
        header.iter().for_each(|header| {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(header).expect("a header"));
        });
        assert_eq!(token(&headers, query).as_deref(), expect);
    }

    #[test]
    fn the_header_wins_over_the_query() {
        check(None, "", None);
        check(None, "heartbeat=app&token=a.b.c", Some("a.b.c"));
        check(None, "token=a%2Eb%2ec", Some("a.b.c"));
        check(Some(b"Bearer x.y.z"), "token=a.b.c", Some("x.y.z"));
        check(Some(b"bEARER  x.y.z "), "", Some("x.y.z"));
        check(Some(b"Basic dTpw"), "token=a.b.c", Some("a.b.c"));
        check(Some(b"Basic dTpw"), "", None);
        check(Some(b"Bearer\tx.y.z"), "", Some("x.y.z"));
        check(Some(b"Bearerx.y.z"), "", None);
    }

    #[test]
    fn an_empty_token_is_a_bad_one() {
        check(None, "token=", Some(""));
        check(None, "token", Some(""));
        check(None, "token=%ff", Some(""));
        check(Some(b"Bearer"), "token=a.b.c", Some(""));
        check(Some(b"Bearer "), "", Some(""));
        check(Some(b"Bearer \xff\xfe"), "token=a.b.c", Some(""));
        check(None, "mytoken=a", None);
    }
}
