//! ws-server: read the configuration, start the log, run until told to end.
//!
//! Exit codes: 0 success; 2 wrong usage (clap); 78 (EX_CONFIG) mistakes in the configuration, found before any
//! port is bound; 1 any other failure.

use std::env;
use std::io::{IsTerminal, stderr, stdout};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Parser;
use ws_proto::PROTOCOL_VERSION;
use ws_server::cli::{Cli, Command};
use ws_server::config::{self, ConfigError, Loaded, Sources, Warning};
use ws_server::logging::{self, Filter};
use ws_server::usage::with_tip;
use ws_server::{app, database, doctor, file_limit, files, output, process, token};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `EX_CONFIG` of sysexits.h.
const BAD_CONFIG: u8 = 78;

const BAD_USAGE: u8 = 2;

/// The configuration, and what is read with it.
struct Read {
    loaded: Loaded,
    filter: Filter,
    warnings: Vec<Warning>,
}

impl Read {
    /// Those of the start, and those of the certificate.
    fn all_warnings(&self) -> Vec<Warning> {
        self.warnings.iter().cloned().chain(files::warnings(&self.loaded.config)).collect()
    }
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&with_tip(error)),
    };
    match &cli.command {
        Some(Command::Version) => return say(&format!("ws-server {}, protocol {PROTOCOL_VERSION}\n", app::VERSION)),
        Some(Command::Inspect { dir }) => return done(database::inspect(dir, &mut stdout().lock())),
        Some(Command::Export { dir, channel, after }) => {
            return done(database::export(dir, channel, *after, &mut stdout().lock()));
        }
        Some(Command::RenewEpochs { dir }) => return done(database::renew_epochs(dir)),
        Some(Command::CheckConfig | Command::Doctor(_) | Command::PrintConfig | Command::Token(_)) | None => {}
    }
    let read = match read(&cli.sources(env::vars_os())) {
        Ok(read) => read,
        Err(mistakes) => {
            output::print_diagnostics(config::report(&mistakes));
            return ExitCode::from(BAD_CONFIG);
        }
    };
    match cli.command {
        Some(Command::CheckConfig) => {
            let warnings = read.all_warnings().into_iter().map(|warning| format!("warning: {warning}\n"));
            output::print_diagnostics(warnings.collect());
            say("configuration is fine\n")
        }
        Some(Command::Doctor(args)) => match doctor::run(&args, &read.loaded.config, &read.all_warnings()) {
            Ok(findings) => match say(&findings.text()) {
                ExitCode::SUCCESS if !findings.is_fine() => ExitCode::FAILURE,
                said => said,
            },
            Err(why) => done(Err(why)),
        },
        Some(Command::PrintConfig) => say(&read.loaded.to_toml()),
        Some(Command::Token(args)) => match token::make(&args, &read.loaded.config, unix_s()) {
            Ok(token) => say(&format!("{token}\n")),
            Err(why) => done(Err(why)),
        },
        _ => serve(read),
    }
}

/// Help and version go to standard output; everything else is a mistake on the command line.
fn usage(error: &clap::Error) -> ExitCode {
    let text = |is_terminal: bool| match is_terminal {
        true => error.render().ansi().to_string(),
        false => error.render().to_string(),
    };
    if error.use_stderr() {
        output::print_diagnostics(text(stderr().is_terminal()));
        return ExitCode::from(BAD_USAGE);
    }
    say(&text(stdout().is_terminal()))
}

/// Reads everything that can be wrong before the start, and reports all mistakes together.
fn read(sources: &Sources) -> Result<Read, Vec<ConfigError>> {
    let (loaded, mut mistakes) = config::load_with(sources, files::check);
    match logging::filter(sources) {
        Ok((filter, of_filter)) if mistakes.is_empty() => {
            let of_files = file_limit::warning(&loaded);
            let warnings = loaded.warnings().into_iter().chain(of_filter).chain(of_files).collect();
            Ok(Read { loaded, filter, warnings })
        }
        filter => {
            mistakes.extend(filter.err().into_iter().flatten());
            Err(mistakes)
        }
    }
}

fn unix_s() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs())
}

fn serve(read: Read) -> ExitCode {
    let config = read.loaded.config;
    if let Err(error) = logging::start(config.log_format, read.filter) {
        return done(Err(format!("the log could not be started: {error}")));
    }
    tracing::info!("ws-server {}, protocol {PROTOCOL_VERSION}", app::VERSION);
    read.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    file_limit::raise(&config);
    let code = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let ran = runtime.block_on(process::run(&config));
            // Whatever still runs, such as the opening of a database, ends with the process.
            runtime.shutdown_background();
            ran.map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS)
        }
        Err(error) => failed(&format!("the runtime could not be started: {error}")),
    };
    logging::flush();
    code
}

fn failed(why: &dyn std::fmt::Display) -> ExitCode {
    tracing::error!("{why}");
    ExitCode::FAILURE
}

fn done<E: std::fmt::Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            output::print_diagnostics(format!("ws-server: {why}\n"));
            ExitCode::FAILURE
        }
    }
}

/// Prints to standard output. Lost output is a failure.
fn say(text: &str) -> ExitCode {
    done(output::print(text).map_err(|error| format!("the output cannot be written: {error}")))
}
