//! The engine against a real Redis, which each test starts for itself.

mod conformance;
mod faults;
mod fixture;
mod leases;
mod node;
mod nodes;
mod peer;
mod presence;
mod start;
mod stats;
mod users;
