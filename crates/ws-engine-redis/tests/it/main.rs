//! The engine against a real Redis or Valkey, which each test starts for itself.

mod authority;
mod conformance;
mod elsewhere;
mod failover;
mod faults;
mod fixture;
mod leases;
mod login;
mod node;
mod nodes;
mod peer;
mod positions;
mod presence;
mod proxy;
mod redis_cluster;
mod replicas;
/// How all tests of the repository look for programs.
#[allow(dead_code, unreachable_pub)]
#[path = "../../../../tests/src/require.rs"]
mod require;
mod sentinels;
mod shards;
mod start;
mod stats;
mod tls;
mod users;
mod wire;
