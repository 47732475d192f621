//! The binary's parts: configuration, command line, log, and the wiring of the server.
//!
//! A library too, so that tests start the server in their own process, on port 0. What another crate needs does not
//! live here.
//!
//! In reading order: `main` reads a [`config`] from the [`cli`] and starts the [`logging`]; [`process`] runs an
//! [`app`], which opens the [`engine`], builds the hub from `hub_options`, with keys from [`auth`], [`key_set`] and [`api_keys`], and
//! binds the transport. [`database`], [`doctor`], [`token`] and [`output`] are the other commands, and [`usage`] advises those who
//! mistype them; [`files`] and [`file_limit`]
//! check what a configuration refers to.

pub mod api_keys;
pub mod app;
pub mod auth;
mod background;
mod claude;
pub mod cli;
pub mod config;
pub mod database;
pub mod doctor;
pub mod engine;
mod error_causes;
pub mod file_limit;
pub mod files;
mod hub_options;
mod key_file;
mod key_refresh;
pub mod key_set;
mod limits;
pub mod logging;
pub mod output;
pub mod process;
mod same_fields;
mod start_error;
pub mod token;
pub mod usage;
