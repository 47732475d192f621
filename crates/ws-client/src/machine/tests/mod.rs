//! The machine against scripts and against a model of the server.

mod model;
mod scenarios;
mod script;
mod simulation;
mod traces;

pub(crate) use model::{Fault, Server};
