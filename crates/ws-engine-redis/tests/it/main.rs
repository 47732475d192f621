//! The engine against a real Redis, which each test starts for itself.

mod authority;
mod conformance;
mod failover;
mod faults;
mod fixture;
mod leases;
mod login;
mod node;
mod nodes;
mod peer;
mod presence;
mod proxy;
mod replicas;
mod sentinels;
mod start;
mod tls;
mod users;
