//! What a server answers to its requests.

use std::net::IpAddr;

use hyper::Request;

use super::body::Body;
use super::reply::Reply;

/// Answers requests.
pub(crate) trait Routes: Send + Sync + 'static {
    /// What a WebSocket starts with.
    type Upgrade: Send + Unpin + 'static;

    /// Answers one request from the client with this address. The next request on the connection is read after the answer; where the
    /// peer goes away, the future is dropped.
    fn answer(&self, request: Request<Body>, client: IpAddr) -> impl Future<Output = Answer<Self::Upgrade>> + Send;
}

/// An answer to a request.
pub(crate) enum Answer<U> {
    /// An HTTP answer. The connection continues with HTTP.
    Reply(Reply),
    /// 101: a WebSocket follows.
    Upgrade(Reply, U),
}
