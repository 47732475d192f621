//! What an error of Redis says about what was to be written.

/// What an error says about a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nothing was written; it may work in a moment.
    Later,
    /// Nothing was written: this is not the primary any more.
    Elsewhere,
    /// The scripts are not loaded.
    NoScript,
    /// It may have been stored.
    Unknown,
}

impl Refusal {
    pub(crate) fn of(error: &str) -> Self {
        const LATER: [&str; 9] =
            ["OOM", "NOREPLICAS", "MISCONF", "BUSY", "MASTERDOWN", "LOADING", "CLUSTERDOWN", "TRYAGAIN", "NOGOODSLAVE"];
        let code = error.split(' ').next().unwrap_or_default();
        match code {
            "NOSCRIPT" => Refusal::NoScript,
            "READONLY" => Refusal::Elsewhere,
            code if LATER.contains(&code) => Refusal::Later,
            _ => Refusal::Unknown,
        }
    }
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
            ("NOPERM this user has no permissions", Refusal::Unknown),
            ("ERR something", Refusal::Unknown),
            ("", Refusal::Unknown),
        ] {
            assert_eq!(Refusal::of(error), expect, "{error}");
        }
    }
}
