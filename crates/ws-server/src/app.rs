//! The wiring: from a configuration to a running server, and to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use ws_auth::{Key, Verifier};
use ws_core::{
    Actions, Auth, Authenticator, ChannelOptions, Engine, Heartbeat, Hub, HubOptions, Limits, MemoryEngine,
    MemoryLimits, Namespaces,
};
use ws_engine_sqlite::{OpenError, SqliteEngine, SqliteOptions};
use ws_transport::{AllowedOrigin, BindError, DrainOptions, Drained, Tls, TlsError, Transport, TransportOptions};

use crate::auth;
use crate::config::{self, Channels, Config, EngineType, Fsync, Mistake};
use crate::key_set::{FetchError, KeySource};

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
    engine: Arc<dyn Engine>,
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
    /// An address cannot be bound; then none is.
    #[error(transparent)]
    Bind(#[from] BindError),
}

impl App {
    /// Fetches published keys, opens the engine, builds the server and binds its addresses. It blocks the runtime for
    /// as long as reading files and opening a database takes.
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
        engine: impl FnOnce(&Config) -> Result<Arc<dyn Engine>, OpenError>,
    ) -> Result<Self, StartError> {
        let verifier = auth::verifier(config, auth::keys(config).map_err(StartError::Keys)?);
        let key_set = key_set(config, verifier.as_ref()).await?;
        let tls = tls(config)?;
        let engine = engine(config)?;
        let hub_options = HubOptions {
            limits: limits(config),
            heartbeat: heartbeat(config),
            namespaces: namespaces(config),
            actions: same_fields!(config.actions => Actions { broadcast, get_connections }),
            auth: auth_terms(config, authenticator(verifier, key_set.as_ref())),
            shards: available_parallelism().map_or(1, usize::from),
        };
        let hub = Hub::start(hub_options, engine.clone());
        let options = TransportOptions {
            allowed_origins: config.auth.allowed_origins.clone(),
            handshake_timeout: config.limits.handshake_timeout,
            tls: tls.clone(),
            version: VERSION,
            drain: DrainOptions { grace: config.drain.grace, reconnect_spread: config.drain.reconnect_spread },
        };
        let counters = hub.counters().clone();
        let transport = Transport::bind(&config.addr, hub, options)?;
        let follows = key_set.map(|source| tokio::spawn(source.follow(counters)));
        let watches = tls.clone().map(|tls| tokio::spawn(tls.watch()));
        let follows = Follows(follows.into_iter().chain(watches).collect());
        Ok(App { transport, engine, grace: config.drain.grace, tls, _follows: follows })
    }

    /// The addresses that are bound, with the ports that the system chose for 0.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.transport.local_addrs()
    }

    /// Serves until `shutdown` is ready, then drains, and closes the engine.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Drained {
        let (began, begins) = oneshot::channel();
        let shutdown = async {
            shutdown.await;
            // The other end waits for it below.
            let _ = began.send(Instant::now());
        };
        let drained = self.transport.serve(shutdown).await;
        let spent = begins.await.map_or(Duration::ZERO, |began| began.elapsed());
        close(&*self.engine, self.grace.saturating_sub(spent).max(CLOSE_ENGINE_MIN)).await;
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

/// Runs the server until SIGTERM or SIGINT, says what is bound and what is open, and drains. A second
/// signal ends the process at once.
///
/// # Errors
/// When an address cannot be bound, or signals cannot be had.
pub async fn run(config: &Config) -> Result<(), Box<dyn std::error::Error>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let _survived = signal(SignalKind::from_raw(SIGXFSZ))?;
    let app = App::bind(config).await?;
    let scheme = if app.tls.is_some() { "https" } else { "http" };
    for addr in app.local_addrs() {
        tracing::info!(%addr, "listening; the test page is at {scheme}://{}/", reachable(addr));
    }
    let reload = app.tls.clone();
    let _reloads = Follows(vec![tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            match reload.as_ref().map(Tls::reload) {
                Some(Ok(())) => tracing::info!("SIGHUP: the certificate was read again"),
                Some(Err(error)) => tracing::error!(%error, "SIGHUP: the certificate from before stays"),
                None => tracing::info!("SIGHUP: there is no certificate to read again"),
            }
        }
    })]);
    tell_engine(config);
    if config.auth.allowed_origins.contains(&AllowedOrigin::Any) {
        tracing::warn!("any origin is allowed: every page in a browser that reaches the server may connect");
    }
    tell_auth(config);
    let drained = app
        .run(async move {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            tracing::info!(signal = name, "shutting down; a second signal ends at once");
            tokio::spawn(async move {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                tracing::warn!("ended by a second signal");
                std::process::exit(1);
            });
        })
        .await;
    tracing::info!(connections = drained.connections, cut_off = drained.cut_off, "drained");
    Ok(())
}

/// What is open, so that nobody has to find out.
fn tell_auth(config: &Config) {
    let terms = &config.auth;
    let has_keys = !terms.keys.is_empty() || terms.jwks_url.is_some();
    match (has_keys, terms.anonymous) {
        (false, true) => {
            tracing::warn!("no authentication: whoever reaches the server may connect, publish and broadcast");
        }
        (false, false) => tracing::warn!("nobody can connect: anonymous is false, and there are no keys for tokens"),
        (true, true) => {
            tracing::warn!("anonymous connections are allowed (auth.anonymous): the modes decide what they may")
        }
        (true, false) => {}
    }
    if auth::keys(config).is_ok_and(|keys| keys.iter().any(Key::is_short)) {
        tracing::warn!("a secret in [[auth.keys]] has less than 32 bytes: it can be guessed from a token");
    }
}

fn tell_engine(config: &Config) {
    let sqlite = &config.engine.sqlite;
    match (config.engine.r#type, sqlite.fsync) {
        (EngineType::Memory, _) => tracing::info!("engine: memory; the history of channels ends with the process"),
        (EngineType::Sqlite, Fsync::Commit) => {
            tracing::info!(dir = %sqlite.dir.display(), "engine: sqlite; what is acknowledged is on the disk");
        }
        (EngineType::Sqlite, Fsync::Interval) => tracing::warn!(
            dir = %sqlite.dir.display(),
            "engine: sqlite; a power failure may lose what was acknowledged in the last {:?}",
            sqlite.fsync_interval
        ),
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
    let refused = |error| StartError::KeySet { url: url.as_str().to_owned(), error };
    let source = KeySource::new(url.as_str(), config.auth.jwks_refresh, verifier.clone()).map_err(refused)?;
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
