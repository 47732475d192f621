//! Which path answers what (PROTOCOL section 9).

use std::net::IpAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request};
use serde_json::json;
use ws_core::Hub;
use ws_proto::ErrorCode;

use crate::socket::SocketOptions;

use super::host::check_host;
use super::{Accepted, AllowedOrigin, Answer, Metrics, Reply, Routes, handshake, pages};

/// The paths of a hub.
#[derive(Debug)]
pub(crate) struct HubRoutes {
    pub(crate) hub: Hub,
    pub(crate) metrics: Metrics,
    /// With the log that refused handshakes go to.
    pub(crate) sockets: Arc<SocketOptions>,
    /// Where pages may connect from.
    pub(crate) origins: Vec<AllowedOrigin>,
    /// Of the product, for `/health`.
    pub(crate) version: &'static str,
}

impl Routes for HubRoutes {
    type Agreed = Accepted;

    fn answer(&self, request: &Request<Incoming>, peer: IpAddr) -> Answer<Accepted> {
        match request.uri().path() {
            "/ws" => handshake::answer(&self.hub, &self.origins, request, peer).unwrap_or_else(|reply| {
                self.sockets.log.refused(peer, Some(reply.status()), reply.reason());
                Answer::Reply(reply)
            }),
            path => Answer::Reply(
                check_host(request).map_or_else(|refused| refused, |()| self.reply(path, request.method())),
            ),
        }
    }
}

impl HubRoutes {
    fn reply(&self, path: &str, method: &Method) -> Reply {
        match (self.read(path), method) {
            (None, _) => Reply::not_found(path),
            (Some(reply), &Method::GET | &Method::HEAD) => reply,
            (Some(_), _) => Reply::method_not_allowed("GET, HEAD"),
        }
    }

    fn read(&self, path: &str) -> Option<Reply> {
        match path {
            "/health" => Some(self.health()),
            "/ready" => Some(self.ready()),
            "/metrics" => Some(self.metrics.reply()),
            _ => pages::page(path),
        }
    }

    fn health(&self) -> Reply {
        Reply::json(&json!({
            "status": "ok",
            "version": self.version,
            "uptime_s": self.hub.clock().now_ms() / 1000,
            "connections": self.hub.connections(),
        }))
    }

    fn ready(&self) -> Reply {
        if let Some(failure) = self.hub.failure() {
            return Reply::refusal(ErrorCode::Overloaded, failure);
        }
        if self.hub.is_draining() {
            return Reply::refusal(ErrorCode::Overloaded, "the server is draining");
        }
        match self.hub.engine().health() {
            Ok(()) => Reply::json(&json!({ "status": "ready" })),
            Err(reason) => Reply::refusal(ErrorCode::EngineUnavailable, &reason),
        }
    }
}
