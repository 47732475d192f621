//! A server in the test's own process; or, with `WS_TEST_NODES=n`, that many servers on one Redis, which to the test are
//! one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use ws_core::Engine;
use ws_server::app::App;
use ws_server::config::{Config, EngineType};

use crate::client::Client;
use crate::dealer::Dealer;
use crate::http::{self, Metrics};
use crate::redis::Redis;
use crate::wait::{until, within};

/// A running server. Dropping it ends its task without a drain.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    nodes: Vec<Node>,
    /// In front of several, and what they share.
    cluster: Option<(Dealer, Redis)>,
}

/// One server.
#[derive(Debug)]
struct Node {
    addr: SocketAddr,
    shutdown: Option<oneshot::Sender<()>>,
    task: JoinHandle<(usize, usize)>,
}

impl Server {
    /// A server with the default configuration, on a port of loopback that the system chooses.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with some of the configuration changed. With `WS_TEST_NODES`, it is several servers, unless the test
    /// chooses an engine or addresses itself.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let (mut config, nodes) = (config(), nodes());
        let addr = config.addr.clone();
        change(&mut config);
        if nodes > 1 && config.engine.r#type == EngineType::Memory && config.addr == addr {
            return Self::cluster(config, nodes).await;
        }
        Self::one(Node::start(&config).await)
    }

    /// The same with the test's own engine.
    pub async fn over(engine: Arc<dyn Engine>, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config();
        change(&mut config);
        Self::one(Node::run(App::bind_with(&config, |_| Ok(engine)).await.expect("port 0 can be bound")))
    }

    fn one(node: Node) -> Self {
        Server { addr: node.addr, nodes: vec![node], cluster: None }
    }

    async fn cluster(mut config: Config, n: usize) -> Self {
        let redis = Redis::start().await;
        redis.configure(&mut config);
        let mut nodes = Vec::new();
        for _ in 0..n {
            nodes.push(Node::start(&config).await);
        }
        for node in &nodes {
            let ready = async || (http::get(node.addr, "/ready").await.status == 200).then_some(());
            until("each server to be ready", ready).await;
        }
        let dealer = Dealer::start(nodes.iter().map(|node| node.addr).collect(), seed()).await;
        Server { addr: dealer.addr(), nodes, cluster: Some((dealer, redis)) }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What the answer to a publication that is retained promises, unless the test has chosen the engine.
    pub fn ack(&self) -> &'static str {
        if self.cluster.is_some() { "replicated" } else { "memory" }
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

    /// The current `/metrics`; the sums of several servers.
    pub async fn metrics(&self) -> Metrics {
        let mut all = http::metrics(self.nodes[0].addr).await;
        for node in &self.nodes[1..] {
            all.add(http::metrics(node.addr).await);
        }
        all
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
        self.nodes.iter_mut().for_each(|node| drop(node.shutdown.take()));
    }

    /// Waits until the server has ended by itself.
    pub async fn ended(mut self) {
        for node in &mut self.nodes {
            within("the server to end", &mut node.task).await.expect("the server's task ends well");
        }
    }

    /// Drains, and returns how many connections there were and how many were cut off.
    pub async fn stop(mut self) -> (usize, usize) {
        self.begin_drain();
        let mut all = (0, 0);
        for node in &mut self.nodes {
            let (connections, cut_off) =
                within("the server to drain", &mut node.task).await.expect("the server's task ends well");
            all = (all.0 + connections, all.1 + cut_off);
        }
        all
    }
}

impl Node {
    async fn start(config: &Config) -> Self {
        Self::run(App::bind(config).await.expect("port 0 can be bound"))
    }

    fn run(app: App) -> Self {
        let addr = *app.local_addrs().first().expect("one address");
        let (shutdown, asked) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let drained = app.run(async move { drop(asked.await) }).await;
            (drained.connections, drained.cut_off)
        });
        Node { addr, shutdown: Some(shutdown), task }
    }
}

/// How many servers are one.
fn nodes() -> usize {
    std::env::var("WS_TEST_NODES").map_or(1, |nodes| nodes.parse().expect("WS_TEST_NODES is a number"))
}

/// Where connections go is the same in each run of a test.
fn seed() -> u64 {
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    let mut hasher = std::hash::DefaultHasher::new();
    std::hash::Hash::hash(&name, &mut hasher);
    std::hash::Hasher::finish(&hasher)
}

fn config() -> Config {
    let mut config = Config { addr: vec![SocketAddr::from(([127, 0, 0, 1], 0)).into()], ..Config::default() };
    config.drain.reconnect_spread = Duration::from_secs(1);
    // Tests count what they publish; those of the canary turn it on.
    config.canary.interval = Duration::ZERO;
    config
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
    }
}
