//! The server as a process: it logs what is bound, reads its certificate again on SIGHUP, and drains on SIGTERM and
//! SIGINT.

use std::net::SocketAddr;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use ws_transport::{ListenAddr, Tls};

use crate::app::App;
use crate::background::BackgroundTasks;
use crate::config::Config;
use crate::{api_keys, claude, engine, logging};

/// SIGXFSZ of Linux: a write went over the limit of file sizes. Without a listener it ends the process; with one, the
/// write fails as it does on a full disk.
const SIGXFSZ: i32 = 25;

/// Runs the server until SIGTERM or SIGINT, then drains it. A second signal ends the process at once. So does the first
/// one during the start, when there is nothing to drain yet.
///
/// # Errors
/// When the server cannot start, a task that it needs has failed, or signals cannot be received.
pub async fn run(config: &Config) -> Result<(), Box<dyn std::error::Error>> {
    let mut shutdown = ShutdownSignals::new()?;
    let hangup = signal(SignalKind::hangup())?;
    let _ignored = signal(SignalKind::from_raw(SIGXFSZ))?;
    let app = tokio::select! {
        app = App::bind(config) => app?,
        name = shutdown.next() => {
            tracing::info!(signal = name, "ended during the start");
            return Ok(());
        }
    };
    log_addresses(&app);
    engine::log(config);
    api_keys::log(config);
    claude::log(config);
    let hub = app.hub().clone();
    let reload =
        hub.supervisor().clone().watch("the task that waits for SIGHUP", reload_on(hangup, app.tls().cloned()));
    let _reload = BackgroundTasks(vec![tokio::spawn(reload)]);
    let (stop, stopped) = oneshot::channel();
    // A task of its own, so that a second signal ends the process whatever the server is doing.
    tokio::spawn(shutdown.twice(stop));
    let drained = app.run(async { drop(stopped.await) }).await;
    tracing::info!(connections = drained.connections, cut_off = drained.cut_off, "drained");
    hub.failure().map_or(Ok(()), |failure| Err(failure.into()))
}

fn log_addresses(app: &App) {
    let scheme = if app.tls().is_some() { "https" } else { "http" };
    for addr in app.bound_addrs() {
        match &addr {
            ListenAddr::Tcp(tcp) => {
                tracing::info!(%addr, "listening; the test page is at {scheme}://{}/", reachable(*tcp))
            }
            ListenAddr::Unix(_) => tracing::info!(%addr, "listening on a Unix socket"),
        }
    }
    match app.metrics_addr() {
        Some(addr @ ListenAddr::Unix(_)) => tracing::info!(%addr, "listening; only /metrics is there"),
        Some(ListenAddr::Tcp(addr)) => {
            tracing::info!(%addr, "listening; only {scheme}://{}/metrics is there", reachable(addr));
        }
        None => {}
    }
}

/// An address that a browser on this machine can open. The unspecified address is not one.
fn reachable(addr: SocketAddr) -> String {
    if addr.ip().is_unspecified() { format!("localhost:{}", addr.port()) } else { addr.to_string() }
}

/// Reads the certificate again on each SIGHUP.
async fn reload_on(mut hangup: Signal, tls: Option<Tls>) {
    while hangup.recv().await.is_some() {
        let Some(tls) = tls.clone() else {
            tracing::info!("SIGHUP: there is no certificate to read again");
            continue;
        };
        match spawn_blocking(move || tls.reload()).await {
            Ok(Ok(())) => tracing::info!("SIGHUP: the certificate was read again"),
            Ok(Err(error)) => tracing::error!(%error, "SIGHUP: the previous certificate stays in use"),
            Err(error) => tracing::error!(%error, "SIGHUP: the certificate was not read"),
        }
    }
}

/// SIGTERM and SIGINT.
struct ShutdownSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl ShutdownSignals {
    fn new() -> std::io::Result<Self> {
        Ok(ShutdownSignals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// The first signal drops `stop`, the second ends the process.
    async fn twice(mut self, stop: oneshot::Sender<()>) {
        let signal = self.next().await;
        tracing::info!(signal, "shutting down; a second signal ends at once");
        drop(stop);
        let signal = self.next().await;
        tracing::warn!(signal, "ended by a second signal");
        logging::flush();
        std::process::exit(1);
    }
}
