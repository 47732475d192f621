//! Whether the database can be written and read, and if not, why. A change is logged once.

use parking_lot::Mutex;
use rusqlite::ErrorCode;

/// What is wrong.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// Why the last write failed. Cleared when one succeeds.
    write: Mutex<Option<String>>,
    /// What is damaged in the database. Never cleared.
    damage: Mutex<Option<String>>,
    /// Why files of the database are gone. Never cleared: what was stored since is not acknowledged.
    gone: Mutex<Option<String>>,
}

impl Health {
    /// Returns what is wrong, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.gone()?;
        let damage = self.damage.lock().clone();
        damage.or_else(|| self.write.lock().clone()).map_or(Ok(()), Err)
    }

    /// Returns why nothing can be stored any more, if that is so.
    pub(crate) fn gone(&self) -> Result<(), String> {
        self.gone.lock().clone().map_or(Ok(()), Err)
    }

    /// A file of the database is gone. Returns whether that is news, and the reason for publishers.
    pub(crate) fn lost(&self, name: &str) -> (bool, String) {
        let reason = "the files of the database were deleted or replaced while the server runs";
        let is_news = self.gone.lock().replace(reason.to_owned()).is_none();
        if is_news {
            tracing::error!(
                name,
                "{reason}: nothing is stored any more; save the files and restart (docs/OPERATIONS.md)"
            );
        }
        (is_news, reason.to_owned())
    }

    /// A write has failed. Returns the reason for publishers.
    pub(crate) fn write_failed(&self, error: &rusqlite::Error) -> String {
        let reason = reason(error);
        if is_damage(error) {
            self.damaged(reason.clone());
        }
        let before = self.write.lock().replace(reason.clone());
        if before.as_ref() != Some(&reason) {
            tracing::error!(%error, "publications cannot be stored: {reason}; publishers get errors until a retry succeeds");
        }
        reason
    }

    /// A write has succeeded.
    pub(crate) fn written(&self) {
        if self.write.lock().take().is_some() {
            tracing::info!("publications can be stored again");
        }
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.write.lock().is_some()
    }

    /// The database is damaged.
    pub(crate) fn damaged(&self, what: String) {
        let mut damage = self.damage.lock();
        if damage.is_none() {
            tracing::error!(what, "the database is damaged; stop the server and restore a backup (docs/OPERATIONS.md)");
            *damage = Some(format!("the database is damaged: {what}"));
        }
    }
}

/// Whether an error says that the database is damaged, and not that it cannot be used for the moment.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// An error of SQLite in words that name no file: clients read them.
pub(crate) fn reason(error: &rusqlite::Error) -> String {
    let known = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full",
        Some(ErrorCode::SystemIoFailure) => "the disk cannot be read or written",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "the database cannot be opened for writing"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => "the database is damaged",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another program has locked the database",
        _ => return format!("database error: {error}"),
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    fn error(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some("/secret/path".to_owned()))
    }

    #[test]
    fn a_failed_write_is_over_with_the_next_one() {
        let health = Health::default();
        assert_eq!(health.write_failed(&error(ffi::SQLITE_FULL)), "the disk is full");
        assert_eq!(health.check(), Err("the disk is full".to_owned()));
        health.written();
        assert_eq!(health.check(), Ok(()));
    }

    #[test]
    fn damage_stays() {
        for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB] {
            let health = Health::default();
            health.write_failed(&error(code));
            health.written();
            assert_eq!(health.check(), Err("the database is damaged: the database is damaged".to_owned()));
        }
    }

    #[test]
    fn files_that_are_gone_stay_so() {
        let health = Health::default();
        assert!(health.lost("ws.db").0 && !health.lost("ws.db-wal").0);
        health.written();
        let reason = health.check().expect_err("they are gone");
        assert!(reason.contains("deleted or replaced") && !reason.contains("ws.db"), "{reason}");
    }

    #[test]
    fn reasons_name_no_file() {
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_READONLY, ffi::SQLITE_CANTOPEN] {
            assert!(!reason(&error(code)).contains("secret"), "{code}");
        }
    }
}
