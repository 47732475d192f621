//! The address where there is nothing but `/metrics`.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use hyper::Request;
use ws_proto::ErrorCode;

use super::body::Body;
use super::host::check_host;
use super::metrics::Metrics;
use super::reply::Reply;
use super::routes::{Answer, Routes};

/// Its only path.
#[derive(Debug)]
pub(crate) struct MetricsRoutes(pub(crate) Arc<Metrics>);

impl Routes for MetricsRoutes {
    type Upgrade = Infallible;

    async fn answer(&self, request: Request<Body>, _: IpAddr) -> Answer<Infallible> {
        Answer::Reply(match (check_host(&request), request.uri().path()) {
            (Err(refused), _) => refused,
            (Ok(()), "/metrics") => self.0.answer(request).await,
            (Ok(()), path) => {
                let message = format!("nothing at {path}: this address serves /metrics alone");
                Reply::refusal(ErrorCode::NotFound, &message)
            }
        })
    }
}
