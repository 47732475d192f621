//! The limit of open files: every connection is one. Raised as far as the system allows.

use crate::config::{Config, ConfigError, Loaded, Source, Warning};

/// Open files other than connections: listening sockets, the poller, standard streams, databases.
const RESERVED: u64 = 64;

/// Raises the soft limit of open files to the hard one, and logs how many connections that leaves room for.
pub fn raise(config: &Config) {
    match rlimit::increase_nofile_limit(rlimit::INFINITY) {
        Ok(limit) => {
            let connections_max = effective(limit, config.limits.connections_max);
            tracing::info!(open_files_max = limit, connections_max, "limit of open files");
        }
        Err(error) => tracing::warn!(%error, "the limit of open files could not be raised"),
    }
}

/// The hard limit, and how many connections fit in it.
#[must_use]
pub fn current() -> (u64, u64) {
    let limit = hard_limit();
    (limit, room(limit))
}

/// A mistake if the limit leaves no room for a connection.
#[must_use]
pub fn check() -> Option<ConfigError> {
    no_room(hard_limit())
}

/// A warning if the limit is too low for a `connections_max` that was set. The server runs, and connections over the
/// limit wait to be accepted. The default is no promise, so it does not warn: the log says how many fit.
#[must_use]
pub fn warning(loaded: &Loaded) -> Option<Warning> {
    let source = loaded.origin("limits.connections_max")?.clone();
    too_low(hard_limit(), loaded.config.limits.connections_max).map(|what| Warning::new(source, what))
}

fn hard_limit() -> u64 {
    rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(u64::MAX, |(_, hard)| hard)
}

fn no_room(limit: u64) -> Option<ConfigError> {
    (room(limit) == 0).then(|| ConfigError {
        source: Source::Key("limits.connections_max".to_owned()),
        key: String::new(),
        found: format!("a limit of {limit} open files, which leaves no room for a connection"),
        allowed: format!("at least {} open files (ulimit -Hn, LimitNOFILE)", RESERVED + 1),
        hint: None,
    })
}

fn too_low(limit: u64, connections_max: usize) -> Option<String> {
    let room = room(limit);
    (connections_max as u64 > room).then(|| {
        format!(
            "limits.connections_max is {connections_max}, and {room} connections fit in the limit of {limit} open files: \
             raise the limit (ulimit -Hn, LimitNOFILE) or lower the key"
        )
    })
}

/// How many connections there can be.
fn effective(limit: u64, connections_max: usize) -> u64 {
    match connections_max as u64 {
        0 => room(limit),
        connections_max => connections_max.min(room(limit)),
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
        assert_eq!((room(1024), room(10)), (960, 0));
        assert_eq!([effective(1024, 0), effective(1024, 100), effective(1024, 100_000)], [960, 100, 960]);
    }

    #[test]
    fn no_room_is_a_mistake_and_little_a_warning() {
        let check = |limit, connections_max| (no_room(limit).is_some(), too_low(limit, connections_max).is_some());
        assert_eq!(check(64, 1), (true, true));
        assert_eq!(check(65, 1), (false, false));
        assert_eq!(check(65, 2), (false, true));
        assert_eq!(check(65, 0), (false, false), "no limit cannot be too high");
    }
}
