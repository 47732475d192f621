//! Checks whether the files of the database are still the ones that were opened. A file that was deleted or replaced can
//! still be written and read, but the next start will not find it: what is stored in it must not be acknowledged.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::directory::{DATABASE, INDEX, LOCK, WAL};

/// The files that a running engine needs in place.
#[derive(Debug)]
pub(crate) struct Files([File; 4]);

#[derive(Debug)]
struct File {
    name: &'static str,
    path: PathBuf,
    /// Device and inode; `None`: it did not exist.
    identity: Option<(u64, u64)>,
}

/// A file that was deleted or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone {
    pub(crate) name: &'static str,
    /// The database itself is in place, so the contents of the write-ahead log can be saved.
    pub(crate) can_be_saved: bool,
}

impl Files {
    /// The files of a directory in which the database is open.
    pub(crate) fn of(dir: &std::path::Path) -> Self {
        Files([DATABASE, WAL, INDEX, LOCK].map(|name| {
            let path = dir.join(name);
            let identity = fs::metadata(&path).ok().map(|found| identity(&found));
            File { name, path, identity }
        }))
    }

    /// The first file that is gone. Costs one `stat` per file, and no disk access.
    pub(crate) fn gone(&self) -> Option<Gone> {
        Self::first_gone(&self.0)
    }

    /// The same, only for the two files that contain publications. Without the others none of them is lost.
    pub(crate) fn lost(&self) -> Option<Gone> {
        Self::first_gone(&self.0[..2])
    }

    fn first_gone(files: &[File]) -> Option<Gone> {
        let gone = files.iter().find(|file| file.is_gone())?;
        Some(Gone { name: gone.name, can_be_saved: gone.name != DATABASE })
    }
}

impl File {
    fn is_gone(&self) -> bool {
        match fs::metadata(&self.path) {
            Ok(found) => self.identity.is_some_and(|opened| opened != identity(&found)),
            // Any other error says nothing about the file.
            Err(error) => {
                self.identity.is_some()
                    && matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
            }
        }
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}
