//! The queries of the dashboard and of the alert rules, and what they ask for.

use std::fs;
use std::path::{Path, PathBuf};

use ws_tests::prelude::*;

pub(super) fn document(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the repository").join("docs").join(name)
}

pub(super) fn read(name: &str) -> String {
    let path = document(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(super) fn dashboard() -> Value {
    serde_json::from_str(&read("grafana/ws-server.json")).expect("a dashboard is JSON")
}

/// A query, and where it is.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) place: String,
    pub(super) expr: String,
}

/// The queries of all panels, as Grafana sends them for all servers of the job `ws-server`.
pub(super) fn of_dashboard() -> Vec<Query> {
    let dashboard = dashboard();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expr = target["expr"].as_str().expect("a query");
            let expr = expr.replace("$job", "ws-server").replace("$instance", ".*").replace("$__rate_interval", "10s");
            assert!(!expr.contains('$'), "a variable that Grafana does not know: {expr}");
            let place = format!("panel {:?}, query {}", panel["title"].as_str().expect("a title"), target["refId"]);
            queries.push(Query { place, expr });
        }
    }
    queries
}

/// The expressions of all rules. `expr:` is followed by the rest of the line, or by `>-` and deeper lines.
pub(super) fn of_rules() -> Vec<Query> {
    let text = read("prometheus/alerts.yml");
    let (mut queries, mut alert) = (Vec::new(), String::new());
    let mut lines = text.lines().peekable();
    let depth = |line: &str| line.len() - line.trim_start().len();
    while let Some(line) = lines.next() {
        if let Some(name) = line.trim_start().strip_prefix("- alert: ") {
            alert = name.to_owned();
        } else if let Some(expr) = line.trim_start().strip_prefix("expr: ") {
            let mut expr = expr.to_owned();
            if expr == ">-" {
                expr.clear();
                while let Some(more) = lines.next_if(|more| depth(more) > depth(line)) {
                    expr = format!("{expr} {}", more.trim());
                }
            }
            queries.push(Query { place: format!("rule {alert}"), expr });
        }
    }
    queries
}

/// What a query asks of one metric.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) metric: String,
    /// Labels that it selects or groups by.
    pub(super) labels: Vec<String>,
    /// Label and value that have to be there, as far as the query names whole values.
    pub(super) values: Vec<(String, String)>,
}

/// The metrics of a query, with the labels that are selected, and those that the aggregation around it groups by.
pub(super) fn asked(expr: &str) -> Vec<Asked> {
    let (mut found, mut groups) = (Vec::<Asked>::new(), Vec::new());
    let mut rest = expr;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic()) {
        let end = rest[start..].find(|c: char| !is_word(c)).map_or(rest.len(), |len| start + len);
        let (word, before) = (&rest[start..end], rest[..start].chars().next_back());
        rest = &rest[end..];
        // The unit of a duration: `5m`.
        let is_unit = before.is_some_and(|c| c.is_ascii_digit());
        if let Some(list) = rest.trim_start().strip_prefix('(').filter(|_| ["by", "on"].contains(&word)) {
            let (labels, after) = list.split_once(')').expect("it is closed");
            if word == "by" {
                groups = labels.split(',').map(|label| label.trim().to_owned()).collect();
            }
            rest = after;
        } else if !is_unit && !is_function(rest) && !["and", "offset"].contains(&word) {
            let mut asked = Asked { metric: word.to_owned(), labels: std::mem::take(&mut groups), values: Vec::new() };
            if let Some(selector) = rest.strip_prefix('{') {
                let (selector, after) = selector.split_once('}').expect("it is closed");
                selector.split("\",").for_each(|matcher| asked.select(matcher.trim()));
                rest = after;
            }
            found.push(asked);
        }
    }
    found
}

/// Whether the word before this is a function or an aggregation.
fn is_function(rest: &str) -> bool {
    rest.starts_with('(') || rest.starts_with(" by (")
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

impl Asked {
    /// `label="value"`, or with another operator.
    fn select(&mut self, matcher: &str) {
        let (label, value) = matcher.split_once('"').expect("a value in quotes");
        let value = value.trim_end_matches('"');
        let operator = label.trim_start_matches(is_word);
        let label = label.strip_suffix(operator).expect("the end").to_owned();
        self.labels.push(label.clone());
        let values = value.split('|').filter(|value| operator.starts_with('=') && !value.contains('.'));
        self.values.extend(values.map(|value| (label.clone(), value.to_owned())));
    }
}

#[test]
fn a_query_is_taken_apart() {
    let expr = r#"histogram_quantile(0.99, sum by (le, action) (rate(a_bucket{job="x",code=~"5..|401"}[5m])))
                  / on (job) b and sum(c{d!="e"} offset 6h) > 1"#;
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let values = |values: &[(&str, &str)]| values.iter().map(|(l, v)| ((*l).to_owned(), (*v).to_owned())).collect();
    let expect = [
        Asked {
            metric: "a_bucket".to_owned(),
            labels: owned(&["le", "action", "job", "code"]),
            values: values(&[("job", "x"), ("code", "401")]),
        },
        Asked { metric: "b".to_owned(), ..Asked::default() },
        Asked { metric: "c".to_owned(), labels: owned(&["d"]), values: Vec::new() },
    ];
    assert_eq!(asked(expr), expect);
}
