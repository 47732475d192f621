//! Which path answers what (PROTOCOL section 9).

use std::net::IpAddr;
use std::sync::Arc;

use hyper::{Request, StatusCode};
use ws_core::Hub;

use super::api::{self, Api};
use super::body::Body;
use super::host::check_host;
use super::metrics::Metrics;
use super::origin::AllowedOrigin;
use super::read_only::read_only;
use super::reply::Reply;
use super::routes::{Answer, Routes};
use super::ws::{self, Accepted};
use super::{health, nowhere, pages, ready};
use crate::socket::SocketOptions;

/// The paths of a hub.
#[derive(Debug)]
pub(crate) struct HubRoutes {
    pub(crate) hub: Hub,
    pub(crate) api: Arc<Api>,
    /// `None`: they have an address of their own.
    pub(crate) metrics: Option<Arc<Metrics>>,
    /// With the log that refused handshakes go to.
    pub(crate) sockets: Arc<SocketOptions>,
    /// Origins of the pages that may connect.
    pub(crate) origins: Vec<AllowedOrigin>,
    /// Of the product, for `/health`.
    pub(crate) version: &'static str,
}

impl Routes for HubRoutes {
    type Upgrade = Accepted;

    async fn answer(&self, request: Request<Body>, client: IpAddr) -> Answer<Accepted> {
        if request.uri().path() == "/ws" {
            return self.websocket(&request.map(drop), client).await;
        }
        if nowhere::wants_websocket(&request) {
            return Answer::Reply(self.logged(nowhere::no_websocket(request.uri().path()), client));
        }
        Answer::Reply(match check_host(&request) {
            Ok(()) if is_below(request.uri().path(), api::PREFIX) => self.backend(request, client).await,
            Ok(()) => self.resource(request).await,
            Err(refused) => refused,
        })
    }
}

impl HubRoutes {
    async fn websocket(&self, request: &Request<()>, client: IpAddr) -> Answer<Accepted> {
        match ws::accept(&self.hub, &self.origins, request, client).await {
            Ok((switching, accepted)) => Answer::Upgrade(switching, accepted),
            Err(refused) => Answer::Reply(self.logged(refused, client)),
        }
    }

    /// A request to the HTTP API. Whoever guesses keys is seen in the log.
    async fn backend(&self, request: Request<Body>, client: IpAddr) -> Reply {
        let reply = self.api.answer(request).await;
        if reply.status() == StatusCode::UNAUTHORIZED.as_u16() { self.logged(reply, client) } else { reply }
    }

    /// A refused handshake or a wrong key, which goes to the log of connections.
    fn logged(&self, refused: Reply, peer: IpAddr) -> Reply {
        self.sockets.log.refused(peer, Some(refused.status()), refused.reason());
        refused
    }

    /// A line for each resource. One that can wait, or takes a body, is awaited here.
    async fn resource(&self, request: Request<Body>) -> Reply {
        match (request.uri().path(), &self.metrics) {
            ("/health", _) => read_only(request, || health::reply(&self.hub, self.version)).await,
            ("/ready", _) => read_only(request, || ready::reply(&self.hub)).await,
            ("/metrics", Some(metrics)) => metrics.answer(request).await,
            (path, _) => match pages::find(path) {
                Some(page) => read_only(request, || page.reply()).await,
                None if path == "/metrics" => nowhere::metrics_elsewhere(),
                None => nowhere::not_found(path),
            },
        }
    }
}

/// Whether a path is this one, or below it.
fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
