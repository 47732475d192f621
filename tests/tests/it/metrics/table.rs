//! The table of metrics in docs/OPERATIONS.md is that of `/metrics`: names, types and labels.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ws_server::config::{Config, EngineType};
use ws_tests::prelude::*;
use ws_tests::redis::Redis;

use crate::durable::directory;

/// A type, and names of labels.
type About = (String, BTreeSet<String>);

/// The rows of the table, by metric.
fn documented() -> BTreeMap<String, About> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/OPERATIONS.md");
    let text = std::fs::read_to_string(path).expect("the document");
    let section = text.split("\n## Metrics\n").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("the section");
    let mut rows = BTreeMap::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let metric = cells[0].trim_matches('`').trim_end_matches('}');
        let (name, labels) = metric.split_once('{').unwrap_or((metric, ""));
        let labels = labels.split(',').filter(|label| !label.is_empty()).map(str::to_owned).collect();
        assert!(rows.insert(name.to_owned(), (cells[1].to_owned(), labels)).is_none(), "twice: {row}");
    }
    rows
}

/// The same of what is served in the format of Prometheus, and how often each has its help.
fn served(text: &str) -> (BTreeMap<String, About>, BTreeSet<String>) {
    let (mut metrics, mut helped) = (BTreeMap::<String, About>::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|about| about.split_once(' ')) {
            assert!(!help.is_empty() && helped.insert(name.to_owned()), "{line}");
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|about| about.split_once(' ')) {
            metrics.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new()));
        } else {
            let sample = line.rsplit_once(' ').expect("a sample").0;
            let (name, labels) = sample.split_once('{').unwrap_or((sample, ""));
            let ends = ["_bucket", "_sum", "_count"].into_iter();
            let family = ends.filter_map(|end| name.strip_suffix(end)).find(|name| metrics.contains_key(*name));
            let (_, known) = metrics.get_mut(family.unwrap_or(name)).expect("its type comes before");
            let names = labels.split("=\"").map(|part| part.rsplit([',', '"']).next().unwrap_or_default());
            known.extend(names.filter(|name| !["", "}", "le"].contains(name)).map(str::to_owned));
        }
    }
    (metrics, helped)
}

/// The page of a server with this engine that has everything which only some have.
async fn page(engine: impl FnOnce(&mut Config)) -> String {
    let server = Server::with(|config| {
        engine(config);
        config.canary.interval = Duration::from_secs(1);
        ws_tests::api::with_key(config);
    })
    .await;
    assert_eq!(http::get(server.addr(), "/api/v1/node").await.status, 401, "so that there is a series");
    until("a canary", async || {
        let page = http::get(server.addr(), "/metrics").await.text().to_owned();
        page.contains("ws_canary_round_trip_seconds").then_some(page)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg(target_os = "linux")]
#[cfg_attr(not(found = "redis-server"), ignore = "redis-server is missing")]
async fn the_table_of_metrics_is_right() {
    let redis = Redis::start().await;
    let sqlite = |config: &mut Config| {
        config.engine.r#type = EngineType::Sqlite;
        config.engine.sqlite.dir = directory("table");
    };
    let (mut all, documented) = (BTreeMap::new(), documented());
    for page in [page(sqlite).await, page(|config| redis.configure(config)).await] {
        let (served, helped) = served(&page);
        assert!(served.len() > 60, "{served:?}");
        assert_eq!(served.keys().cloned().collect::<BTreeSet<_>>(), helped, "each has its help");
        let missing: Vec<_> = served.iter().filter(|(name, about)| documented.get(*name) != Some(about)).collect();
        assert!(missing.is_empty(), "not in the table as they are: {missing:?}");
        all.extend(served);
    }
    let gone: Vec<_> = documented.keys().filter(|name| !all.contains_key(*name)).collect();
    assert!(gone.is_empty(), "in the table, and not served: {gone:?}");
}

#[test]
fn labels_are_found() {
    let text = "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"1,y\",z=\"2\"} 1\n\
                # HELP b B.\n# TYPE b histogram\nb_sum{w=\"1\"} 1\nb_bucket{le=\"+Inf\",w=\"1\"} 1\n";
    let labels = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let (metrics, _) = served(text);
    assert_eq!(metrics["a_total"], ("counter".to_owned(), labels(&["x", "z"])));
    assert_eq!(metrics["b"], ("histogram".to_owned(), labels(&["w"])));
}
