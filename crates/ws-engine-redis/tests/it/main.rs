//! The engine against a real Redis or Valkey, which each test starts for itself.

mod conformance;
mod faults;
mod fixture;
mod leases;
mod node;
mod nodes;
mod peer;
mod presence;
/// How all tests of the repository look for programs.
#[allow(dead_code, unreachable_pub)]
#[path = "../../../../tests/src/require.rs"]
mod require;
mod start;
mod users;
