//! `ws-bench`: puts load on a server that speaks the ws-server protocol and says what it did.
//!
//! One process, few sockets' worth of state per connection, and nothing measured but what
//! crosses the wire and what `/proc` says about one process. `README.md` explains the figures.

use std::process::ExitCode;

use clap::Parser;

mod channel;
mod cli;
mod failure;
mod frame;
mod lanes;
mod limits;
mod measure;
mod message;
mod opening;
mod process;
mod progress;
mod report;
mod request;
mod scenario;
mod socket;
mod stage;
mod target;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let json = cli.scenario.common().json;
    match scenario::run(cli) {
        Ok(report) => {
            print!("{}", if json { report.json() } else { report.table() });
            ExitCode::from(if report.ok() { 0 } else { 1 })
        }
        Err(failure) => {
            eprintln!("ws-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}
