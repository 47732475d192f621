//! A real Prometheus scrapes servers that have something to do, and answers every query of the dashboard.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};
use ws_tests::prelude::*;
use ws_tests::redis::Redis;

use super::queries::{Query, document, of_dashboard, of_rules};
use super::{servers, traffic};

/// A running Prometheus. Dropping it kills it.
struct Prometheus {
    addr: SocketAddr,
    _dir: TempDir,
    _child: Child,
}

impl Prometheus {
    /// One that scrapes these servers every second, with the alert rules.
    fn start(servers: &[SocketAddr]) -> Self {
        let free = TcpListener::bind("127.0.0.78:0").expect("an address of loopback that nobody else uses");
        let addr = free.local_addr().expect("an address");
        drop(free);
        let dir = tempfile::tempdir().expect("a directory");
        let (rules, targets) = (json!(document("prometheus/alerts.yml")), json!(servers));
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
             rule_files: [{rules}]\n\
             scrape_configs:\n  - job_name: ws-server\n    static_configs: [{{targets: {targets}}}]\n"
        );
        let file = dir.path().join("prometheus.yml");
        fs::write(&file, config).expect("room");
        let log = fs::File::create(dir.path().join("log")).expect("room");
        let child = Command::new(require::found("prometheus"))
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .arg(format!("--web.listen-address={addr}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        Prometheus { addr, _dir: dir, _child: child }
    }

    /// Waits until it listens and has its rules.
    async fn is_ready(&self) {
        until("Prometheus", async || {
            tokio::net::TcpStream::connect(self.addr).await.ok()?;
            (http::get(self.addr, "/-/ready").await.status == 200).then_some(())
        })
        .await;
    }

    /// `data` of an answer of its API.
    async fn get(&self, path: &str) -> Value {
        let mut raw = Raw::connect(self.addr).await;
        let mut response = raw.ask("GET", path, &[("Connection", "close")]).await;
        if response.header("transfer-encoding") == Some("chunked") {
            response.body = unchunked(&raw.rest().await);
        }
        assert_eq!(response.status, 200, "{path}: {}", response.text());
        response.json()["data"].take()
    }

    /// The values that it has for a query.
    async fn values(&self, expr: &str) -> Vec<f64> {
        let query: String = expr.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let data = self.get(&format!("/api/v1/query?query={query}")).await;
        let series = data["result"].as_array().expect("series").iter();
        series.map(|one| one["value"][1].as_str().and_then(|text| text.parse().ok()).expect("a number")).collect()
    }
}

/// A chunked body as a whole.
fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|pair| pair == b"\r\n").expect("the length of a chunk");
        let digits = std::str::from_utf8(&bytes[..end]).expect("a number");
        let len = usize::from_str_radix(digits, 16).expect("a number");
        if len == 0 {
            return body;
        }
        body.extend_from_slice(&bytes[end + 2..][..len]);
        bytes = &bytes[end + 2 + len + 2..];
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(all(found = "prometheus", found = "redis-server")), ignore = "prometheus or redis-server is missing")]
async fn every_query_of_the_dashboard_has_an_answer() {
    let redis = Redis::start().await;
    let servers = servers("monitored", &redis).await;
    let prometheus = Prometheus::start(&servers.each_ref().map(Server::addr));
    prometheus.is_ready().await;
    let mut waiting: Vec<Query> = of_dashboard();
    // Read, so that it answers pings.
    let mut idle = servers[0].connect().await;
    let answered = until("an answer to every query", async || {
        for server in &servers {
            traffic(server).await;
        }
        while tokio::time::timeout(Duration::from_millis(10), idle.next()).await.is_ok() {}
        let mut still = Vec::new();
        for query in waiting.drain(..) {
            if !prometheus.values(&query.expr).await.iter().any(|value| value.is_finite()) {
                still.push(query);
            }
        }
        waiting = still;
        waiting.is_empty().then_some(())
    });
    tokio::select! {
        () = answered => {}
        () = tokio::time::sleep(DEADLINE * 3 / 4) => {}
    }
    let silent: Vec<_> = waiting.iter().map(|query| format!("{}: {}", query.place, query.expr)).collect();
    assert!(silent.is_empty(), "no data:\n  {}", silent.join("\n  "));

    let rules = until("all rules to be evaluated", async || {
        let data = prometheus.get("/api/v1/rules").await;
        let rules: Vec<_> =
            data["groups"].as_array()?.iter().flat_map(|group| group["rules"].as_array()).flatten().cloned().collect();
        rules.iter().all(|rule| rule["health"] != "unknown").then_some(rules)
    })
    .await;
    assert_eq!(rules.len(), of_rules().len());
    for rule in rules {
        assert!(rule["health"] == "ok" && rule["state"] != "firing", "{rule}");
    }
}
