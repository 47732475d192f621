//! HTTP/1.1 over a plain socket: sends exactly what the test says, and parses the responses.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::raw::Raw;
pub use crate::response::Response;

/// The response to one request on a new connection.
pub async fn ask(addr: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
    Raw::connect(addr).await.ask(method, path, headers).await
}

/// The response to a GET.
pub async fn get(addr: SocketAddr, path: &str) -> Response {
    ask(addr, "GET", path, &[]).await
}

/// The current `/metrics`, as OpenMetrics.
pub async fn metrics(addr: SocketAddr) -> Metrics {
    let response = ask(addr, "GET", "/metrics", &[("Accept", "application/openmetrics-text")]).await;
    assert_eq!(response.status, 200, "{response:?}");
    Metrics::parse(response.text())
}

/// How the samples of a family end, by its type.
const SUFFIXES: [(&str, &str); 6] = [
    ("", "gauge"),
    ("_total", "counter"),
    ("_info", "info"),
    ("_bucket", "histogram"),
    ("_sum", "histogram"),
    ("_count", "histogram"),
];

/// The samples of a metrics page, by name and labels as written.
#[derive(Debug, Clone)]
pub struct Metrics {
    samples: BTreeMap<String, f64>,
    /// Names of the metric families, with their types.
    pub families: BTreeMap<String, String>,
}

impl Metrics {
    /// Parses OpenMetrics text, as strictly as the tests need.
    ///
    /// # Panics
    /// If it is not OpenMetrics.
    pub fn parse(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("OpenMetrics ends with # EOF");
        let (mut samples, mut families) = (BTreeMap::new(), BTreeMap::new());
        for line in body.lines() {
            if let Some(about) = line.strip_prefix("# ") {
                if let Some((name, kind)) = about.strip_prefix("TYPE ").and_then(|about| about.split_once(' ')) {
                    assert!(families.insert(name.to_owned(), kind.to_owned()).is_none(), "twice: {line}");
                }
                continue;
            }
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("a sample: {line:?}"));
            let bare = name.split('{').next().unwrap_or_default();
            let has_family = |(suffix, kind): &(&str, &str)| {
                bare.strip_suffix(suffix).and_then(|family| families.get(family)).is_some_and(|found| found == kind)
            };
            assert!(SUFFIXES.iter().any(has_family), "a sample without a family: {line}");
            let value = value.parse().unwrap_or_else(|_| panic!("a number: {line:?}"));
            assert!(samples.insert(name.to_owned(), value).is_none(), "twice: {line}");
        }
        Metrics { samples, families }
    }

    /// Adds the samples of another server.
    pub fn add(&mut self, other: Metrics) {
        other.samples.into_iter().for_each(|(name, value)| *self.samples.entry(name).or_default() += value);
        self.families.extend(other.families);
    }

    /// How many samples there are.
    pub fn count(&self) -> usize {
        self.samples.len()
    }

    /// The gauges of connections and channels with their values: without time, memory, and what the engine keeps.
    pub fn gauges(&self) -> BTreeMap<&str, f64> {
        let is_gauge = |name: &str| self.families.get(name).is_some_and(|kind| kind == "gauge");
        let moves = |name: &str| ["ws_uptime", "ws_engine", "process"].iter().any(|other| name.starts_with(other));
        let gauges = self.samples.iter().map(|(name, value)| (name.as_str(), *value));
        gauges.filter(|(name, _)| is_gauge(name) && !moves(name)).collect()
    }

    /// The buckets of a histogram without labels, by their bounds.
    pub fn buckets(&self, name: &str) -> Vec<f64> {
        let start = format!("{name}_bucket{{le=\"");
        let bound = |sample: &str| sample.strip_prefix(&start)?.strip_suffix("\"}")?.parse::<f64>().ok();
        let samples = self.samples.iter().filter_map(|(sample, value)| Some((bound(sample)?, *value)));
        let mut buckets: Vec<_> = samples.collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        buckets.into_iter().map(|(_, value)| value).collect()
    }

    /// One sample: `ws_connections`, `ws_requests_total{action="echo"}`.
    ///
    /// # Panics
    /// If there is none.
    pub fn get(&self, name: &str) -> f64 {
        *self.samples.get(name).unwrap_or_else(|| panic!("no sample {name} in {:?}", self.samples.keys()))
    }
}
