//! Looks for Redis and Valkey, which the tests need, so that `cargo test` lists them as ignored where one is missing.

use std::env;

/// How all tests of the repository look for programs.
#[allow(dead_code, unreachable_pub)]
#[path = "../../tests/src/require.rs"]
mod require;

fn main() {
    let all = env::var_os("WS_TEST_REQUIRE").is_some_and(|value| value == "all");
    for (cfg, program) in [("found_redis", "redis-server"), ("found_valkey", "valkey-server")] {
        println!("cargo::rustc-check-cfg=cfg({cfg})");
        if all || require::find(program).is_some() {
            println!("cargo::rustc-cfg={cfg}");
        }
    }
    for variable in ["PATH", "WS_TEST_PYTHON", "WS_TEST_REQUIRE"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    for path in ["build.rs", "../../tests/src/require.rs"] {
        println!("cargo::rerun-if-changed={path}");
    }
}
