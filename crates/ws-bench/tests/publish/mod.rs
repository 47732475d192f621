//! Whole runs of `publish`: what it measures, and what it detects.

use super::server::{Fault, Server};
use super::{Run, run, run_until};

const PUBLISH: &str = "publish --publishers 4 --in-flight 3 --channels 2";

#[track_caller]
fn fine(run: &Run) {
    assert_eq!((run.code, run.problems().as_str()), (Some(0), "[]"), "{}", run.stderr);
}

#[test]
fn publish_measures_acknowledgements() {
    for options in ["", " --threads 2 --msg-ids", " --namespace chat --payload 1000"] {
        let run = run_until(100, &format!("{PUBLISH}{options} --pid {}", std::process::id()), Fault::None);
        fine(&run);
        assert!(run.report["publishes"].as_u64() > Some(0));
        assert!(run.report["latency_us"]["p50"].as_f64() <= run.report["latency_us"]["max"].as_f64());
        assert_eq!((&run.report["ack"], &run.report["errors"]), (&"durable".into(), &0.into()));
        assert_eq!(run.report["msg_ids"], options.contains("--msg-ids"));
        for key in ["server_cpu_us_per_publish", "server_rss_kib_before", "server_rss_kib_after"] {
            assert!(run.report[key].is_number(), "{key}");
        }
    }
}

#[test]
fn publish_fails_on_errors_and_wrong_answers() {
    let line = "publish --publishers 1 --in-flight 2";
    for (fault, problem) in [
        (Fault::Refuse, "error answers, the first: overloaded: not today"),
        (Fault::Garble, "wrong answers, the first: {"),
        (Fault::Again, "1 wrong answers, the first: {"),
        (Fault::Stay, "1 wrong answers, the first: offset 1 is not above the publisher's last one"),
        (Fault::Skip, "1 channels with wrong offsets"),
        (Fault::Ignore, "1 publishes were never answered"),
    ] {
        let run = run_until(20, line, fault);
        assert_eq!(run.code, Some(1), "{fault:?}");
        assert!(run.problems().contains(problem), "{fault:?}: {}", run.problems());
        assert_eq!(run.report["errors"].as_u64() > Some(0), fault == Fault::Refuse, "{fault:?}");
    }
}

#[test]
fn an_offset_given_to_two_publishers_is_found_in_the_end() {
    // Which of the two gets the offset again is chance; where it is the one that had it, that is found at once.
    let was_found = (0..50).any(|_| {
        let run = run_until(20, "publish --publishers 2", Fault::Stay);
        assert_eq!(run.code, Some(1), "{}", run.problems());
        run.problems().contains("publishes were acknowledged, with offsets 1 to ")
    });
    assert!(was_found, "in none of the runs");
}

#[test]
fn levels_and_offsets_may_be_of_several_kinds() {
    let run = run_until(20, PUBLISH, Fault::Mix);
    fine(&run);
    assert_eq!(run.report["ack"], "mixed");
    assert!(run.report["acks_memory"].as_u64() > Some(0), "{}", run.report);
    let run = run_until(20, PUBLISH, Fault::Forget);
    fine(&run);
    assert!(run.report["notes"].to_string().contains("no offsets to check"), "{}", run.report);
}

#[test]
fn a_sweep_has_a_row_for_each_number_of_publishers() {
    let server = Server::start(Fault::None);
    let run = run("publish --sweep 1,4,2 --channels 3 --msg-ids", &server.url);
    fine(&run);
    let rows = run.report["rows"].as_array().expect("rows");
    let publishers: Vec<_> = rows.iter().map(|row| row["publishers"].as_u64()).collect();
    assert_eq!(publishers, [Some(1), Some(4), Some(2)]);
    assert!(rows.iter().all(|row| row["publishes"].as_u64() > Some(0) && row["ack"] == "durable"));
}

#[test]
fn a_sweep_that_is_interrupted_has_the_rows_until_then() {
    let run = run_until(20, "publish --sweep 2,1", Fault::None);
    fine(&run);
    assert_eq!(run.report["rows"].as_array().map(Vec::len), Some(1));
    assert!(run.report["notes"].to_string().contains("interrupted"), "{}", run.report);
}

#[test]
fn a_sweep_with_a_bad_row_fails() {
    let run = run_until(20, "publish --sweep 1,2", Fault::Refuse);
    assert_eq!((run.code, &run.report["rows"][0]["ok"]), (Some(1), &false.into()));
    assert!(run.problems().contains("1 publishers: ") && run.problems().contains("not today"), "{}", run.problems());
}
