//! A hub on the network: bind, serve, drain.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use ws_core::{AddressShares, Connection, Count, HeartbeatMode, Hub, Session};
use ws_proto::CloseCode;

use crate::bound::{BindError, Bound};
use crate::connection_log::{ConnectionLog, LogConnections};
use crate::endpoint::SessionEndpoint;
use crate::http::{Accepted, AllowedOrigin, Api, ApiKey, HubRoutes, Metrics, MetricsRoutes, Patience};
use crate::limits::{DRAIN_CLOSE_MIN, DRAIN_NOTICE, FAILED_GRACE};
use crate::listen_addr::ListenAddr;
use crate::listener::{OpenEndpoint, Server};
use crate::proxy::ProxyOptions;
use crate::socket::SocketOptions;
use crate::socket_slots::SocketSlots;
use crate::tls::Tls;

/// What an operator sets for the sockets.
#[derive(Debug, Clone)]
pub struct TransportOptions {
    /// Origins of the pages that may connect. Empty: the server's own origin, and this machine.
    pub allowed_origins: Vec<AllowedOrigin>,
    /// Time for a complete TLS handshake, then for a complete request head, and for the client to take an answer.
    pub handshake_timeout: Duration,
    /// Time between two requests of an HTTP connection.
    pub keep_alive: Duration,
    /// Most sockets of one IPv4 address, or of one IPv6 /64 network, that are no WebSockets yet, or are being closed;
    /// 0: no limit.
    pub sockets_per_ip_max: usize,
    /// Encrypts all addresses but Unix sockets. `None`: none is encrypted.
    pub tls: Option<Tls>,
    /// Keys of the HTTP API. Empty: it is off.
    pub api_keys: Vec<ApiKey>,
    /// Which peers are proxies, and how they name the client.
    pub proxy: ProxyOptions,
    /// Where `/metrics` is served, and nothing else. `None`: on all addresses, with everything else.
    pub metrics_addr: Option<ListenAddr>,
    /// Version of the product, for `/health`, `/metrics` and the `connected` event.
    pub version: &'static str,
    /// Which connections are logged.
    pub log_connections: LogConnections,
    /// Lines that the log of the process has dropped, for `/metrics`.
    pub log_lines_dropped: &'static Count,
    /// How the server ends.
    pub drain: DrainOptions,
}

/// How a server ends.
#[derive(Debug, Clone, Copy)]
pub struct DrainOptions {
    /// Time from the notice to the end. Connections that are still open then are cut off.
    pub grace: Duration,
    /// The window over which the clients' reconnect slots are spread.
    pub reconnect_spread: Duration,
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections when it began.
    pub connections: usize,
    /// Those of them that were still open when the grace period was over, and were cut off.
    pub cut_off: usize,
}

/// Bound sockets of a hub that are not served yet: clients wait in the listen backlog.
#[derive(Debug)]
pub struct Transport {
    hub: Hub,
    listeners: Vec<Arc<Bound>>,
    metrics: Option<Arc<Bound>>,
    options: TransportOptions,
}

impl Transport {
    /// Binds all addresses.
    ///
    /// # Errors
    /// When one cannot be bound. Then none is.
    pub fn bind(addrs: &[ListenAddr], hub: Hub, options: TransportOptions) -> Result<Self, BindError> {
        let bind = |addr| Bound::new(addr).map(Arc::new);
        let listeners = addrs.iter().map(bind).collect::<Result<_, _>>()?;
        let metrics = options.metrics_addr.as_ref().map(bind).transpose()?;
        Ok(Transport { hub, listeners, metrics, options })
    }

