//! Detects changes of the certificate and key files by their metadata.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The metadata of both files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamps([Option<Stamp>; 2]);

/// The metadata of one file, with links followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified_s: i64,
    modified_ns: i64,
}

impl Stamps {
    pub(super) fn of(cert_file: &Path, key_file: &Path) -> Self {
        Stamps([cert_file, key_file].map(|file| {
            let metadata = fs::metadata(file).ok()?;
            Some(Stamp {
                device: metadata.dev(),
                inode: metadata.ino(),
                bytes: metadata.len(),
                modified_s: metadata.mtime(),
                modified_ns: metadata.mtime_nsec(),
            })
        }))
    }
}
