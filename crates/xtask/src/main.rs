//! Chores of this repository: `cargo xtask --help`. A module per chore.

mod conformance;
mod schema;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Chores of this repository")]
enum Chore {
    Schema(schema::Args),
    Conformance(conformance::Args),
}

fn main() -> ExitCode {
    let done = match Chore::parse() {
        Chore::Schema(args) => schema::run(&args).map_err(|error| error.to_string()),
        Chore::Conformance(args) => conformance::run(&args).map_err(|error| error.to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace that this was built from.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
