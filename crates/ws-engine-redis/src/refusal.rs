//! What an error of Redis says about what was to be written.

/// What an error says about a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nothing was written; it may work in a moment.
    Later,
    /// Nothing was written: this is not the primary any more, or the data has moved to another one.
    Elsewhere,
    /// The scripts are not loaded.
    NoScript,
    /// It may have been stored.
    Unknown,
}

impl Refusal {
    pub(crate) fn of(error: &str) -> Self {
        const LATER: [&str; 10] = [
            "OOM",
            "NOREPLICAS",
            "MISCONF",
            "BUSY",
            "MASTERDOWN",
            "LOADING",
            "CLUSTERDOWN",
            "TRYAGAIN",
            "NOGOODSLAVE",
            // The data is moving: it is asked for where it was until it has moved.
            "ASK",
        ];
        let code = error.split(' ').next().unwrap_or_default();
        match code {
            "NOSCRIPT" => Refusal::NoScript,
            "READONLY" | "MOVED" => Refusal::Elsewhere,
            code if LATER.contains(&code) => Refusal::Later,
            _ => Refusal::Unknown,
        }
    }
}

/// Whether an error says that the slot of the data is moving, has moved, or that the Redis Cluster is in disorder: a
/// question may be asked again.
pub(crate) fn is_moving(error: &str) -> bool {
    matches!(error.split(' ').next(), Some("MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN"))
}

/// Whether an error says that the scripts have to be loaded again, or that the writer has to look whether its data is still
/// there.
pub(crate) fn is_stale(error: &str) -> bool {
    matches!(error.split(' ').next(), Some("NOSCRIPT" | "MOVED"))
}

/// Whether an error says that a script came upon a key that has moved, while others of its slot have not. It may have done
/// a part of what it was to do.
pub(crate) fn is_half_moved(error: &str) -> bool {
    error.contains("non local key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_whether_something_was_written() {
        for (error, expect) in [
            ("OOM command not allowed when used memory > 'maxmemory'.", Refusal::Later),
            ("BUSY Redis is busy running a script.", Refusal::Later),
            ("LOADING Redis is loading the dataset in memory", Refusal::Later),
            ("NOSCRIPT No matching script.", Refusal::NoScript),
            ("READONLY You can't write against a read only replica.", Refusal::Elsewhere),
            ("MOVED 3999 127.0.0.1:6381", Refusal::Elsewhere),
            ("ASK 3999 127.0.0.1:6381", Refusal::Later),
            ("NOPERM this user has no permissions", Refusal::Unknown),
            ("ERR something", Refusal::Unknown),
            ("", Refusal::Unknown),
        ] {
            assert_eq!(Refusal::of(error), expect, "{error}");
        }
    }
}
