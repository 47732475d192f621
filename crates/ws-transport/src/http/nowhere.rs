//! Requests to paths where nothing is: the answer says where to go instead.

use hyper::Request;
use hyper::header::SEC_WEBSOCKET_KEY;
use ws_proto::ErrorCode;

use super::pages;
use super::reply::Reply;

/// Paths at which other servers have their WebSocket: each with all below it.
const ELSEWHERE: [&str; 9] =
    ["/ws", "/wss", "/websocket", "/websockets", "/socket", "/socket.io", "/connection", "/sockjs", "/cable"];

/// Paths that are not in [`pages`].
const OTHERS: [&str; 3] = ["/health", "/ready", "/metrics"];

const WEBSOCKET: &str = "the WebSocket is at /ws";

/// Whether a request is a handshake. `Upgrade` does not tell: some proxies add it to every request.
pub(super) fn wants_websocket<B>(request: &Request<B>) -> bool {
    request.headers().contains_key(SEC_WEBSOCKET_KEY)
}

/// 404 for a handshake at another path than `/ws`.
pub(super) fn no_websocket(path: &str) -> Reply {
    Reply::refusal(ErrorCode::NotFound, &format!("no WebSocket at {path}: {WEBSOCKET}"))
}

/// 404 for `/metrics` where it has an address of its own.
pub(super) fn metrics_elsewhere() -> Reply {
    Reply::refusal(ErrorCode::NotFound, "nothing at /metrics: it is served at metrics.addr alone")
}

/// 404.
pub(super) fn not_found(path: &str) -> Reply {
    let plain = path.trim_end_matches('/').to_ascii_lowercase();
    let is_below = |root: &&str| plain.strip_prefix(*root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let advice = if ELSEWHERE.iter().any(is_below) {
        format!(": {WEBSOCKET}")
    } else if OTHERS.contains(&plain.as_str()) || pages::find(&plain).is_some() {
        format!(": did you mean {plain}?")
    } else {
        String::new()
    };
    Reply::refusal(ErrorCode::NotFound, &format!("nothing at {path}{advice}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nowhere_says_where_to_go() {
        let check =
            |path: &str, expect: &str| assert_eq!(not_found(path).reason(), format!("nothing at {path}{expect}"));
        for path in ["/ws/", "/WS", "/Ws/", "/ws/chat", "/socket.io/", "/socket.io", "/connection/websocket", "/cable"]
        {
            check(path, ": the WebSocket is at /ws");
        }
        check("/health/", ": did you mean /health?");
        check("/Metrics", ": did you mean /metrics?");
        check("/schema/protocol.json/", ": did you mean /schema/protocol.json?");
        for path in ["/wsx", "/socket.iox", "/nothing", "//", "/api/v1/node"] {
            check(path, "");
        }
    }
}
