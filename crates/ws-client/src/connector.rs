//! How the owner task gets a connection: over the network, or from a test.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::dial::{DialError, Dialer, Socket};

/// Makes one attempt to connect.
pub(crate) trait Connect: Send + 'static {
    /// Within this time. Dropping the future gives it up.
    fn connect(&self, within: Duration) -> BoxFuture<'static, Result<Socket, DialError>>;
}

impl Connect for Dialer {
    fn connect(&self, within: Duration) -> BoxFuture<'static, Result<Socket, DialError>> {
        let dialer = self.clone();
        async move { dialer.dial(within).await }.boxed()
    }
}
