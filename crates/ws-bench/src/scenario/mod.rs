//! The scenarios, one module each, and what some of them share.

use tokio::runtime::Builder;

use crate::cli::{Cli, Scenario};
use crate::failure::Failure;
use crate::report::Report;
use crate::stage::Stage;

mod api;
mod attack;
mod board;
mod channels;
mod connect;
mod echo;
mod fanout;
mod idle;
mod order;
mod pace;
mod publish;
mod recover;
mod runs;
mod slow;
mod stream;

/// Runs the scenario of the command line. The lanes do the work; the calling thread only watches.
pub(crate) fn run(cli: Cli) -> Result<Report, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stage = Stage::new(cli.scenario.common())?;
        match cli.scenario {
            Scenario::Echo(options) => echo::run(options, stage).await,
            Scenario::Fanout(options) => fanout::run(options, stage).await,
            Scenario::Idle(options) => idle::run(options, stage).await,
            Scenario::Connect(options) => connect::run(options, stage).await,
            Scenario::Channels(options) => channels::run(options, stage).await,
            Scenario::Recover(options) => recover::run(options, stage).await,
            Scenario::Slow(options) => slow::run(options, stage).await,
            Scenario::Publish(options) => publish::run(options, stage).await,
            Scenario::Api(options) => api::run(options, stage).await,
            Scenario::Runs(options) => runs::run(options, stage).await,
            Scenario::Attack(options) => attack::run(options, stage).await,
        }
    })
}
