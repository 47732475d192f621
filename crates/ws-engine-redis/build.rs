//! Looks for Redis, which the tests need, so that `cargo test` lists them as ignored where it is missing.

use std::env;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(found_redis)");
    let path = env::var_os("PATH").unwrap_or_default();
    let is_there = env::split_paths(&path).any(|folder| folder.join("redis-server").is_file());
    if is_there || env::var_os("WS_TEST_REQUIRE").is_some_and(|value| value == "all") {
        println!("cargo::rustc-cfg=found_redis");
    }
    for variable in ["PATH", "WS_TEST_REQUIRE"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
}
