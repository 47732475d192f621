//! `ws-bench`: a load generator for servers that speak the ws-server protocol.
//!
//! One process with little state per connection. It measures only what crosses the wire, and CPU time and memory of
//! one process from `/proc`. `README.md` explains the figures.

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