    /// The addresses that are bound, with the ports that the system chose for 0.
    pub fn bound_addrs(&self) -> Vec<ListenAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Those of them that are IP addresses.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.bound_addrs().iter().filter_map(ListenAddr::tcp).collect()
    }

    /// Where `/metrics` is served alone, if that is so.
    pub fn metrics_addr(&self) -> Option<ListenAddr> {
        self.metrics.as_ref()?.local_addr().ok()
    }

    /// Serves until `shutdown` is ready, then drains. HTTP is served until the last WebSocket is closed.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Drained {
        // The listeners are kept here too, so that files of Unix sockets are gone when this returns.
        let Transport { hub, listeners, metrics, options } = self;
        let slots = SocketSlots::default();
        let open = TaskTracker::new();
        let api = Api::new(hub.clone(), options.api_keys.clone(), options.version, open.clone());
        let (version, dropped) = (options.version, options.log_lines_dropped);
        let all_metrics = Arc::new(Metrics::new(hub.clone(), version, dropped, slots.clone(), api.clone()));
        let server = server(&hub, &options, &all_metrics, api, slots, open);
        let mut accepting = JoinSet::new();
        for listener in &listeners {
            let accept = server.clone().accept(listener.clone());
            accepting.spawn(hub.supervisor().clone().watch("the task that accepts connections", accept));
        }
        if let Some(listener) = &metrics {
            let accept = metrics_server(&server, all_metrics).accept(listener.clone());
            accepting.spawn(hub.supervisor().clone().watch("the task that accepts connections for metrics", accept));
        }
        shutdown.await;
        let began = Instant::now();
        let connections = hub.admitted();
        tracing::info!(connections, "draining");
        let notice = DRAIN_NOTICE.min(options.drain.grace / 4);
        hub.drain(notice, options.drain.reconnect_spread);
        if connections > 0 {
            tokio::time::sleep(notice).await;
        }
        hub.close_all(CloseCode::GoingAway);
        server.sockets.close();
        // Connections that are left then are cut off: the end of the process, or of a test's runtime, drops them.
        tokio::select! {
            () = server.sockets.wait() => {}
            () = tokio::time::sleep_until((began + options.drain.grace).max(Instant::now() + DRAIN_CLOSE_MIN)) => {}
            // If a task of the server is dead, its connections cannot be closed in order.
            () = async { hub.failed().await; tokio::time::sleep_until(began + FAILED_GRACE).await } => {}
        }
        let cut_off = server.sockets.len();
        // The tasks hold the listeners until they have ended, and with them the files of Unix sockets.
        accepting.shutdown().await;
        Drained { connections, cut_off }
    }
}

fn server(
    hub: &Hub,
    options: &TransportOptions,
    metrics: &Arc<Metrics>,
    api: Arc<Api>,
    slots: SocketSlots,
    sockets: TaskTracker,
) -> Server<HubRoutes, HubSessions> {
    let limits = hub.limits();
    let socket_options = Arc::new(SocketOptions {
        message_bytes_max: limits.message_bytes_max,
        outbox_bytes_max: limits.outbox_bytes_max,
        clock: hub.clock(),
        counters: hub.counters().clone(),
        slots,
        addresses: AddressShares::new(options.sockets_per_ip_max),
        log: ConnectionLog::new(options.log_connections),
    });
    Server {
        routes: Arc::new(HubRoutes {
            hub: hub.clone(),
            api,
            metrics: options.metrics_addr.is_none().then(|| metrics.clone()),
            sockets: socket_options.clone(),
            origins: options.allowed_origins.clone(),
            version: options.version,
        }),
        endpoints: Arc::new(HubSessions { server: format!("ws-server/{}", options.version) }),
        options: socket_options.clone(),
        patience: Patience { head: options.handshake_timeout, keep_alive: options.keep_alive },
        tls: options.tls.clone(),
        proxy: Arc::new(options.proxy.clone()),
        sockets,
    }
}

/// A server of metrics alone. Who asks for them does so without a proxy.
fn metrics_server(
    server: &Server<HubRoutes, HubSessions>,
    metrics: Arc<Metrics>,
) -> Server<MetricsRoutes, HubSessions> {
    Server {
        routes: Arc::new(MetricsRoutes(metrics)),
        endpoints: server.endpoints.clone(),
        options: server.options.clone(),
        patience: server.patience,
        tls: server.tls.clone(),
        proxy: Arc::default(),
        sockets: server.sockets.clone(),
    }
}

/// Opens sessions of a hub.
#[derive(Debug)]
struct HubSessions {
    /// Product and version.
    server: String,
}

impl OpenEndpoint<Accepted> for HubSessions {
    type Endpoint = SessionEndpoint;

    fn heartbeat(&self, accepted: &Accepted) -> HeartbeatMode {
        accepted.heartbeat
    }

    fn open(&self, accepted: Accepted, connection: &Arc<Connection>, answer: Vec<u8>) -> SessionEndpoint {
        let Accepted { permit, login, .. } = accepted;
        let opened = Session::open(permit, connection, login, &self.server, answer);
        SessionEndpoint(opened.inspect_err(|code| connection.close(*code)).ok())
    }
}

/// Where there is nothing but metrics, no WebSocket is opened.
impl OpenEndpoint<Infallible> for HubSessions {
    type Endpoint = SessionEndpoint;

    fn heartbeat(&self, never: &Infallible) -> HeartbeatMode {
        match *never {}
    }

    fn open(&self, never: Infallible, _: &Arc<Connection>, _: Vec<u8>) -> SessionEndpoint {
        match never {}
    }
}
