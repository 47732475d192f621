//! Programs that a machine may not have. A test that needs one is skipped, and says so; with `WS_TEST_REQUIRE=all` in the
//! environment it fails instead, so that CI cannot skip it unseen.

use std::path::PathBuf;
use std::process::Command;

/// What was found; `None` means: skip the test.
///
/// # Panics
/// When nothing was found and `WS_TEST_REQUIRE` is `all`.
pub fn or_skip<T>(found: Option<T>, what: &str) -> Option<T> {
    if found.is_none() {
        let all = std::env::var_os("WS_TEST_REQUIRE").is_some_and(|value| value == "all");
        assert!(!all, "{what} is missing, and WS_TEST_REQUIRE=all forbids to skip");
        eprintln!("skipped: {what} is missing");
    }
    found
}

/// The first of these programs that runs with `args` and says that all is well.
pub fn program(names: &[&str], args: &[&str]) -> Option<PathBuf> {
    let runs = |name: &&&str| Command::new(name).args(args).output().is_ok_and(|output| output.status.success());
    names.iter().find(runs).map(PathBuf::from)
}
