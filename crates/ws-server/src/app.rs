//! The wiring: from a configuration to a running server, and to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use ws_auth::Verifier;
use ws_core::{
    Actions, Auth, Authenticator, ChannelOptions, Engine, Heartbeat, Hub, HubOptions, Limits, MemoryEngine,
    MemoryLimits, Namespaces,
};
use ws_engine_sqlite::{OpenError, SqliteEngine, SqliteOptions};
use ws_transport::{BindError, DrainOptions, Drained, Tls, TlsError, Transport, TransportOptions};

use crate::config::{self, Channels, Config, EngineType, Fsync, Mistake};
use crate::key_set::{FetchError, KeySource};
use crate::{auth, logging};

/// Version of the product.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Over the limit of file sizes (Linux): unless somebody listens to it, it ends the process. So the write fails,
/// as on a full disk.
const SIGXFSZ: i32 = 25;

/// Time that closing the engine gets at least, though the drain took all there was.
const CLOSE_ENGINE_MIN: Duration = Duration::from_secs(2);

/// A struct of another crate, with those fields of a section that have the same names there.
macro_rules! same_fields {
    ($section:expr => $options:ident { $($field:ident),* $(; $other:ident: $value:expr)* }) => {
        $options { $($field: $section.$field,)* $($other: $value,)* }
    };
}

/// A server whose engine is open and whose ports are bound.
#[derive(Debug)]
pub struct App {
    transport: Transport,
    hub: Hub,
    grace: Duration,
    tls: Option<Tls>,
    _follows: Follows,
}

/// The tasks that follow published keys and the certificate; they end with the server.
#[derive(Debug)]
struct Follows(Vec<JoinHandle<()>>);

