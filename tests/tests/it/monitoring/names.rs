//! Every metric, label and value that a query names is one that a running server exposes.

use std::collections::{BTreeMap, BTreeSet};

use ws_tests::prelude::*;
use ws_tests::redis::Redis;

use super::queries::{Query, asked, dashboard, of_dashboard, of_rules, read};
use super::{servers, traffic};

/// Metrics that Prometheus makes itself.
const OF_PROMETHEUS: [&str; 1] = ["up"];

/// Labels that Prometheus adds to each series.
const ADDED: [&str; 2] = ["job", "instance"];

/// Labels with their values, by name of the sample.
type Samples = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// The samples of a page in the text format of Prometheus.
fn samples(page: &str) -> Samples {
    let mut samples = Samples::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').expect("a value");
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let known = samples.entry(name.to_owned()).or_default();
        for label in labels.trim_end_matches('}').split("\",").filter(|label| !label.is_empty()) {
            let (label, value) = label.split_once("=\"").expect("a label");
            known.entry(label.to_owned()).or_default().insert(value.trim_end_matches('"').to_owned());
        }
    }
    samples
}

/// What a query asks for and the server does not have.
fn unknown(samples: &Samples, Query { place, expr }: &Query) -> Vec<String> {
    let mut unknown = Vec::new();
    for asked in asked(expr) {
        if OF_PROMETHEUS.contains(&asked.metric.as_str()) {
            continue;
        }
        let Some(labels) = samples.get(&asked.metric) else {
            unknown.push(format!("{place}: {}", asked.metric));
            continue;
        };
        let is_added = |label: &String| ADDED.contains(&label.as_str());
        let missing = asked.labels.iter().filter(|label| !is_added(label) && !labels.contains_key(*label));
        unknown.extend(missing.map(|label| format!("{place}: {}{{{label}}}", asked.metric)));
        let missing = asked.values.iter().filter(|(label, value)| {
            labels.get(label).is_some_and(|values| !values.contains(value)) && !is_added(label)
        });
        unknown.extend(missing.map(|(label, value)| format!("{place}: {}{{{label}={value:?}}}", asked.metric)));
    }
    unknown
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "redis-server"), ignore = "redis-server is missing")]
async fn what_queries_ask_for_is_there() {
    let redis = Redis::start().await;
    let mut pages = String::new();
    for server in servers("monitored-names", &redis).await {
        traffic(&server).await;
        let page = until("a canary", async || {
            let page = http::get(server.addr(), "/metrics").await.text().to_owned();
            page.contains("ws_canary_round_trip_seconds").then_some(page)
        });
        pages.push_str(&page.await);
    }
    let samples = samples(&pages);
    let queries: Vec<_> = of_dashboard().into_iter().chain(of_rules()).collect();
    assert!(queries.len() > 80, "they are found: {}", queries.len());
    let unknown: Vec<_> = queries.iter().flat_map(|query| unknown(&samples, query)).collect();
    assert!(unknown.is_empty(), "not in /metrics:\n  {}", unknown.join("\n  "));

    // What the runbooks name, and the variables of the dashboard.
    let prose = format!("{}{}", read("prometheus/alerts.yml"), dashboard()["templating"]);
    let words = prose.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names: BTreeSet<_> = words.filter(|word| word.starts_with("ws_") || word.starts_with("process_")).collect();
    let unknown: Vec<_> = names.into_iter().filter(|name| !samples.contains_key(*name)).collect();
    assert!(unknown.is_empty(), "not in /metrics: {unknown:?}");
}

#[test]
fn what_is_missing_is_found() {
    let samples = samples("# HELP a A.\na{code=\"1\",b=\"2\"} 1\na{code=\"3\",b=\"x\"} 1\nb 2\n");
    let check = |expr: &str, expect: &[&str]| {
        let query = Query { place: "p".to_owned(), expr: expr.to_owned() };
        assert_eq!(unknown(&samples, &query), expect, "{expr}");
    };
    check(r#"sum by (code, job) (rate(a{b="2"}[5m])) + up"#, &[]);
    check("rate(a_total[5m])", &["p: a_total"]);
    check(r#"sum by (reason) (a{code=~"3|4"})"#, &["p: a{reason}", "p: a{code=\"4\"}"]);
    check(r#"b{le="1"}"#, &["p: b{le}"]);
}

#[test]
fn the_dashboard_can_be_imported() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    let names: Vec<_> = variables.iter().map(|variable| variable["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["datasource", "job", "instance"]);
    assert_eq!(variables[0]["type"], "datasource", "whoever imports it chooses it");
    assert!(dashboard.get("id").is_none(), "Grafana gives it one");
    let panels = dashboard["panels"].as_array().expect("panels");
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().expect("an id")).collect();
    assert_eq!(ids.len(), panels.len(), "each has its own id");
    let mut taken = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().expect("a title");
        let side = |name: &str| panel["gridPos"][name].as_u64().expect("a place");
        assert!(side("x") + side("w") <= 24, "{title} is within the grid");
        for x in side("x")..side("x") + side("w") {
            for y in side("y")..side("y") + side("h") {
                assert!(taken.insert((x, y)), "{title} lies on another panel");
            }
        }
        for target in panel["targets"].as_array().into_iter().flatten() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            let expr = target["expr"].as_str().expect("a query").replace("$__rate_interval", "10s");
            assert_eq!(expr.matches("job=\"$job\"").count(), expr.matches("instance=~\"$instance\"").count(), "{expr}");
            assert_eq!(
                expr.matches("job=\"$job\"").count(),
                asked(&expr).len(),
                "each metric is of the chosen servers: {expr}"
            );
        }
    }
}
