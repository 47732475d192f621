//! The machine against scripts and against a model of the server.

mod crowd;
mod invariants;
mod model;
mod rates;
mod scenarios;
mod script;
mod simulation;
mod traces;

pub(crate) use model::{Fault, Server};
