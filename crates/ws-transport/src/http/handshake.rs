//! The opening handshake of a WebSocket (RFC 6455, section 4.2).

use std::borrow::Cow;
use std::net::IpAddr;

use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::{Method, Request, StatusCode, Version};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use ws_core::{HeartbeatMode, Hub, Refusal};
use ws_proto::{ErrorCode, SUBPROTOCOL};

use super::host::check_host;
use super::origin::may_connect;
use super::query::option;
use super::token::token;
use super::{Accepted, AllowedOrigin, Answer, Reply};

const VERSION: &str = "13";

/// Answers `GET /ws`: 101 and room in the hub, or why not.
pub(super) fn answer(
    hub: &Hub,
    origins: &[AllowedOrigin],
    request: &Request<Incoming>,
    peer: IpAddr,
) -> Result<Answer<Accepted>, Reply> {
    let mut switching = plain_handshake(request)?;
    check_origin(hub, origins, request)?;
    let query = request.uri().query().unwrap_or_default();
    let heartbeat = heartbeat_mode(query)?;
    // Names of subprotocols differ by case (RFC 6455, section 4.2.2): the client looks for the one that it has sent.
    if items(request.headers(), SEC_WEBSOCKET_PROTOCOL).any(|item| item == SUBPROTOCOL) {
        switching.set(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    let refused = |refusal| Reply::refusal(ErrorCode::Overloaded, &format!("{refusal}; try again later"));
    let token = token(request.headers(), query);
    let permit = hub.admit(peer, token.is_some()).map_err(refused)?;
    Ok(Answer::Switch(switching, Accepted { permit, heartbeat, token: token.map(Cow::into_owned).map(Into::into) }))
}

/// A page has to be of an origin that may connect; who is no browser sends no `Origin`.
fn check_origin(hub: &Hub, origins: &[AllowedOrigin], request: &Request<Incoming>) -> Result<(), Reply> {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let may = |origin: &HeaderValue| may_connect(origins, origin.as_bytes(), host);
    if request.headers().get_all(ORIGIN).iter().all(may) {
        return Ok(());
    }
    hub.counters().refused(Refusal::Origin).add(1);
    Err(Reply::refusal(ErrorCode::PermissionDenied, &Refusal::Origin.to_string()))
}

/// Checks a handshake without asking anybody, and answers it.
pub(crate) fn plain_handshake(request: &Request<Incoming>) -> Result<Reply, Reply> {
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

/// Whether a header that is a list has `token` in it, in any case.
fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    items(headers, name).any(|item| item.eq_ignore_ascii_case(token))
}

/// What is in a header that is a list.
fn items(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// The query option `heartbeat` (PROTOCOL section 2). Options that are not known are ignored.
fn heartbeat_mode(query: &str) -> Result<HeartbeatMode, Reply> {
    match option(query, "heartbeat") {
        None => Ok(HeartbeatMode::Ping),
        Some("app") => Ok(HeartbeatMode::App),
        Some(_) => Err(Reply::refusal(ErrorCode::InvalidRequest, "`heartbeat` in the query can only be `app`")),
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn the_heartbeat_option_is_checked() {
        let check = |query: &str, expect: Option<HeartbeatMode>| {
            assert_eq!(heartbeat_mode(query).ok(), expect, "{query}");
        };
        check("", Some(HeartbeatMode::Ping));
        check("x=1&heartbeat=app", Some(HeartbeatMode::App));
        check("heartbeat=off", None);
        check("heartbeat", None);
        check("heartbeats=off", Some(HeartbeatMode::Ping));
    }
}
