//! A server in the test's own process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use ws_core::Engine;
use ws_server::app::App;
use ws_server::config::Config;

use crate::client::Client;
use crate::http::{self, Metrics};
use crate::wait::{until, within};

/// A running server. Dropping it ends its task without a drain.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    shutdown: Option<oneshot::Sender<()>>,
    task: JoinHandle<(usize, usize)>,
}

impl Server {
    /// A server with the default configuration, on a port of loopback that the system chooses.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with some of the configuration changed.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config();
        change(&mut config);
        Self::run(App::bind(&config).await.expect("port 0 can be bound"))
    }

    /// The same with the test's own engine.
    pub async fn over(engine: Arc<dyn Engine>, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config();
        change(&mut config);
        Self::run(App::bind_with(&config, |_| Ok(engine)).await.expect("port 0 can be bound"))
    }

    fn run(app: App) -> Self {
        let addr = *app.local_addrs().first().expect("one address");
        let (shutdown, asked) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let drained = app.run(async move { drop(asked.await) }).await;
            (drained.connections, drained.cut_off)
        });
        Server { addr, shutdown: Some(shutdown), task }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// A client that has read its `connected`.
    pub async fn connect(&self) -> Client {
        Client::connect(self.addr, "/ws").await
    }

    /// `n` clients, connected one after the other.
    pub async fn connect_many(&self, count: usize) -> Vec<Client> {
        let mut clients = Vec::with_capacity(count);
        for _ in 0..count {
            clients.push(self.connect().await);
        }
        clients
    }

    /// The current `/metrics`.
    pub async fn metrics(&self) -> Metrics {
        http::metrics(self.addr).await
    }

    /// Waits until a metric has this value.
    pub async fn wait_for_metric(&self, name: &str, value: f64) {
        let mut last = None;
        let what = format!("{name} = {value}");
        until(&what, async || {
            last = Some(self.metrics().await.get(name));
            (last == Some(value)).then_some(())
        })
        .await;
    }

    /// Starts the drain.
    pub fn begin_drain(&mut self) {
        drop(self.shutdown.take());
    }

    /// Waits until the server has ended by itself.
    pub async fn ended(mut self) {
        within("the server to end", &mut self.task).await.expect("the server's task ends well");
    }

    /// Drains, and returns how many connections there were and how many were cut off.
    pub async fn stop(mut self) -> (usize, usize) {
        self.begin_drain();
        within("the server to drain", &mut self.task).await.expect("the server's task ends well")
    }
}

fn config() -> Config {
    let mut config = Config { addr: vec![SocketAddr::from(([127, 0, 0, 1], 0)).into()], ..Config::default() };
    config.drain.reconnect_spread = Duration::from_secs(1);
    // Tests count what they publish; those of the canary turn it on.
    config.canary.interval = Duration::ZERO;
    config
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
