//! The command line: flags and subcommands. The configuration parses the values of flags, so that a bad value
//! is reported together with all other mistakes.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::config::Sources;
use crate::doctor::DoctorArgs;
use crate::token::TokenArgs;

const AFTER_HELP: &str = "\
A value is taken from the first of these that sets it: a flag, the environment, the file, the default.

Environment:
  WS_SERVER__SECTION__KEY  Any key of the file: WS_SERVER__LIMITS__MESSAGE_BYTES_MAX=128KiB
  WS_SERVER__AUTH__KEYS__0__SECRET  The secret that tokens are signed with (HS256)
  WEBSOCKET_ADDR           As --addr, comma separated
  WS_SERVER_CONFIG         As --config
  WS_SERVER_DATA_DIR       As --data-dir
  WS_SERVER_API_KEY        As --api-key
  RUST_LOG                 What is logged: error, warn, info (default), debug, trace, or per module

Exit codes: 0 success, 1 failure at the start or later, 2 wrong usage, 78 mistakes in the configuration
(found before any port is bound).
All keys, their defaults and bounds: docs/OPERATIONS.md";

/// The parsed command line.
#[derive(Debug, Parser)]
#[command(name = "ws-server", version, about, after_help = AFTER_HELP)]
pub struct Cli {
    /// `None`: serve.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Address to listen on; may be given several times [default: 0.0.0.0:3000] [env: WEBSOCKET_ADDR]
    #[arg(long, value_name = "IP:PORT|unix:PATH", global = true, help_heading = "Configuration")]
    pub addr: Vec<String>,

    /// Configuration file, in TOML [env: WS_SERVER_CONFIG]
    #[arg(long, value_name = "FILE", global = true, help_heading = "Configuration")]
    pub config: Option<PathBuf>,

    /// Keep channels in a database in this directory, across restarts and crashes [env: WS_SERVER_DATA_DIR]
    #[arg(long, value_name = "DIR", global = true, help_heading = "Configuration")]
    pub data_dir: Option<String>,

    /// Turn the HTTP API on, with this key; better in the environment or in a file, where other users of the machine
    /// do not see it [env: WS_SERVER_API_KEY]
    #[arg(long, value_name = "KEY", global = true, help_heading = "Configuration")]
    pub api_key: Option<String>,

    /// How the log is written: text or json [default: text] [env: WS_SERVER__LOG_FORMAT]
    #[arg(long, value_name = "FORMAT", global = true, help_heading = "Configuration")]
    pub log_format: Option<String>,
}

/// What to do instead of serving.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Check the configuration and name every mistake in it
    CheckConfig,
    /// Print the effective configuration, and where its values come from
    PrintConfig,
    /// Check this machine and what the configuration needs of it: files, addresses, clock, disk, proxy, speed
    Doctor(DoctorArgs),
    /// List the channels that a database holds, with their counts and sizes
    Inspect {
        /// Directory of the database; a server may be using it
        dir: PathBuf,
    },
    /// Print the history of a channel: one JSON object a line, the oldest publication first
    Export {
        /// Directory of the database; a server may be using it
        dir: PathBuf,
        /// Name of the channel
        channel: String,
        /// Only publications after this offset
        #[arg(long, value_name = "OFFSET", default_value_t = 0)]
        after: u64,
    },
    /// Give every channel of a database a new epoch, after a backup was restored
    RenewEpochs {
        /// Directory of the database; no server may be using it
        dir: PathBuf,
    },
    /// Make a token for development, signed with the first secret in [[auth.keys]]
    Token(TokenArgs),
    /// Print the version of the server and of its protocol
    Version,
}

impl Cli {
    /// The sources of the configuration: these flags and the environment.
    #[must_use]
    pub fn sources(&self, env: impl IntoIterator<Item = (OsString, OsString)>) -> Sources {
        Sources { config: self.config.clone(), env: env.into_iter().collect(), ..Sources::default() }
            .flag("--addr", self.addr.clone())
            .flag("--data-dir", self.data_dir.clone())
            .flag("--api-key", self.api_key.clone())
            .flag("--log-format", self.log_format.clone())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::config::{Config, LogFormat, flag_names};

    #[track_caller]
    fn check(args: &[&str], command: Option<Command>, expect: impl FnOnce(&Config)) {
        let cli = Cli::try_parse_from([&["ws-server"], args].concat()).expect("right usage");
        assert_eq!(cli.command, command);
        expect(&Config::load(&cli.sources([])).expect("no mistakes"));
    }

    #[test]
    fn flags_reach_the_configuration() {
        check(&[], None, |config| assert_eq!(*config, Config::default()));
        check(&["--addr", "[::1]:1", "--addr=[::1]:2"], None, |config| assert_eq!(config.addr.len(), 2));
        let json = |config: &Config| assert_eq!(config.log_format, LogFormat::Json);
        check(&["print-config", "--log-format", "json"], Some(Command::PrintConfig), json);
        check(&["--log-format", "json", "check-config"], Some(Command::CheckConfig), json);
    }

    #[test]
    fn every_flag_of_the_table_is_offered() {
        let help = Cli::command().render_long_help().to_string();
        for (flag, variable) in flag_names() {
            assert!(help.contains(&format!("{flag} ")), "{flag} is in the help");
            assert!(variable.is_none_or(|variable| help.contains(variable)), "{variable:?} is in the help");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
