//! The alert rules: `promtool` takes them, their unit tests pass, and each says what to do.

use std::collections::BTreeSet;
use std::process::Command;

use ws_tests::prelude::*;

use super::queries::{document, of_rules, read};

fn promtool(args: &[&str], file: &str) {
    let output = Command::new(require::found("promtool")).args(args).arg(document(file)).output().expect("it starts");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && said.contains("SUCCESS"), "promtool {args:?} {file}: {said}");
}

#[test]
#[cfg_attr(not(found = "promtool"), ignore = "promtool (prometheus) is missing")]
fn promtool_takes_the_rules_and_their_tests() {
    promtool(&["check", "rules"], "prometheus/alerts.yml");
    promtool(&["test", "rules"], "prometheus/alerts.test.yml");
}

#[test]
fn each_rule_says_what_is_wrong_and_what_to_do() {
    let text = read("prometheus/alerts.yml");
    let rules: Vec<_> = text.split("- alert: ").skip(1).collect();
    assert_eq!(rules.len(), of_rules().len(), "each has its expression");
    for rule in &rules {
        let name = rule.lines().next().expect("a name");
        let severity = ["critical", "warning"].iter().filter(|s| rule.contains(&format!("{{severity: {s}}}"))).count();
        let count = |key: &str| rule.matches(&format!("\n          {key}: ")).count();
        assert_eq!((severity, count("summary"), count("runbook")), (1, 1, 1), "{name}");
    }
    let names: BTreeSet<_> = rules.iter().filter_map(|rule| rule.lines().next()).collect();
    assert_eq!(names.len(), rules.len(), "each has its own name");
    let tests = read("prometheus/alerts.test.yml");
    let tested = tests.split("alertname: ").skip(1).filter_map(|rest| rest.split([',', '\n']).next());
    let unknown: Vec<_> = tested.filter(|name| !names.contains(name)).collect();
    assert!(unknown.is_empty(), "tests of rules that there are not: {unknown:?}");
}
