//! The limit of open files, since every connection is one. Raised as far as the system lets us.

/// Open files that are no connections: listening sockets, the poller, standard streams, databases.
const RESERVED: u64 = 64;

/// Raises the soft limit of open files to the hard one, and logs what that gives.
///
/// Warns when `connections_max` (0: no limit) does not fit: the server runs all the same, and the
/// sockets over the limit wait unaccepted.
pub fn raise(connections_max: usize) {
    let limit = match rlimit::increase_nofile_limit(rlimit::INFINITY) {
        Ok(limit) => limit,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files could not be raised");
            return;
        }
    };
    let room = room(limit);
    tracing::info!(open_files_max = limit, "limit of open files");
    if connections_max as u64 > room {
        tracing::warn!(
            connections_max,
            room,
            "limits.connections_max is over the limit of open files: raise that (ulimit -Hn, LimitNOFILE) or lower this"
        );
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
}
