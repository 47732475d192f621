//! Which path answers what (PROTOCOL section 9).

use std::net::IpAddr;
use std::sync::Arc;

use hyper::Request;
use ws_core::Hub;

use super::body::Body;
use super::exposition::Format;
use super::host::check_host;
use super::metrics::Metrics;
use super::origin::AllowedOrigin;
use super::read_only::read_only;
use super::reply::Reply;
use super::routes::{Answer, Routes};
use super::ws::{self, Accepted};
use super::{health, pages, ready};
use crate::socket::SocketOptions;

/// The paths of a hub.
#[derive(Debug)]
pub(crate) struct HubRoutes {
    pub(crate) hub: Hub,
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
        Answer::Reply(match check_host(&request) {
            Ok(()) => self.resource(request).await,
            Err(refused) => refused,
        })
    }
}

impl HubRoutes {
    async fn websocket(&self, request: &Request<()>, client: IpAddr) -> Answer<Accepted> {
        match ws::accept(&self.hub, &self.origins, request, client).await {
            Ok((switching, accepted)) => Answer::Upgrade(switching, accepted),
            Err(refused) => {
                self.sockets.log.refused(client, Some(refused.status()), refused.reason());
                Answer::Reply(refused)
            }
        }
    }

    /// A line for each resource. One that can wait, or takes a body, is awaited here.
    async fn resource(&self, request: Request<Body>) -> Reply {
        match (request.uri().path(), &self.metrics) {
            ("/health", _) => read_only(request, || health::reply(&self.hub, self.version)).await,
            ("/ready", _) => read_only(request, || ready::reply(&self.hub)).await,
            ("/metrics", Some(metrics)) => {
                let format = Format::accepted(request.headers());
                read_only(request, || metrics.reply(format)).await
            }
            (path, _) => match pages::find(path) {
                Some(page) => read_only(request, || page.reply()).await,
                None => Reply::not_found(path),
            },
        }
    }
}
