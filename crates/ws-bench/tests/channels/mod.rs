//! Whole runs of the scenarios that use channels.

use super::server::{Fault, Server};
use super::{Run, run};

const CHANNELS: &str = "channels --channels 3 --subscribers 2 --publications 60";
const RECOVER: &str = "recover --clients 6 --channels 2 --publications 20 --concurrency 3";
const SLOW: &str = "slow --subscribers 3 --slow 2 --rate 200 --bytes 1000";

fn against(fault: Fault, line: &str) -> Run {
    run(line, &Server::start(fault).url)
}

#[track_caller]
fn fine(run: &Run) {
    assert_eq!((run.code, run.problems().as_str()), (Some(0), "[]"), "{}", run.stderr);
}

#[test]
fn channels_measures_deliveries_and_memory() {
    for options in ["", " --per-connection 3 --threads 2", " --per-connection 2 --window 1 --namespace chat"] {
        let run = against(Fault::None, &format!("{CHANNELS}{options} --pid {}", std::process::id()));
        fine(&run);
        assert_eq!([&run.report["publications"], &run.report["deliveries"], &run.report["lost"]], [60, 120, 0]);
        for key in
            ["server_rss_kib_unsubscribed", "server_bytes_per_channel", "server_bytes_per_subscription_published"]
        {
            assert!(run.report[key].is_number(), "{key}");
        }
    }
}

#[test]
fn channels_may_measure_for_a_time_or_memory_alone() {
    let run = against(Fault::None, "channels --channels 2 --subscribers 2");
    fine(&run);
    assert!(run.report["deliveries"].as_u64() > Some(0));
    let line = "channels --channels 200 --subscribers 1 --per-connection 100 --publications 0";
    let run = against(Fault::None, line);
    fine(&run);
    assert!(run.report["deliveries"].is_null() && run.report["subscribe_requests_per_s"].is_number());
}

#[test]
fn channels_detects_what_the_server_did_wrong() {
    let line = "channels --channels 1 --subscribers 3 --publications 60";
    for (fault, figure) in [(Fault::Lose, "lost"), (Fault::Repeat, "duplicated"), (Fault::Announce, "gaps")] {
        let run = against(fault, line);
        for key in ["lost", "duplicated", "reordered", "gaps"] {
            assert_eq!(run.report[key], u64::from(key == figure), "{fault:?} {key}: {}", run.report);
        }
        // What was announced is no fault of the server.
        assert_eq!(run.code, Some(i32::from(fault != Fault::Announce)), "{fault:?}");
    }
    let run = against(Fault::Close, line);
    assert_eq!(run.problems(), "[\"1 connections ended, the first: closed by the server: 4001 too slow\"]");
}

#[test]
fn subscriptions_that_are_refused_end_the_run() {
    for line in [CHANNELS, RECOVER, SLOW] {
        let run = against(Fault::Refuse, line);
        assert_eq!(run.code, Some(1));
        assert!(run.stderr.contains("done, then: overloaded: not today"), "{}", run.stderr);
    }
    let run = against(Fault::None, "channels --channels 2 --per-connection 3");
    assert!(run.code == Some(1) && run.stderr.contains("there are 2 channels"), "{}", run.stderr);
}

#[test]
fn recover_counts_the_clients_that_got_everything() {
    for options in ["", " --threads 2", " --namespace chat --payload 1000", " --publications 0"] {
        let line = RECOVER
            .replace(" --publications 20", if options.contains("--publications") { "" } else { " --publications 20" });
        let run = against(Fault::None, &format!("{line}{options}"));
        fine(&run);
        assert_eq!([&run.report["recovered"], &run.report["with_gap"], &run.report["wrong"]], [6, 0, 0]);
    }
}

#[test]
fn recover_fails_when_one_client_did_not_get_everything_once_and_in_order() {
    let line = "recover --clients 5 --publications 20";
    for (fault, why) in [
        (Fault::Lose, "offset 2 arrived where 1 was expected: a hole without a gap"),
        (Fault::Repeat, "offset 1 arrived where 21 was expected"),
        (Fault::Swap, "offset 2 arrived where 1 was expected"),
    ] {
        let run = against(fault, line);
        assert_eq!((run.code, &run.report["wrong"], &run.report["recovered"]), (Some(1), &1.into(), &4.into()));
        assert!(run.problems().contains(why), "{}", run.problems());
    }
    let run = against(Fault::Announce, line);
    fine(&run);
    assert_eq!([&run.report["with_gap"], &run.report["recovered"]], [1, 4]);
    assert!(run.report["notes"].to_string().contains("told of a gap"), "{}", run.report);
}

#[test]
fn slow_compares_turns_with_and_without_slow_readers() {
    let run = against(Fault::None, &format!("{SLOW} --pid {}", std::process::id()));
    fine(&run);
    for key in ["deliveries_without_slow", "deliveries_with_slow"] {
        assert!(run.report[key].as_u64() > Some(0), "{key}");
    }
    for key in ["latency_us_turn_4_with_slow", "server_rss_kib_growth"] {
        assert!(!run.report[key].is_null(), "{key}");
    }
}

#[test]
fn slow_fails_when_a_healthy_reader_gets_a_gap() {
    let run = against(Fault::Announce, SLOW);
    assert_eq!(run.code, Some(1));
    assert!(run.problems().contains("received 1 gap events"), "{}", run.problems());
}
