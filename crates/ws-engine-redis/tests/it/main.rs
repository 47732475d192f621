//! The engine against a real Redis, which each test starts for itself.

mod conformance;
mod faults;
mod fixture;
mod node;
mod nodes;
mod start;
