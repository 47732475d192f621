//! ws-server: read the configuration, start the log, run until told to end.
//!
//! Exit codes: 0; 2 wrong usage (clap); 78 (EX_CONFIG) mistakes in the configuration, found before any
//! port is bound; 1 for what goes wrong after that.

use std::env;
use std::io::{Write, stdout};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Parser;
use ws_proto::PROTOCOL_VERSION;
use ws_server::cli::{Cli, Command};
use ws_server::config::{self, Config, Loaded, Mistake, Sources};
use ws_server::logging::{self, Filter};
use ws_server::{app, database, file_limit, files, token};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `EX_CONFIG` of sysexits.h.
const BAD_CONFIG: u8 = 78;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match &cli.command {
        Some(Command::Version) => return say(&format!("ws-server {}, protocol {PROTOCOL_VERSION}\n", app::VERSION)),
        Some(Command::Inspect { dir }) => return done(database::inspect(dir, &mut stdout().lock())),
        Some(Command::Export { dir, channel, after }) => {
            return done(database::export(dir, channel, *after, &mut stdout().lock()));
        }
        Some(Command::RenewEpochs { dir }) => return done(database::renew_epochs(dir)),
        Some(Command::CheckConfig | Command::PrintConfig | Command::Token(_)) | None => {}
    }
    let (loaded, filter) = match read(&cli.sources(env::vars_os())) {
        Ok(read) => read,
        Err(mistakes) => {
            eprint!("{}", config::report(&mistakes));
            return ExitCode::from(BAD_CONFIG);
        }
    };
    match cli.command {
        Some(Command::CheckConfig) => say("configuration is fine\n"),
        Some(Command::PrintConfig) => say(&loaded.to_toml()),
        Some(Command::Token(args)) => match token::make(&args, &loaded.config, unix_s()) {
            Ok(token) => say(&format!("{token}\n")),
            Err(why) => {
                eprintln!("ws-server: {why}");
                ExitCode::FAILURE
            }
        },
        _ => serve(loaded.config, filter),
    }
}

/// Everything that can be wrong before the start, together.
fn read(sources: &Sources) -> Result<(Loaded, Filter), Vec<Mistake>> {
    let (loaded, mut mistakes) = config::load_with(sources, files::check);
    match logging::filter(sources) {
        Ok(filter) if mistakes.is_empty() => Ok((loaded, filter)),
        filter => {
            mistakes.extend(filter.err().into_iter().flatten());
            Err(mistakes)
        }
    }
}

fn unix_s() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs())
}

fn serve(config: Config, filter: Filter) -> ExitCode {
    logging::start(config.log_format, filter);
    file_limit::raise(config.limits.connections_max);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the runtime could not be started");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(app::run(&config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn done(result: Result<(), database::Failed>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("ws-server: {failed}");
            ExitCode::FAILURE
        }
    }
}

/// To standard output; a reader that went away is no failure of ours.
fn say(text: &str) -> ExitCode {
    let _ = stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}
