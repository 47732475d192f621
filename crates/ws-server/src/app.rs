//! The wiring: from a configuration to a running server, and to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use ws_auth::Verifier;
use ws_claude::Claude;
use ws_core::{Authenticator, Engine, Hub};
use ws_transport::{
    ApiKey, DrainOptions, Drained, ListenAddr, ProxyOptions, Tls, TlsError, Transport, TransportOptions,
};

use crate::background::BackgroundTasks;
use crate::config::Config;
use crate::engine::{self, EngineError};
use crate::hub_options::hub_options;
use crate::key_set::KeySource;
pub use crate::start_error::StartError;
use crate::{api_keys, auth, claude, logging};

/// Version of the product.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Least time for closing the engine, even when the drain has used up the grace period.
const CLOSE_ENGINE_MIN: Duration = Duration::from_secs(2);

/// How long the start waits for what other servers broadcast.
const JOIN_TIMEOUT: Duration = Duration::from_secs(5);
/// Least time for publishing the ends of runs, even without a grace period.
const END_RUNS_MIN: Duration = Duration::from_millis(250);

/// A server whose engine is open and whose addresses are bound.
#[derive(Debug)]
pub struct App {
    transport: Transport,
    hub: Hub,
    claude: Claude,
    grace: Duration,
    tls: Option<Tls>,
    /// They refresh the published keys and the certificate, and send the canary.
    _background: BackgroundTasks,
}

impl App {
    /// Fetches published keys, opens the engine, builds the server and binds its addresses. If the future is dropped,
    /// nothing is bound; an engine that is just being opened is closed again afterwards.
    ///
    /// # Errors
    /// When keys cannot be read or fetched, the engine cannot be opened, or an address cannot be bound.
    pub async fn bind(config: &Config) -> Result<Self, StartError> {
        Self::bind_with(config, engine::open).await
    }

    /// The same with another engine than the configured one, for tests of what engines can do to a server.
    ///
    /// # Errors
    /// Those of [`bind`](Self::bind).
    pub async fn bind_with(
        config: &Config,
        open: impl FnOnce(&Config) -> Result<Arc<dyn Engine>, EngineError> + Send + 'static,
    ) -> Result<Self, StartError> {
        let verifier = auth::verifier(config, auth::keys(config).map_err(StartError::Keys)?);
        let key_set = key_set(config, verifier.as_ref()).await?;
        let api_keys = api_keys::keys(config).map_err(StartError::Keys)?;
        let provider = claude::provider(config).map_err(StartError::Keys)?;
        let tls = tls(config)?;
        let for_engine = config.clone();
        // Opening may take long, and signals must be obeyed meanwhile.
        let engine = spawn_blocking(move || open(&for_engine)).await??;
        let hub = Hub::start(hub_options(config, authenticator(verifier, key_set.as_ref())), engine);
        // Before anybody can read the streams of runs that were left open.
        let claude = Claude::start(hub.clone(), provider, claude::run_options(config)).await?;
        hub.joined(JOIN_TIMEOUT).await;
        let transport = Transport::bind(&config.addr, hub.clone(), transport_options(config, tls.clone(), api_keys))?;
        let background = background(&hub, key_set, tls.clone(), config.canary.interval);
        Ok(App { transport, hub, claude, grace: config.drain.grace, tls, _background: background })
    }

    /// The addresses that are bound, with the ports that the system chose for 0.
    pub fn bound_addrs(&self) -> Vec<ListenAddr> {
        self.transport.bound_addrs()
    }

    /// Where `/metrics` is served alone, if that is so.
    pub fn metrics_addr(&self) -> Option<ListenAddr> {
        self.transport.metrics_addr()
    }

