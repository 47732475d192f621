//! Building a client.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use thiserror::Error;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use crate::client::{Client, Shared};
use crate::connector::Connect;
use crate::dial::{Dialer, SocketLimits, Target, UrlError};
use crate::machine::{Machine, Ms, Options, Random, State, Status};
use crate::outbox::Outbox;
use crate::outbox_file::OutboxError;
use crate::task::{Parts, Task, Wall};
use crate::timers::Timers;
use crate::token::TokenProvider;
use crate::waiting::Waiting;
use crate::whole_ms::whole_ms;

/// Options of a client; [`Client::builder`] makes one.
pub struct Builder {
    url: String,
    provider: Option<Arc<dyn TokenProvider>>,
    outbox: Outbox,
    timers: Timers,
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("url", &self.url).field("outbox", &self.outbox).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the server at this URL: `ws://` or `wss://`, without a token.
    ///
    /// ```
    /// use ws_client::{Client, Outbox};
    ///
    /// let builder = Client::builder("ws://127.0.0.1:8080/ws").outbox(Outbox::memory().entries(100));
    /// ```
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder::new(url)
    }
}

/// Why a client cannot start. Whether the server can be reached is not among it: that is tried for ever.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The URL cannot be connected to.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The file of the outbox cannot be opened.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// There is no tokio runtime here.
    #[error("a client starts within a tokio runtime")]
    NoRuntime,
}

impl Builder {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        let (outbox, timers) = (Outbox::memory(), Timers::default());
        Builder { url: url.into(), provider: None, outbox, timers, tls: None }
    }

    /// Where tokens come from. Without one the client is anonymous.
    #[must_use]
    pub fn token(mut self, provider: impl TokenProvider) -> Self {
        self.provider = Some(Arc::new(provider));
        self
    }

    /// Where publications wait: [`Outbox::memory`] unless said otherwise.
    #[must_use]
    pub fn outbox(mut self, outbox: Outbox) -> Self {
        self.outbox = outbox;
        self
    }

    /// Other times than the defaults.
    #[must_use]
    pub fn timers(mut self, timers: Timers) -> Self {
        self.timers = timers;
        self
    }

    /// A TLS configuration of your own. Otherwise the roots are the system's, webpki's and those in `SSL_CERT_FILE`, and
    /// the process needs no default provider of rustls.
    #[must_use]
    pub fn tls(mut self, config: Arc<rustls::ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Starts the client. It connects with its first use: [`Channel::subscribe`](crate::Channel::subscribe),
    /// [`Channel::publish`](crate::Channel::publish), [`Client::wake`] and the like.
    ///
    /// # Errors
    /// A URL that is none, a file that cannot be opened; a file of an outbox is opened here, and may block for as long as
    /// the disk does.
    pub fn start(self) -> Result<Client, StartError> {
        let target = Target::parse(&self.url)?;
        let url = target.as_str().to_owned();
        let dialer = Dialer::new(target, self.tls.clone(), SocketLimits::default());
        self.start_with(url, Box::new(dialer), Box::new(wall), Random::new(draw))
    }

    /// Starts it over another network, with other clocks and other chances.
    pub(crate) fn start_with(
        self,
        url: String,
        connector: Box<dyn Connect>,
        wall: Wall,
        random: Random,
    ) -> Result<Client, StartError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let Outbox { place, entries, bytes, max_age } = self.outbox;
        let (store, damage) = place.open()?;
        let options = Options {
            provider: self.provider.is_some(),
            store: store.is_some(),
            entries,
            bytes,
            max_age: whole_ms(max_age),
            timers: Ms::from(&self.timers),
        };
        let (commands, queue) = mpsc::unbounded_channel();
        let idle = Status { state: State::Idle, retry_at: None, user: None, error: None, store: None };
        let (status_sender, status) = watch::channel(idle);
        let (pending_sender, pending) = watch::channel(0);
        let waiting = Arc::new(Waiting::default());
        let parts = Parts {
            machine: Machine::new(options, random),
            connector,
            provider: self.provider,
            store,
            url,
            connect_within: self.timers.connect,
            token_within: self.timers.token,
            store_within: self.timers.store,
            wall,
            waiting: waiting.clone(),
            commands: queue,
            status: status_sender,
            pending: pending_sender,
        };
        runtime.spawn(Task::run(parts));
        Ok(Client::new(Shared {
            commands,
            status,
            pending,
            waiting,
            entries,
            bytes,
            damage,
            next_id: AtomicU64::new(1),
        }))
    }
}

fn wall() -> u64 {
    whole_ms(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO))
}

/// Even in [0, 1): 53 bits of what makes UUIDs.
fn draw() -> f64 {
    const BITS: u32 = 53;
    let (_, low) = Uuid::new_v4().as_u64_pair();
    (low & ((1 << BITS) - 1)) as f64 / (1_u64 << BITS) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_spread() {
        let draws: Vec<_> = (0..1_000).map(|_| draw()).collect();
        assert!(draws.iter().all(|draw| (0.0..1.0).contains(draw)));
        for tenth in 0..10 {
            let low = f64::from(tenth) / 10.0;
            assert!(draws.iter().any(|draw| (low..low + 0.1).contains(draw)), "none in tenth {tenth}");
        }
    }

    #[test]
    fn what_cannot_start_says_why() {
        let error = Client::builder("https://example.com/ws").start().expect_err("no WebSocket");
        assert!(error.to_string().contains("wss"), "{error}");
        assert!(matches!(Client::builder("ws://example.com/ws").start(), Err(StartError::NoRuntime)));
    }
}
