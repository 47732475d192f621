//! The binary's parts: configuration, command line, log, and the wiring of the server.
//!
//! A library too, so that tests start the server in their own process, on port 0.
//! What another crate needs does not live here.

pub mod app;
pub mod auth;
pub mod cli;
pub mod config;
pub mod database;
pub mod file_limit;
pub mod files;
pub mod key_set;
mod limits;
pub mod logging;
pub mod output;
mod renewal;
pub mod token;