    /// Those of the addresses that are IP addresses.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.transport.local_addrs()
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    pub(crate) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// Serves until `shutdown` is ready, or a task that the server cannot do without has failed. Then drains, and
    /// closes the engine.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Drained {
        let (began, begins) = oneshot::channel();
        let (hub, claude, grace) = (self.hub.clone(), self.claude.clone(), self.grace);
        let shutdown = async {
            tokio::select! {
                () = shutdown => {}
                () = hub.failed() => tracing::error!("shutting down: a task that the server needs has failed"),
            }
            // The receiver is below, and waits.
            let _ = began.send(Instant::now());
            // Runs end before the connections are told, so that nobody misses how they did.
            hub.close_admission();
            let within = if hub.failure().is_some() { Duration::ZERO } else { (grace / 2).max(END_RUNS_MIN) };
            claude.drain(within).await;
        };
        let drained = self.transport.serve(shutdown).await;
        let spent = begins.await.map_or(Duration::ZERO, |began| began.elapsed());
        let grace = if self.hub.failure().is_some() { Duration::ZERO } else { self.grace };
        close(&**self.hub.engine(), grace.saturating_sub(spent).max(CLOSE_ENGINE_MIN)).await;
        drained
    }
}

/// Lets the engine finish. What it has acknowledged is safe even if it does not finish in time.
async fn close(engine: &dyn Engine, within: Duration) {
    let (answer, closed) = oneshot::channel();
    // The receiver is gone after the timeout, which is logged.
    engine.close(Box::new(move |result| drop(answer.send(result))));
    match tokio::time::timeout(within, closed).await {
        Ok(Ok(Ok(()))) => tracing::debug!(engine = engine.name(), "the engine is closed"),
        Ok(Ok(Err(error))) => tracing::error!(%error, "the engine reported an error while it was closed"),
        Ok(Err(_)) | Err(_) => tracing::error!("the engine was not closed in time"),
    }
}

fn transport_options(config: &Config, tls: Option<Tls>, api_keys: Vec<ApiKey>) -> TransportOptions {
    TransportOptions {
        allowed_origins: config.auth.allowed_origins.clone(),
        handshake_timeout: config.limits.handshake_timeout,
        keep_alive: config.limits.keep_alive,
        sockets_per_ip_max: config.limits.sockets_per_ip_max,
        tls,
        api_keys,
        proxy: ProxyOptions {
            trusted: config.proxy.trusted.clone(),
            header: config.proxy.header,
            protocol: config.proxy.protocol,
        },
        metrics_addr: config.metrics.addr.clone(),
        version: VERSION,
        log_connections: config.log_connections,
        log_lines_dropped: &logging::LINES_DROPPED,
        drain: DrainOptions { grace: config.drain.grace, reconnect_spread: config.drain.reconnect_spread },
    }
}

/// Checks tokens. `None`: there are no keys.
fn authenticator(verifier: Option<Arc<Verifier>>, key_set: Option<&KeySource>) -> Option<Arc<dyn Authenticator>> {
    match key_set {
        Some(source) => Some(Arc::new(source.authenticator())),
        None => Some(verifier?),
    }
}

/// The published key set, fetched once. `None`: none is configured.
async fn key_set(config: &Config, verifier: Option<&Arc<Verifier>>) -> Result<Option<KeySource>, StartError> {
    let Some((url, verifier)) = config.auth.jwks_url.as_ref().zip(verifier) else { return Ok(None) };
    let refused = |error| StartError::KeySet { url: url.to_string(), error };
    let source = KeySource::new(url, config.auth.jwks_refresh, verifier.clone()).map_err(refused)?;
    source.fetch().await.map_err(refused)?;
    Ok(Some(source))
}

fn tls(config: &Config) -> Result<Option<Tls>, TlsError> {
    let files = config.tls.cert_file.as_ref().zip(config.tls.key_file.as_ref());
    files.map(|(cert_file, key_file)| Tls::load(cert_file, key_file)).transpose()
}

/// The tasks that keep the published keys and the certificate up to date, and send the canary.
fn background(hub: &Hub, key_set: Option<KeySource>, tls: Option<Tls>, canary: Duration) -> BackgroundTasks {
    let (counters, supervisor) = (hub.counters(), hub.supervisor());
    let keys = key_set.map(|source| {
        let refresh = source.refresh(counters.clone());
        tokio::spawn(supervisor.clone().watch("the task that fetches published keys", refresh))
    });
    let certificate =
        tls.map(|tls| tokio::spawn(supervisor.clone().watch("the task that reads the certificate again", tls.watch())));
    let canary = (!canary.is_zero())
        .then(|| tokio::spawn(supervisor.clone().watch("the task that sends the canary", hub.canary(canary))));
    BackgroundTasks(keys.into_iter().chain(certificate).chain(canary).collect())
}
