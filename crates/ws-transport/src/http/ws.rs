//! `GET /ws`: from a request to a place in the hub (PROTOCOL section 2).

use std::net::IpAddr;

use hyper::Request;
use hyper::header::{HOST, HeaderValue, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use ws_core::{Claims, HeartbeatMode, Hub, Permit, Refusal};
use ws_proto::{ErrorBody, ErrorCode, SUBPROTOCOL};

use super::handshake::{items, plain_handshake};
use super::origin::{AllowedOrigin, may_connect};
use super::query::option;
use super::reply::Reply;
use super::token::token;

/// What a WebSocket connection of the hub starts with.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) permit: Permit,
    pub(crate) heartbeat: HeartbeatMode,
    /// The claims of its token, or why that was refused: a browser cannot read the HTTP status of a handshake, so the
    /// WebSocket says so.
    pub(crate) login: Option<Result<Claims, ErrorBody>>,
}

/// Checks the handshake and its origin, asks the hub for a permit, and has the token checked.
///
/// # Errors
/// The refusal.
pub(super) async fn accept(
    hub: &Hub,
    origins: &[AllowedOrigin],
    request: &Request<()>,
    client: IpAddr,
) -> Result<(Reply, Accepted), Reply> {
    let mut switching = plain_handshake(request)?;
    check_origin(hub, origins, request)?;
    let query = request.uri().query().unwrap_or_default();
    let heartbeat = heartbeat_mode(query)?;
    // Names of subprotocols are case-sensitive (RFC 6455, section 4.2.2): the client compares ours with what it sent.
    if items(request.headers(), SEC_WEBSOCKET_PROTOCOL).any(|item| item == SUBPROTOCOL) {
        switching.set(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    let refused = |refusal| {
        let is_unknown = refusal == Refusal::Engine;
        let code = if is_unknown { ErrorCode::EngineUnavailable } else { ErrorCode::Overloaded };
        Reply::refusal(code, &format!("{refusal}; try again later"))
    };
    let token = token(request.headers(), query);
    let mut permit = hub.admit(client, token.is_some()).map_err(refused)?;
    let login = match &token {
        Some(token) => Some(hub.log_in(&mut permit, token).await.map_err(refused)?),
        None => None,
    };
    Ok((switching, Accepted { permit, heartbeat, login }))
}

/// A page must come from an allowed origin. Clients other than browsers send no `Origin`.
fn check_origin<B>(hub: &Hub, origins: &[AllowedOrigin], request: &Request<B>) -> Result<(), Reply> {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let may = |origin: &HeaderValue| may_connect(origins, origin.as_bytes(), host);
    if request.headers().get_all(ORIGIN).iter().all(may) {
        return Ok(());
    }
    hub.counters().refused(Refusal::Origin).add(1);
    Err(Reply::refusal(ErrorCode::PermissionDenied, &Refusal::Origin.to_string()))
}

/// The query option `heartbeat`. Unknown options are ignored.
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
