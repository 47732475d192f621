//! From a URL to an open WebSocket: address, TCP, TLS, handshake, all within one deadline.
//!
//! * [`Target`]: the URL, checked once.
//! * [`Dialer::dial`]: one attempt. It tries the addresses of the name as RFC 8305 says (`race.rs`), makes the TLS
//!   handshake with a configuration of its own (`tls.rs`), then the WebSocket's with explicit limits (`handshake.rs`).
//! * [`Socket`]: what comes out. It splits into a half for reading and one for writing, both safe to cancel.
//! * [`DialError`]: what failed, and where.
//!
//! Not here: when to try again. No token is ever part of a URL: it would end up in logs on the way.

mod error;
mod handshake;
mod io;
mod limits;
mod race;
mod retry_after;
mod socket;
mod target;
#[cfg(test)]
mod tests;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

pub(crate) use self::error::{DialError, Stage};
pub(crate) use self::limits::SocketLimits;
pub(crate) use self::socket::{Incoming, Socket};
pub(crate) use self::target::Target;
pub use self::target::UrlError;

use self::io::Io;

/// Opens connections to one URL. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Dialer {
    target: Target,
    tls: Option<Arc<rustls::ClientConfig>>,
    limits: SocketLimits,
}

impl Dialer {
    /// With the roots of [`tls::config`], unless `tls` is the caller's own configuration.
    pub(crate) fn new(target: Target, tls: Option<Arc<rustls::ClientConfig>>, limits: SocketLimits) -> Self {
        Dialer { target, tls, limits }
    }

    /// One attempt, which takes `within` at most. Dropping the future gives it up.
    ///
    /// # Errors
    /// What failed; of a timeout, what it was waiting for.
    pub(crate) async fn dial(&self, within: Duration) -> Result<Socket, DialError> {
        let clock = Clock { end: Instant::now() + within, within };
        let target = &self.target;
        let addrs = clock.bound(Stage::Resolve, race::resolve(target)).await?;
        let stream = clock.bound(Stage::Connect, race::connect(target, addrs)).await?;
        let stream: Box<dyn Io> = match target.is_tls() {
            true => Box::new(clock.bound(Stage::Tls, self.tls(stream)).await?),
            false => Box::new(stream),
        };
        clock.bound(Stage::Handshake, handshake::handshake(target, stream, &self.limits)).await
    }

    /// The same over a stream that is open already.
    #[cfg(test)]
    pub(crate) async fn over(&self, stream: Box<dyn Io>, within: Duration) -> Result<Socket, DialError> {
        let clock = Clock { end: Instant::now() + within, within };
        clock.bound(Stage::Handshake, handshake::handshake(&self.target, stream, &self.limits)).await
    }

    async fn tls(&self, stream: TcpStream) -> Result<impl Io + use<>, DialError> {
        let config = match &self.tls {
            Some(config) => config.clone(),
            None => tls::shared().await.map_err(|reason| tls::failed(&self.target, reason))?,
        };
        tls::connect(&self.target, config, stream).await
    }
}

/// The deadline of an attempt.
struct Clock {
    end: Instant,
    within: Duration,
}

impl Clock {
    async fn bound<T>(&self, stage: Stage, work: impl Future<Output = Result<T, DialError>>) -> Result<T, DialError> {
        match timeout_at(self.end, work).await {
            Ok(result) => result,
            Err(_) => Err(DialError::Timeout { stage, within: self.within }),
        }
    }
}
