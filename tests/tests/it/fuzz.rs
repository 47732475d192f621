//! Inputs found by fuzzers, and some made by hand, run through the fuzz targets (`tests/fuzz`).

use std::fs;
use std::path::Path;

#[expect(unreachable_pub, reason = "it is a library for the fuzzer")]
#[path = "../../fuzz/src/lib.rs"]
mod targets;

/// Runs all seeds of a target; a failure names the seed.
fn seeds(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut count = 0;
    for file in files {
        let path = file.expect("readable").path();
        let data = fs::read(&path).expect("readable");
        if std::panic::catch_unwind(|| run(&data)).is_err() {
            panic!("{}", path.display());
        }
        count += 1;
    }
    assert!(count > 5, "there are seeds: {count}");
}

#[test]
fn claude_seeds() {
    seeds("claude", targets::claude::run);
}

#[test]
fn codec_seeds() {
    seeds("codec", targets::codec::run);
}

#[test]
fn proxy_seeds() {
    seeds("proxy", targets::proxy::run);
}

#[test]
fn session_seeds() {
    seeds("session", targets::session::run);
}

#[test]
fn token_seeds() {
    seeds("token", targets::token::run);
}

#[test]
fn upgrade_seeds() {
    seeds("upgrade", targets::upgrade::run);
}
