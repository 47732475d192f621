//! Repository tasks: `cargo xtask --help`. One module per task.
//!
//! A library too, so that the end-to-end tests install the packages that [`dist`] makes.

mod conformance;
pub mod dist;
mod schema;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Repository tasks")]
enum Chore {
    Schema(schema::Args),
    Conformance(conformance::Args),
    Dist(dist::Args),
}

/// Does the task that the command line names.
pub fn main() -> ExitCode {
    let done = match Chore::parse() {
        Chore::Schema(args) => schema::run(&args).map_err(|error| error.to_string()),
        Chore::Conformance(args) => conformance::run(&args).map_err(|error| error.to_string()),
        Chore::Dist(args) => dist::run(&args).map_err(|error| error.to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
