//! Traces: what is in the repository is what the machine says, and can be replayed from the files alone.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::scenarios;
use super::script::{Trace, options};
use super::simulation;
use crate::machine::{Input, Machine, Random};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/traces")
}

fn text(trace: &Trace) -> String {
    // One step a line.
    let steps: Vec<_> = trace.steps.iter().map(|step| serde_json::to_string(step).expect("it serializes")).collect();
    let quoted = |text: &str| Value::from(text).to_string();
    format!(
        "{{\"name\":{},\"about\":{},\"options\":{},\"steps\":[\n{}\n]}}\n",
        quoted(&trace.name),
        quoted(&trace.about),
        trace.options,
        steps.join(",\n")
    )
}

/// Every trace, made anew.
fn all() -> Vec<Trace> {
    let mut traces = scenarios::all();
    traces.extend(simulation::traces());
    traces
}

#[test]
fn the_files_are_what_the_machine_says() {
    let writes = std::env::var("WS_TRACES").is_ok_and(|mode| mode == "write");
    let mut names: Vec<String> = Vec::new();
    for trace in all().into_iter().filter(|trace| !trace.steps.is_empty()) {
        let (path, fresh) = (folder().join(format!("{}.json", trace.name)), text(&trace));
        names.push(format!("{}.json", trace.name));
        if writes {
            std::fs::write(&path, fresh).expect("writable");
        } else {
            let kept = std::fs::read_to_string(&path).unwrap_or_default();
            let differs = fresh.lines().zip(kept.lines()).position(|(fresh, kept)| fresh != kept);
            assert!(fresh == kept, "{}: line {differs:?} differs; WS_TRACES=write writes it", path.display());
        }
    }
    names.sort();
    names.windows(2).for_each(|pair| assert_ne!(pair[0], pair[1], "two traces of one name"));
    let mut kept: Vec<_> = std::fs::read_dir(folder())
        .expect("the folder exists")
        .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
        .collect();
    kept.sort();
    assert_eq!(kept, names, "files without a scenario");
}

/// As another language does it.
#[test]
fn the_files_replay() {
    for entry in std::fs::read_dir(folder()).expect("the folder exists") {
        let path = entry.expect("readable").path();
        let text = std::fs::read_to_string(&path).expect("readable");
        let trace: Trace = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        replay(&trace);
    }
}

fn replay(trace: &Trace) {
    let draws = Arc::new(Mutex::new(VecDeque::new()));
    let random = {
        let draws = draws.clone();
        Random::new(move || draws.lock().expect("nobody panics").pop_front().expect("a draw is listed"))
    };
    let mut machine = Machine::new(options(&trace.options), random);
    for (nth, line) in trace.steps.iter().enumerate() {
        draws.lock().expect("nobody panics").extend(line.random.iter().copied());
        let input: Input = serde_json::from_value(line.r#in.clone()).expect("an input");
        let step = machine.step(line.at, line.wall, input);
        let out: Value = serde_json::from_str(&serde_json::to_string(&step.out).expect("it serializes")).expect("JSON");
        assert_eq!((out, step.timer), (Value::from(line.out.clone()), line.timer), "{} step {nth}", trace.name);
        assert!(draws.lock().expect("nobody panics").is_empty(), "{} step {nth}: draws are left", trace.name);
    }
}
