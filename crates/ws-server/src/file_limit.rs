//! The limit of open files: every connection is one. Raised as far as the system allows.

use crate::config::{Config, ConfigError, Source, Warning};

/// Open files other than connections: listening sockets, the poller, standard streams, databases.
const RESERVED: u64 = 64;

/// Raises the soft limit of open files to the hard one, and logs the result.
pub fn raise() {
    match rlimit::increase_nofile_limit(rlimit::INFINITY) {
        Ok(limit) => tracing::info!(open_files_max = limit, "limit of open files"),
        Err(error) => tracing::warn!(%error, "the limit of open files could not be raised"),
    }
}

/// The hard limit, and how many connections fit in it.
#[must_use]
pub fn current() -> (u64, u64) {
    let limit = rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(u64::MAX, |(_, hard)| hard);
    (limit, room(limit))
}

/// A mistake if the limit leaves no room for a connection; a warning if it is too low for `connections_max`. Then the
/// server runs, and connections over the limit wait to be accepted.
#[must_use]
pub fn check(config: &Config) -> (Option<ConfigError>, Option<Warning>) {
    judge(current().0, config.limits.connections_max)
}

fn judge(limit: u64, connections_max: usize) -> (Option<ConfigError>, Option<Warning>) {
    let room = room(limit);
    let mistake = || ConfigError {
        source: Source::Key("limits.connections_max".to_owned()),
        key: String::new(),
        found: format!("a limit of {limit} open files, which leaves no room for a connection"),
        allowed: format!("at least {} open files (ulimit -Hn, LimitNOFILE)", RESERVED + 1),
        hint: None,
    };
    let warning = || {
        let what = format!(
            "limits.connections_max is {connections_max}, and {room} connections fit in the limit of {limit} open files: \
             raise the limit (ulimit -Hn, LimitNOFILE) or lower the key"
        );
        Warning::new(None, what)
    };
    match room {
        0 => (Some(mistake()), None),
        _ => (None, (connections_max as u64 > room).then(warning)),
    }
}

/// How many connections fit in a limit of open files.
fn room(limit: u64) -> u64 {
    limit.saturating_sub(RESERVED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_is_what_remains() {
        assert_eq!(room(1024), 960);
        assert_eq!(room(10), 0);
    }

    #[test]
    fn no_room_is_a_mistake_and_little_a_warning() {
        let check = |limit, connections_max| {
            let (mistake, warning) = judge(limit, connections_max);
            (mistake.is_some(), warning.is_some())
        };
        assert_eq!(check(64, 1), (true, false));
        assert_eq!(check(65, 1), (false, false));
        assert_eq!(check(65, 2), (false, true));
        assert_eq!(check(65, 0), (false, false), "no limit cannot be too high");
    }
}
