//! The tests of one server, against three on one Redis behind a proxy that deals connections at random: clients must not
//! notice. The tests are the same ones; this runs them once more, in a process of its own, with `WS_TEST_NODES`.

use std::collections::BTreeSet;

use tokio::process::Command;

/// The modules that say what clients may rely on.
const QUICK: [&str; 4] = ["api::", "channels::", "identity::", "http::"];

/// Those that take longer.
const LONG: [&str; 1] = ["recovery::"];

/// Others know of it within a second, not at once; `together.rs` waits for it.
const AT_ONCE: &str = "presence and counts at once";
const OWN: &str = "what a server says of itself, or of its own connections";
const MEMORY: &str = "metrics of the memory engine";

/// Tests that are about one server, and why.
const OF_ONE: [(&str, &str); 22] = [
    ("api::frames::both_directions_are_seen_and_tokens_are_not", OWN),
    ("api::frames::it_ends_with_the_connection_and_says_the_code", OWN),
    ("api::frames::it_needs_admin_and_a_free_place", OWN),
    ("api::frames::the_statistics_of_the_server_grow", OWN),
    ("api::frames::what_comes_too_fast_is_counted", OWN),
    ("api::keys::every_path_asks_for_the_key", OWN),
    ("api::publications::broadcasts_and_presence", AT_ONCE),
    ("channels::metrics::channels_are_freed_when_nobody_is_left", MEMORY),
    ("channels::metrics::each_counts_what_it_says", MEMORY),
    ("channels::metrics::publishing_and_queries_create_no_channel", MEMORY),
    ("channels::presence::a_subscriber_that_stays_is_listed_once_while_others_leave", AT_ONCE),
    ("channels::presence::every_way_to_leave_ends_the_presence", AT_ONCE),
    ("channels::presence::everybody_is_there_once_and_anonymous_connections_are_no_users", AT_ONCE),
    ("channels::presence::pages_join_to_the_whole", AT_ONCE),
    ("http::an_incomplete_head_is_closed", AT_ONCE),
    ("http::health_and_readiness", OWN),
    ("http::metrics_move", OWN),
    ("identity::handshake::what_a_token_lists_is_subscribed", AT_ONCE),
    ("identity::key_set::a_made_up_key_id_takes_no_place", "each server lets so many wait"),
    ("identity::key_set::tokens_with_made_up_keys_are_refused_and_cost_few_fetches", "each server fetches for itself"),
    ("identity::unauthenticated::an_unauthenticated_connection_gets_nothing_and_is_not_counted", AT_ONCE),
    ("identity::unauthenticated::their_number_is_limited", "a limit of each server"),
];

#[cfg_attr(not(found = "redis-server"), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
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
