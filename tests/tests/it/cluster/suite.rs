//! The tests of one server, against three on one Redis behind a proxy that deals connections at random: clients must not
//! notice. The tests are the same ones; this runs them once more, in a process of its own, with `WS_TEST_NODES`.

use std::collections::BTreeSet;

use tokio::process::Command;

/// The modules that say what clients may rely on.
const QUICK: [&str; 4] = ["api::", "channels::", "identity::", "http::"];

/// Those that take longer.
const LONG: [&str; 1] = ["recovery::"];

/// Tests that are about one server, and why.
const OF_ONE: [(&str, &str); 0] = [];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "redis-server"), ignore = "redis-server is missing")]
async fn clients_do_not_notice_that_they_are_served_by_three() {
    check(&QUICK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; docs/TESTING.md says how to run it"]
async fn nor_where_much_happens() {
    check(&LONG).await;
}

/// Runs all tests of these modules that are not about one server.
async fn check(modules: &[&str]) {
    let listed = run(&["--list", "--format", "terse"]).await;
    let all: BTreeSet<_> = listed.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    let unknown: Vec<_> = OF_ONE.iter().filter(|(name, _)| !all.contains(name)).collect();
    assert!(unknown.is_empty(), "there are no such tests: {unknown:?}");
    let is_of_one = |name: &str| OF_ONE.iter().any(|(other, _)| *other == name);
    let is_meant = |name: &str| modules.iter().any(|module| name.starts_with(module)) && !is_of_one(name);
    let names: Vec<_> = all.into_iter().filter(|name| is_meant(name)).collect();
    assert!(names.len() > 10, "{names:?}");
    let output = run(&[&names[..], &["--exact"]].concat()).await;
    println!("{output}");
    assert!(output.contains("test result: ok. "), "a test fails with several servers");
}

/// What the tests print, run like this.
async fn run(args: &[&str]) -> String {
    let mut command = Command::new(std::env::current_exe().expect("a path"));
    command.args(args).env("WS_TEST_NODES", "3").kill_on_drop(true);
    let output = command.output().await.expect("the tests start");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}
