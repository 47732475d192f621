//! A cluster that can be broken: servers in processes of their own, over one Redis that each reaches through a proxy of its
//! own, over one that a Sentinel watches, or over a Redis Cluster.

use std::net::SocketAddr;

use tokio::task::JoinHandle;
use ws_tests::fault_proxy::FaultProxy;
use ws_tests::prelude::*;
use ws_tests::redis::{Redis, RedisCluster, Sentinel};

use super::trace::{FEW_SIZE, FEW_TTL};
use crate::SERVER;

pub(super) const LEASE: Duration = Duration::from_secs(3);
pub(super) const COMMAND_TIMEOUT: Duration = Duration::from_secs(1);

/// Few, so that what happens to one of them happens to somebody.
pub(super) const PARTITIONS: u16 = 8;

/// Where the servers listen: an address of loopback that no other test uses, so that a server that comes back finds its
/// port free.
const HOST: [u8; 4] = [127, 0, 0, 6];

pub(super) struct Stage {
    /// `redis-server` or `valkey-server`.
    pub(super) program: &'static str,
    pub(super) store: Store,
    pub(super) nodes: Vec<Node>,
}

/// Which of them a fault needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Alone,
    Watched,
    Cluster,
}

pub(super) enum Store {
    Alone(Box<Redis>),
    Watched(Box<Watched>),
    Cluster(RedisCluster),
}

/// A primary that a Sentinel watches, and its replica.
pub(super) struct Watched {
    pub(super) primary: Redis,
    pub(super) replica: Redis,
    pub(super) sentinel: Sentinel,
}

/// A server, and the way from it to Redis.
pub(super) struct Node {
    pub(super) addr: SocketAddr,
    /// Where it finds Redis.
    url: String,
    /// `None`: it dials whomever it is led to.
    proxy: Option<FaultProxy>,
    /// `None`: it was killed.
    pub(super) process: Option<Process>,
    /// What its processes say.
    logs: Vec<JoinHandle<Vec<String>>>,
}

impl Stage {
    pub(super) async fn set(program: &'static str, kind: Kind, servers: usize) -> Self {
        let store = Store::start(program, kind).await;
        let mut nodes = Vec::new();
        for _ in 0..servers {
            let (url, proxy) = store.way().await;
            let mut node = Node { addr: SocketAddr::from((HOST, 0)), url, proxy, process: None, logs: Vec::new() };
            node.start().await;
            nodes.push(node);
        }
        Stage { program, store, nodes }
    }

    pub(super) fn addrs(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.addr).collect()
    }

    /// The one Redis.
    pub(super) fn redis(&mut self) -> &mut Redis {
        match &mut self.store {
            Store::Alone(redis) => redis,
            Store::Watched(_) | Store::Cluster(_) => panic!("there is more than one"),
        }
    }

    /// Another Redis takes the place of this one, which is returned. Connections stay where they are.
    pub(super) fn replace(&mut self, redis: Redis) -> Redis {
        self.nodes.iter().for_each(|node| node.proxy().set_upstream(redis.addr()));
        std::mem::replace(self.redis(), redis)
    }

    /// Ends it. What its servers have warned of, and what its Sentinel has done.
    pub(super) async fn strike(self) -> Vec<String> {
        let mut said = Vec::new();
        if let Store::Watched(watched) = &self.store {
            said.extend(watched.sentinel.log().into_iter().map(|line| format!("Sentinel: {line}")));
        }
        for (nth, mut node) in self.nodes.into_iter().enumerate() {
            node.kill().await;
            for log in node.logs {
                let lines = log.await.expect("the log is text");
                let warnings = lines.into_iter().filter(|line| !line.contains(r#""level":"INFO""#));
                said.extend(warnings.map(|line| format!("server {nth}: {line}")));
            }
        }
        said
    }
}

impl Store {
    async fn start(program: &str, kind: Kind) -> Self {
        match kind {
            Kind::Alone => Store::Alone(Box::new(Redis::listening(program, &QUICK_REPLICAS).await)),
            Kind::Watched => {
                let primary = Redis::listening(program, &[]).await;
                let (host, port) = (primary.addr().ip().to_string(), primary.addr().port().to_string());
                let replica = Redis::listening(program, &["--replicaof", &host, &port]).await;
                replica.has_all_of(&primary).await;
                let sentinel = Sentinel::start(&primary, &replica).await;
                Store::Watched(Box::new(Watched { primary, replica, sentinel }))
            }
            Kind::Cluster => Store::Cluster(RedisCluster::start(program).await),
        }
    }

    /// What leads one more server to it.
    async fn way(&self) -> (String, Option<FaultProxy>) {
        match self {
            Store::Alone(redis) => {
                let proxy = FaultProxy::start(redis.addr()).await;
                (format!("redis://{}", proxy.addr()), Some(proxy))
            }
            Store::Watched(watched) => (watched.sentinel.url(), None),
            Store::Cluster(cluster) => (cluster.url(), None),
        }
    }
}

impl Node {
    /// What is between it and the one Redis.
    pub(super) fn proxy(&self) -> &FaultProxy {
        self.proxy.as_ref().expect("it leads to one Redis")
    }

    /// Starts it, at the same address as before.
    pub(super) async fn start(&mut self) {
        let (size, ttl) = (FEW_SIZE.to_string(), format!("{}s", FEW_TTL.as_secs()));
        let timeout = format!("{}s", COMMAND_TIMEOUT.as_secs());
        let variables = [
            ("ENGINE__TYPE", "redis"),
            ("ENGINE__REDIS__URL", &self.url),
            ("ENGINE__REDIS__PARTITIONS", &PARTITIONS.to_string()),
            ("ENGINE__REDIS__LEASE", &format!("{}s", LEASE.as_secs())),
            ("ENGINE__REDIS__COMMAND_TIMEOUT", &timeout),
            ("CANARY__INTERVAL", "0s"),
            ("LIMITS__ERRORS_MAX", "0"),
            ("CHANNELS__READ_HISTORY", "anyone"),
            ("CHANNELS__READ_PRESENCE", "anyone"),
            ("NAMESPACES__LOG__HISTORY_SIZE", "1000000"),
            ("NAMESPACES__LOG__HISTORY_TTL", "0s"),
            ("NAMESPACES__FEW__HISTORY_SIZE", &size),
            ("NAMESPACES__FEW__HISTORY_TTL", &ttl),
            ("NAMESPACES__PASS__HISTORY_SIZE", "0"),
            ("NAMESPACES__ROOM__JOIN_LEAVE", "true"),
        ];
        let variables: Vec<_> = variables.iter().map(|(key, value)| (format!("WS_SERVER__{key}"), *value)).collect();
        let variables: Vec<_> = variables.iter().map(|(key, value)| (key.as_str(), *value)).collect();
        let mut process = Process::start_at(self.addr, SERVER, &variables).await;
        self.addr = process.addr();
        self.logs.push(process.follow_log());
        self.process = Some(process);
    }

    pub(super) async fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill().await;
        }
    }

    pub(super) fn process(&self) -> &Process {
        self.process.as_ref().expect("it runs")
    }
}

/// A replica need not wait for others.
pub(super) const QUICK_REPLICAS: [&str; 2] = ["--repl-diskless-sync-delay", "0"];
