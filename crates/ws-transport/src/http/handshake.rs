//! The opening handshake of a WebSocket (RFC 6455, section 4.2): what its headers must say.

use hyper::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::{Method, Request, StatusCode, Version};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use ws_proto::ErrorCode;

use super::host::check_host;
use super::reply::Reply;

const VERSION: &str = "13";

/// The 101 to a handshake, checked by its headers alone.
///
/// # Errors
/// The refusal.
pub(crate) fn plain_handshake<B>(request: &Request<B>) -> Result<Reply, Reply> {
    check_host(request)?;
    if request.method() != Method::GET {
        return Err(Reply::method_not_allowed("GET"));
    }
    let headers = request.headers();
    let upgrades = request.version() >= Version::HTTP_11
        && has_token(headers, CONNECTION, "upgrade")
        && has_token(headers, UPGRADE, "websocket");
    if !upgrades {
        let message = "this path speaks WebSocket: connect with ws:// or wss://";
        let mut reply = Reply::error(StatusCode::UPGRADE_REQUIRED, "upgrade_required", message);
        reply.set(UPGRADE, HeaderValue::from_static("websocket"));
        reply.set(CONNECTION, HeaderValue::from_static("Upgrade"));
        return Err(reply);
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != VERSION) {
        let mut reply = Reply::refusal(ErrorCode::InvalidRequest, "Sec-WebSocket-Version must be 13");
        reply.set(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
        return Err(reply);
    }
    match headers.get(SEC_WEBSOCKET_KEY).filter(|key| is_key(key.as_bytes())) {
        Some(key) => Ok(Reply::switching(accept(key))),
        None => Err(Reply::refusal(ErrorCode::InvalidRequest, "Sec-WebSocket-Key must be 16 bytes in base64")),
    }
}

fn accept(key: &HeaderValue) -> HeaderValue {
    // Base64 is always a header value.
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// 16 bytes in base64 are 22 digits and `==`.
fn is_key(key: &[u8]) -> bool {
    let digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(digit)
}

/// Whether a header that is a list contains `token`; case does not matter.
fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    items(headers, name).any(|item| item.eq_ignore_ascii_case(token))
}

/// The items of a header that is a list.
pub(super) fn items(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use hyper::header::SEC_WEBSOCKET_PROTOCOL;
    use ws_proto::SUBPROTOCOL;

    use super::*;

    #[test]
    fn keys_are_sixteen_bytes_in_base64() {
        let check = |key: &str, expect: bool| assert_eq!(is_key(key.as_bytes()), expect, "{key}");
        check("dGhlIHNhbXBsZSBub25jZQ==", true);
        check("dGhlIHNhbXBsZSBub25jZQ=", false);
        check("dGhlIHNhbXBsZSBub25jZQ===", false);
        check("dGhlIHNhbXBsZSBub25jZ!==", false);
        check("", false);
    }

    #[test]
    fn the_accept_key_is_that_of_the_rfc() {
        // RFC 6455, section 1.3.
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept(&key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn lists_are_searched_in_any_case_and_over_several_headers() {
        let mut headers = HeaderMap::new();
        headers.append(CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
        headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("a"));
        headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("b ,ws.json.v1"));
        assert!(has_token(&headers, CONNECTION, "upgrade"));
        assert!(items(&headers, SEC_WEBSOCKET_PROTOCOL).eq(["a", "b", SUBPROTOCOL]));
        assert!(!has_token(&headers, UPGRADE, "websocket"));
    }
}
