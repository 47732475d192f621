//! The file: locked, appended to, replaced as a whole.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What a log is written to. Tests have one that fails and forgets as they like.
pub(super) trait Medium: Send + 'static {
    /// All of it.
    fn read(&mut self) -> io::Result<Vec<u8>>;

    /// Writes at the end. If it fails, a part of the bytes may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Cuts it off behind this length.
    fn truncate(&mut self, len: u64) -> io::Result<()>;

    /// What was written survives the loss of power.
    fn sync(&mut self) -> io::Result<()>;

    /// Other contents, synced. If it fails, it has the old contents or the new ones, whole in either case.
    fn replace(&mut self, bytes: &[u8]) -> Result<(), NotReplaced>;
}

/// Why the contents were not replaced.
#[derive(Debug)]
pub(super) struct NotReplaced {
    pub(super) error: io::Error,
    /// The new contents may be there. Otherwise the old ones are, and can be appended to.
    pub(super) is_in_doubt: bool,
}

/// A file that nobody else can open as an outbox while this exists: it has the system's lock. When the process ends,
/// however it ends, the lock is gone.
#[derive(Debug)]
pub(super) struct LockedFile {
    path: PathBuf,
    file: File,
}

impl LockedFile {
    /// Opens or creates it.
    ///
    /// # Errors
    /// `WouldBlock` if somebody else has it open. Otherwise what the system says.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        loop {
            let file = open(path)?;
            lock(&file)?;
            // Whoever had the lock before may have replaced the file in between: then this one is no longer at its path.
            if !is_same(&file, &open(path)?)? {
                continue;
            }
            // The file itself is replaced later, not a link to it.
            let path = path.canonicalize()?;
            sync_folder(&path)?;
            remove_if_there(&beside(&path))?;
            return Ok(LockedFile { path, file });
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    private(&mut options).open(path)
}

/// What an application sends is nobody else's to read.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

fn lock(file: &File) -> io::Result<()> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
        TryLockError::Error(error) => error,
    })
}

#[cfg(unix)]
fn is_same(one: &File, other: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let identity = |file: &File| file.metadata().map(|data| (data.dev(), data.ino()));
    Ok(identity(one)? == identity(other)?)
}

/// The standard library knows no identity of files here. Of two files, the newer one was created later.
#[cfg(not(unix))]
fn is_same(one: &File, other: &File) -> io::Result<bool> {
    Ok(one.metadata()?.created()? == other.metadata()?.created()?)
}

/// Where new contents are written before they take the file's place.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A name in a folder survives the loss of power only if the folder is synced. Windows has no such call.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

impl Medium for LockedFile {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn replace(&mut self, bytes: &[u8]) -> Result<(), NotReplaced> {
        let new = beside(&self.path);
        let replaced = (|| {
            remove_if_there(&new)?;
            let mut file = open(&new)?;
            lock(&file)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&new, &self.path)?;
            Ok(file)
        })();
        match replaced {
            Ok(file) => {
                self.file = file;
                // Until then the old file may come back after a loss of power, without what is appended to this one.
                sync_folder(&self.path).map_err(|error| NotReplaced { error, is_in_doubt: true })
            }
            Err(error) => {
                // On a full disk it takes room that the log needs.
                drop(remove_if_there(&new));
                Err(NotReplaced { error, is_in_doubt: false })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("outbox");
        let mut first = LockedFile::open(&path).expect("it is free");
        let taken = || LockedFile::open(&path).expect_err("it is taken").kind() == io::ErrorKind::WouldBlock;
        assert!(taken());
        first.append(b"old").expect("room");
        first.replace(b"new contents").expect("room");
        assert!(taken(), "the lock goes over to the new file");
        first.append(b", more").expect("room");
        first.truncate(5).expect("possible");
        first.append(b"!").expect("room");
        assert_eq!(first.read().expect("readable"), b"new c!");
        let names: Vec<_> =
            std::fs::read_dir(dir.path()).expect("a directory").map(|entry| entry.expect("one").path()).collect();
        assert_eq!(names, std::slice::from_ref(&path));
        drop(first);
        assert_eq!(LockedFile::open(&path).expect("free again").read().expect("readable"), b"new c!");
    }

    #[test]
    fn what_a_crash_left_beside_it_is_removed() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("outbox");
        std::fs::write(beside(&path), "half of the new conte").expect("room");
        LockedFile::open(&path).expect("it is free");
        assert!(!beside(&path).exists());
    }

    #[test]
    fn a_folder_that_is_missing_is_an_error() {
        let dir = tempfile::tempdir().expect("a directory");
        let error = LockedFile::open(&dir.path().join("no/outbox")).expect_err("no folder");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    /// Opens while another one replaces the file again and again: never two at a time.
    #[test]
    fn the_lock_holds_while_the_file_is_replaced() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("outbox");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut opened = 0;
                    while opened < 50 {
                        let Ok(mut file) = LockedFile::open(&path) else {
                            std::thread::yield_now();
                            continue;
                        };
                        opened += 1;
                        let before = file.read().expect("readable").len();
                        file.replace(&vec![b'x'; before + 1]).expect("room");
                        file.append(b"y").expect("room");
                    }
                });
            }
        });
        // Each time two bytes more: nobody wrote over what another had written.
        assert_eq!(std::fs::read(&path).expect("readable").len(), 4 * 50 * 2);
    }
}
