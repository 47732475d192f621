//! Repository tasks: `cargo xtask --help`. One module per task.

mod conformance;
mod schema;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Repository tasks")]
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
