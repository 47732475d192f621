//! Looks for the programs that some tests need (`src/require.rs`), so that `cargo test` lists tests that cannot run as
//! ignored, with the reason. Looks again when something is installed in a folder of `PATH`.

#[allow(dead_code, unreachable_pub)]
#[path = "src/require.rs"]
mod require;

use std::env;
use std::path::Path;

/// A key for the real API of Claude: with it, one test asks there.
const REAL_CLAUDE: &str = "WS_TEST_ANTHROPIC_API_KEY";

fn main() {
    let names: Vec<_> = require::PROGRAMS.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    println!("cargo::rustc-check-cfg=cfg(found, values({}))", names.join(", "));
    let all = env::var_os("WS_TEST_REQUIRE").is_some_and(|value| value == "all");
    for (name, _) in require::PROGRAMS.iter().filter(|(_, find)| all || find().is_some()) {
        println!("cargo::rustc-cfg=found=\"{name}\"");
    }
    println!("cargo::rustc-check-cfg=cfg(real_claude)");
    if env::var_os(REAL_CLAUDE).is_some_and(|key| !key.is_empty()) {
        println!("cargo::rustc-cfg=real_claude");
    }
    for variable in ["PATH", "WS_TEST_PYTHON", "WS_TEST_REQUIRE", REAL_CLAUDE] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let package = Path::new("js/node_modules/ws");
    let node = if package.is_dir() { package } else { Path::new("js") };
    let watched = env::split_paths(&path).chain(["build.rs".into(), "src/require.rs".into(), node.into()]);
    // If a file is missing, cargo looks for it again every time.
    for path in watched.filter(|path| path.exists()) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}