impl Drop for Follows {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Keys of `[[auth.keys]]` cannot be read. No port was bound.
    #[error("{}", config::report(.0).trim_end())]
    Keys(Vec<Mistake>),
    /// The published key set cannot be had. No port was bound.
    #[error("the key set {url} {error}")]
    KeySet {
        /// Where it should be.
        url: String,
        /// Why not.
        error: FetchError,
    },
    /// The certificate cannot be used. No port was bound.
    #[error("the certificate cannot be used: {0}")]
    Tls(#[from] TlsError),
    /// The engine cannot be opened. No port was bound.
    #[error(transparent)]
    Engine(#[from] OpenError),
    /// The start was cut off.
    #[error("the engine was not opened: {0}")]
    CutOff(#[from] JoinError),
    /// An address cannot be bound; then none is.
    #[error(transparent)]
    Bind(#[from] BindError),
}

impl App {
    /// Fetches published keys, opens the engine, builds the server and binds its addresses. Where the future is dropped,
    /// nothing is bound; an engine that is being opened is opened all the same, and closed again.
    ///
    /// # Errors
    /// When keys cannot be read or fetched, the engine cannot be opened, or an address cannot be bound.
    pub async fn bind(config: &Config) -> Result<Self, StartError> {
        Self::bind_with(config, engine).await
    }

    /// The same over another engine than the configured one, for tests of what engines can do to a server.
    ///
    /// # Errors
    /// Those of [`bind`](Self::bind).
    pub async fn bind_with(
        config: &Config,
        engine: impl FnOnce(&Config) -> Result<Arc<dyn Engine>, OpenError> + Send + 'static,
    ) -> Result<Self, StartError> {
        let verifier = auth::verifier(config, auth::keys(config).map_err(StartError::Keys)?);
        let key_set = key_set(config, verifier.as_ref()).await?;
        let tls = tls(config)?;
        let of_engine = config.clone();
        // It may take long, and signals are to be obeyed meanwhile.
        let engine = spawn_blocking(move || engine(&of_engine)).await??;
        let hub_options = HubOptions {
            limits: limits(config),
            heartbeat: heartbeat(config),
            namespaces: namespaces(config),
            actions: same_fields!(config.actions => Actions { broadcast, get_connections }),
            auth: auth_terms(config, authenticator(verifier, key_set.as_ref())),
            shards: available_parallelism().map_or(1, usize::from),
        };
        let hub = Hub::start(hub_options, engine);
        let options = TransportOptions {
            allowed_origins: config.auth.allowed_origins.clone(),
            handshake_timeout: config.limits.handshake_timeout,
            tls: tls.clone(),
            version: VERSION,
            log_connections: config.log_connections,
            log_lines_dropped: &logging::LINES_DROPPED,
            drain: DrainOptions { grace: config.drain.grace, reconnect_spread: config.drain.reconnect_spread },
        };
        let (counters, supervisor) = (hub.counters().clone(), hub.supervisor().clone());
        let transport = Transport::bind(&config.addr, hub.clone(), options)?;
        let follows = key_set.map(|source| {
            tokio::spawn(supervisor.clone().watch("the task that fetches published keys", source.follow(counters)))
        });
        let watches = tls.clone().map(|tls| {
            tokio::spawn(supervisor.clone().watch("the task that reads the certificate again", tls.watch()))
        });
        let follows = Follows(follows.into_iter().chain(watches).collect());
        Ok(App { transport, hub, grace: config.drain.grace, tls, _follows: follows })
    }

    /// The addresses that are bound, with the ports that the system chose for 0.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.transport.local_addrs()
    }

    /// Serves until `shutdown` is ready, or a task has failed that the server cannot do without; then drains, and
    /// closes the engine.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Drained {
        let (began, begins) = oneshot::channel();
        let hub = self.hub.clone();
        let shutdown = async {
            tokio::select! {
                () = shutdown => {}
                () = hub.failed() => tracing::error!("shutting down: the server cannot go on without it"),
            }
            // The other end waits for it below.
            let _ = began.send(Instant::now());
        };
        let drained = self.transport.serve(shutdown).await;
        let spent = begins.await.map_or(Duration::ZERO, |began| began.elapsed());
        let grace = if self.hub.failure().is_some() { Duration::ZERO } else { self.grace };
        close(&**self.hub.engine(), grace.saturating_sub(spent).max(CLOSE_ENGINE_MIN)).await;
        drained
    }
}

/// Lets the engine finish. What it has acknowledged is safe even if it does not in time.
async fn close(engine: &dyn Engine, within: Duration) {
    let (answer, closed) = oneshot::channel();
    // Who gave up waiting has said so.
    engine.close(Box::new(move |result| drop(answer.send(result))));
    match tokio::time::timeout(within, closed).await {
        Ok(Ok(Ok(()))) => tracing::debug!(engine = engine.name(), "the engine is closed"),
        Ok(Ok(Err(error))) => tracing::error!(%error, "the engine was not closed well"),
        Ok(Err(_)) | Err(_) => tracing::error!("the engine was not closed in time"),
    }
}

/// SIGTERM and SIGINT.
struct Ends {
    terminate: Signal,
    interrupt: Signal,
}

impl Ends {
    fn new() -> std::io::Result<Self> {
        Ok(Ends { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Runs the server until SIGTERM or SIGINT, says what is bound, and drains. A second signal ends the process at once; so
/// does the first while the server is being started, and then there is nothing to drain.
///
/// # Errors
/// When an address cannot be bound, or signals cannot be had.
pub async fn run(config: &Config) -> Result<(), Box<dyn std::error::Error>> {
    let mut ends = Ends::new()?;
    let mut hangup = signal(SignalKind::hangup())?;
    let _survived = signal(SignalKind::from_raw(SIGXFSZ))?;
    let app = tokio::select! {
        app = App::bind(config) => app?,
        name = ends.next() => {
            tracing::info!(signal = name, "ended during the start");
            return Ok(());
        }
    };
    let scheme = if app.tls.is_some() { "https" } else { "http" };
    for addr in app.local_addrs() {
        tracing::info!(%addr, "listening; the test page is at {scheme}://{}/", reachable(addr));
    }
    let reload = app.tls.clone();
    let reloads = async move {
        while hangup.recv().await.is_some() {
            let Some(tls) = reload.clone() else {
                tracing::info!("SIGHUP: there is no certificate to read again");
                continue;
            };
            match spawn_blocking(move || tls.reload()).await {
                Ok(Ok(())) => tracing::info!("SIGHUP: the certificate was read again"),
                Ok(Err(error)) => tracing::error!(%error, "SIGHUP: the certificate from before stays"),
                Err(error) => tracing::error!(%error, "SIGHUP: the certificate was not read"),
            }
        }
    };
    let reloads = app.hub.supervisor().clone().watch("the task that waits for SIGHUP", reloads);
    let _reloads = Follows(vec![tokio::spawn(reloads)]);
    tell_engine(config);
    let (signals, signalled) = oneshot::channel::<()>();
    // A task of its own: a second signal ends the process whatever it does then.
    tokio::spawn(async move {
        let signal = ends.next().await;
        tracing::info!(signal, "shutting down; a second signal ends at once");
        drop(signals);
        let signal = ends.next().await;
        tracing::warn!(signal, "ended by a second signal");
        logging::flush();
        std::process::exit(1);
    });
    let hub = app.hub.clone();
    let drained = app.run(async { drop(signalled.await) }).await;
    tracing::info!(connections = drained.connections, cut_off = drained.cut_off, "drained");
    hub.failure().map_or(Ok(()), |failure| Err(failure.into()))
}

fn tell_engine(config: &Config) {
    let sqlite = &config.engine.sqlite;
    let dir = sqlite.dir.display();
    match (config.engine.r#type, sqlite.fsync) {
        (EngineType::Memory, _) => tracing::info!("engine: memory; the history of channels ends with the process"),
        (EngineType::Sqlite, Fsync::Commit) => {
            tracing::info!(%dir, "engine: sqlite; what is acknowledged is on the disk")
        }
        (EngineType::Sqlite, Fsync::Interval) => {
            tracing::info!(%dir, "engine: sqlite; the disk is forced at intervals")
        }
    }
}

/// An address that a browser on this machine can open: the unspecified one is not.
fn reachable(addr: SocketAddr) -> String {
    if addr.ip().is_unspecified() { format!("localhost:{}", addr.port()) } else { addr.to_string() }
}

fn limits(config: &Config) -> Limits {
    same_fields!(config.limits => Limits {
        connections_max, connections_per_ip_max, connections_per_user_max, handshakes_per_second,
        requests_per_second, requests_burst, message_bytes_max, channels_per_connection_max, outbox_bytes_max,
        broadcast_log_bytes_max, channel_log_bytes_max, channel_logs_bytes_max, errors_max, errors_window,
        write_timeout;
        unauthenticated_max: config.auth.unauthenticated_max
    })
}

/// On what terms connections authenticate.
fn auth_terms(config: &Config, authenticator: Option<Arc<dyn Authenticator>>) -> Auth {
    same_fields!(config.auth => Auth {
        anonymous, authenticate_within, expiry_notice, expiry_grace;
        authenticator: authenticator
    })
}

/// What checks tokens, if there are keys.
fn authenticator(verifier: Option<Arc<Verifier>>, key_set: Option<&KeySource>) -> Option<Arc<dyn Authenticator>> {
    match key_set {
        Some(source) => Some(Arc::new(source.authenticator())),
        None => Some(verifier?),
    }
}

/// What follows the published keys, which have been fetched once.
async fn key_set(config: &Config, verifier: Option<&Arc<Verifier>>) -> Result<Option<KeySource>, StartError> {
    let Some((url, verifier)) = config.auth.jwks_url.as_ref().zip(verifier) else { return Ok(None) };
    let refused = |error| StartError::KeySet { url: url.to_string(), error };
    let source = KeySource::new(url, config.auth.jwks_refresh, verifier.clone()).map_err(refused)?;
    source.fetch().await.map_err(refused)?;
    Ok(Some(source))
}

/// The certificate, where there is one.
fn tls(config: &Config) -> Result<Option<Tls>, TlsError> {
    let files = config.tls.cert_file.as_ref().zip(config.tls.key_file.as_ref());
    files.map(|(cert_file, key_file)| Tls::load(cert_file, key_file)).transpose()
}

/// An interval of zero turns heartbeats off, and the timeout with it.
fn heartbeat(config: &Config) -> Heartbeat {
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    match ms(config.heartbeat.interval) {
        0 => Heartbeat { interval_ms: 0, timeout_ms: 0 },
        interval_ms => Heartbeat { interval_ms, timeout_ms: ms(config.heartbeat.timeout) },
    }
}

fn engine(config: &Config) -> Result<Arc<dyn Engine>, OpenError> {
    Ok(match config.engine.r#type {
        EngineType::Memory => Arc::new(MemoryEngine::new(memory_limits(config))),
        EngineType::Sqlite => Arc::new(SqliteEngine::open(sqlite_options(config))?),
    })
}

fn sqlite_options(config: &Config) -> SqliteOptions {
    let sqlite = &config.engine.sqlite;
    let fsync = match sqlite.fsync {
        Fsync::Commit => ws_engine_sqlite::Fsync::Commit,
        Fsync::Interval => ws_engine_sqlite::Fsync::Interval(sqlite.fsync_interval),
    };
    same_fields!(sqlite => SqliteOptions {
        batch_publications_max, queue_bytes_max, idle_channels_max;
        dir: sqlite.dir.clone(); fsync: fsync
    })
}

fn memory_limits(config: &Config) -> MemoryLimits {
    same_fields!(config.engine.memory => MemoryLimits { history_bytes_max, idle_channels_max })
}

/// The options of channels, with and without a namespace.
fn namespaces(config: &Config) -> Namespaces {
    let named = config.namespaces.iter().map(|(name, channels)| (name.as_str().into(), channel_options(channels)));
    Namespaces { default: channel_options(&config.channels), named: named.collect() }
}

fn channel_options(channels: &Channels) -> Arc<ChannelOptions> {
    Arc::new(same_fields!(channels => ChannelOptions {
        history_size, history_ttl, presence, join_leave, join_leave_max, on_lag, subscribe, publish, read_history,
        read_presence
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Access;

    #[test]
    fn namespaces_have_their_own_options() {
        let mut config = Config::default();
        let news = Channels { history_size: 7, publish: Access::Nobody, ..Channels::default() };
        config.namespaces.insert("news".to_owned(), news);
        let namespaces = namespaces(&config);
        let size = |namespace| namespaces.get(namespace).map(|options| options.history_size);
        assert_eq!([size(None), size(Some("news")), size(Some("chat"))], [Some(100), Some(7), None]);
        assert_eq!(namespaces.named["news"].publish, Access::Nobody);
        assert_eq!(memory_limits(&config).idle_channels_max, 100_000);
    }
}
