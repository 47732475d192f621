//! Advice for those who type the flags and subcommands of other servers.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};

use crate::config::key_called;

/// Subcommands, and what to type instead.
const COMMANDS: [(&[&str], &str); 6] = [
    (&["serve", "start", "run", "server", "up", "listen"], "`ws-server` alone serves"),
    (&["check", "checkconfig", "validate", "configtest", "test"], "`ws-server check-config` checks the configuration"),
    (&["config", "show-config", "genconfig", "init"], "`ws-server print-config` prints the configuration"),
    (&["gentoken", "jwt", "sign"], "`ws-server token --user NAME` makes a token"),
    (&["stop", "quit", "shutdown"], "SIGTERM stops a server: `kill PID`"),
    (&["reload"], "SIGHUP reads the certificate again; other changes need a restart"),
];

/// Flags, and what to type instead.
const FLAGS: [(&[&str], &str); 7] = [
    (
        &["--port", "-p", "--host", "-h", "--bind", "-b", "--listen", "-l", "--address", "-a", "--ip"],
        "`--addr` takes the address and the port: `--addr 0.0.0.0:3000`",
    ),
    (&["-c", "-f", "--conf", "--config-file"], "`--config FILE` names the file"),
    (
        &["-v", "-vv", "--verbose", "--debug", "-d", "--log-level", "--loglevel", "--level", "-q", "--quiet"],
        "the variable RUST_LOG has the level: `RUST_LOG=debug ws-server`",
    ),
    (&["--log", "--format", "--json"], "`--log-format json` logs JSON"),
    (&["--data", "--dir", "--db", "--database", "--storage"], "`--data-dir DIR` keeps channels on the disk"),
    (
        &["--secret", "--jwt-secret", "--token-secret", "--key", "--auth"],
        "a secret stands in the variable WS_SERVER__AUTH__KEYS__0__SECRET or in a file: everybody can see flags",
    ),
    (
        &["--daemon", "-D", "--background", "--detach"],
        "it runs in the foreground: systemd or `&` puts it in the background",
    ),
];

/// The error with a tip, if one is known.
#[must_use]
pub fn with_tip(mut error: clap::Error) -> clap::Error {
    let named = |kind| match error.get(kind) {
        Some(ContextValue::String(name)) => Some(name.as_str()),
        _ => None,
    };
    let command = named(ContextKind::InvalidSubcommand).and_then(|name| find(&COMMANDS, name));
    let is_near = error.get(ContextKind::SuggestedArg).is_some();
    let tip = command.or_else(|| flag(named(ContextKind::InvalidArg)?, is_near));
    if let Some(tip) = tip {
        error.remove(ContextKind::SuggestedArg);
        error.remove(ContextKind::SuggestedSubcommand);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
    }
    error
}

fn find(known: &[(&[&str], &str)], name: &str) -> Option<String> {
    known.iter().find(|(names, _)| names.contains(&name)).map(|(_, tip)| (*tip).to_owned())
}

/// `is_near`: it resembles a flag of ours.
fn flag(name: &str, is_near: bool) -> Option<String> {
    let key = |name: &str| {
        let key = key_called(&name.strip_prefix("--")?.replace(['-', '.'], "_"))?;
        Some(format!("there is no flag for `{key}`: set it in the file, or as {}", key.variable()))
    };
    find(&FLAGS, name).or_else(|| find(&COMMANDS, name)).or_else(|| key(name).filter(|_| !is_near))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    /// The line with the tip.
    #[track_caller]
    fn check(args: &[&str], expect: &str) {
        let error = Cli::try_parse_from([&["ws-server"], args].concat()).expect_err("wrong usage");
        let text = with_tip(error).to_string();
        let tips: Vec<_> = text.lines().filter_map(|line| line.trim().strip_prefix("tip: ")).collect();
        assert_eq!(tips, [expect], "{text}");
    }

    #[test]
    fn what_other_servers_are_told() {
        check(&["serve"], "`ws-server` alone serves");
        check(&["start", "--config", "x"], "`ws-server` alone serves");
        check(&["validate"], "`ws-server check-config` checks the configuration");
        let addr = "`--addr` takes the address and the port: `--addr 0.0.0.0:3000`";
        for args in [&["--port", "8080"][..], &["--port=8080"], &["-p", "80"], &["--host", "x"], &["--listen", ":80"]] {
            check(args, addr);
        }
        check(&["-c", "x"], "`--config FILE` names the file");
        check(&["-v"], "the variable RUST_LOG has the level: `RUST_LOG=debug ws-server`");
        check(&["--log-level", "debug"], "the variable RUST_LOG has the level: `RUST_LOG=debug ws-server`");
        check(
            &["--max-connections", "7"],
            "there is no flag for `limits.connections_max`: set it in the file, or as WS_SERVER__LIMITS__CONNECTIONS_MAX",
        );
        check(
            &["--message-bytes-max", "7"],
            "there is no flag for `limits.message_bytes_max`: set it in the file, or as \
             WS_SERVER__LIMITS__MESSAGE_BYTES_MAX",
        );
    }

    #[test]
    fn what_clap_knows_stays() {
        let error = |args: &[&str]| {
            with_tip(Cli::try_parse_from([&["ws-server"], args].concat()).expect_err("wrong usage")).to_string()
        };
        assert!(error(&["--adr", "x"]).contains("'--addr'"));
        assert!(error(&["chek-config"]).contains("check-config"));
        assert!(!error(&["--nonsense"]).contains("tip"), "{}", error(&["--nonsense"]));
    }
}
