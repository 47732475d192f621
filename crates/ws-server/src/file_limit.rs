//! The limit of open files, since every connection is one. Raised as far as the system lets us.

use crate::config::{Config, Doubt, Mistake, Source};

/// Open files that are no connections: listening sockets, the poller, standard streams, databases.
const RESERVED: u64 = 64;

/// Raises the soft limit of open files to the hard one, and logs what that gives.
pub fn raise() {
    match rlimit::increase_nofile_limit(rlimit::INFINITY) {
        Ok(limit) => tracing::info!(open_files_max = limit, "limit of open files"),
        Err(error) => tracing::warn!(%error, "the limit of open files could not be raised"),
    }
}

/// A limit under which not a single connection fits; a doubt where `connections_max` does not: the server runs all the
/// same, and the sockets over the limit wait unaccepted.
#[must_use]
pub fn check(config: &Config) -> (Option<Mistake>, Option<Doubt>) {
    let limit = rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(u64::MAX, |(_, hard)| hard);
    judge(limit, config.limits.connections_max)
}

fn judge(limit: u64, connections_max: usize) -> (Option<Mistake>, Option<Doubt>) {
    let room = room(limit);
    let mistake = || Mistake {
        source: Source::Key("limits.connections_max".to_owned()),
        key: String::new(),
        found: format!("a limit of {limit} open files, under which not a single connection fits"),
        allowed: format!("at least {} open files (ulimit -Hn, LimitNOFILE)", RESERVED + 1),
        hint: None,
    };
    let doubt = || {
        let what = format!(
            "limits.connections_max is {connections_max}, and {room} connections fit in the limit of {limit} open files: \
             raise that (ulimit -Hn, LimitNOFILE) or lower this"
        );
        Doubt::new(None, what)
    };
    match room {
        0 => (Some(mistake()), None),
        _ => (None, (connections_max as u64 > room).then(doubt)),
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
    fn no_room_is_a_mistake_and_little_a_doubt() {
        let check = |limit, connections_max| {
            let (mistake, doubt) = judge(limit, connections_max);
            (mistake.is_some(), doubt.is_some())
        };
        assert_eq!(check(64, 1), (true, false));
        assert_eq!(check(65, 1), (false, false));
        assert_eq!(check(65, 2), (false, true));
        assert_eq!(check(65, 0), (false, false), "no limit is none that could be too high");
    }
}
