//! `ws-server doctor`: looks at the machine and at the configuration as a server would find them, and says what is
//! wrong and what to do. It reads the configuration as the server does, and leaves nothing behind.
//!
//! Each check is a file here. A check never fails: whatever goes wrong in it is what it found. The answer is a table or
//! JSON, and the exit code is 1 if there is a problem.

mod clock;
mod data_directory;
mod fanout;
mod idle_cut;
mod ports;
mod redis;
mod report;
mod socket;

use clap::Args;

use crate::config::{Config, Warning, duration};
use crate::file_limit;
use clock::StartedAt;
use report::{Check, Report};

/// The flags of `doctor`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct DoctorArgs {
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,

    /// Public URL of the server's WebSocket, such as wss://chat.example.org/ws: measures after how much silence a proxy
    /// on the way cuts a connection
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,

    /// Leave out the fan-out, which keeps all CPUs busy for 3 s
    #[arg(long)]
    pub no_fanout: bool,

    /// How much silence to try at most
    #[arg(long, value_name = "DURATION", default_value = "2m", requires = "url")]
    pub idle_max: String,
}

/// What was found.
#[derive(Debug)]
pub struct Findings {
    report: Report,
    as_json: bool,
}

impl Findings {
    /// Whether nothing keeps the server from working. Warnings do not.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.report.is_fine()
    }

    /// The table, or JSON if that was asked for.
    #[must_use]
    pub fn text(&self) -> String {
        if self.as_json { self.report.to_json() } else { self.report.to_table() }
    }
}

/// Makes all checks. `warnings` are those that the start would log. Takes 3 s, and with a URL as long as the connection
/// survives, up to `--idle-max`.
///
/// # Errors
/// A sentence: what is wrong with the arguments, or that there is no runtime.
pub fn run(args: &DoctorArgs, config: &Config, warnings: &[Warning]) -> Result<Findings, String> {
    let idle_max = duration(&args.idle_max).filter(|idle_max| !idle_max.is_zero());
    let idle_max = idle_max.ok_or_else(|| format!("--idle-max {:?}: a duration such as 90s or 10m", args.idle_max))?;
    file_limit::raise(config);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| error.to_string())?;
    let checks = runtime.block_on(async {
        let started = StartedAt::now();
        let mut checks = vec![open_files(config)];
        let (of_ports, use_of_ports) = ports::check(config).await;
        checks.extend(of_ports);
        checks.push(data_directory::check(config));
        checks.push(redis::check(config).await);
        checks.extend(warnings.iter().map(|warning| Check::warning("configuration", warning.to_string(), None)));
        if let Some(url) = &args.url {
            checks.push(idle_cut::check(url, config, use_of_ports, idle_max).await);
        }
        if !args.no_fanout {
            checks.push(fanout::check().await);
        }
        checks.push(clock::check(config, started).await);
        checks
    });
    runtime.shutdown_background();
    Ok(Findings { report: Report(checks), as_json: args.json })
}

/// The limit of open files. Whether it suffices for the configuration is among the warnings and mistakes of the start.
fn open_files(config: &Config) -> Check {
    let (limit, room) = file_limit::current();
    let most = config.limits.connections_max;
    let wanted = if most == 0 { "no limit".to_owned() } else { most.to_string() };
    Check::fine("open files", format!("{limit}, so {room} connections fit (limits.connections_max: {wanted})"))
}
