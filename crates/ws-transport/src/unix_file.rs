//! The file of a Unix socket. It outlives a process that is killed, so one that nobody listens on is replaced; any other
//! file, and a socket that somebody listens on, stays where it is.
//!
//! The permissions of the file are those that the process's umask leaves. Whoever may write to it may connect.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{UnixListener, UnixSocket};

use crate::limits::LISTEN_BACKLOG;

/// A file that a socket of ours is bound to. Dropping it removes the file, unless it has been replaced.
#[derive(Debug)]
pub(crate) struct UnixFile {
    path: PathBuf,
    /// Device and inode.
    id: (u64, u64),
}

/// Binds a Unix socket.
pub(crate) fn bind(path: &Path) -> io::Result<(UnixListener, UnixFile)> {
    let socket = UnixSocket::new_stream()?;
    match socket.bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            remove_stale(path)?;
            socket.bind(path)?;
        }
        bound => bound?,
    }
    let file = UnixFile { path: path.to_owned(), id: id(path)? };
    Ok((socket.listen(LISTEN_BACKLOG)?, file))
}

/// Removes a socket that nobody listens on.
fn remove_stale(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::new(ErrorKind::AlreadyExists, "the file exists and is not a socket"));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A connect would wait for room in a full backlog.
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(error),
        _ => Err(io::Error::new(ErrorKind::AddrInUse, "another process listens on this socket")),
    }
}

fn id(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

impl UnixFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for UnixFile {
    fn drop(&mut self) {
        if id(&self.path).is_ok_and(|id| id == self.id)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "the file of the socket stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn place() -> (TempDir, PathBuf) {
        let dir = TempDir::new().expect("a directory");
        let path = dir.path().join("ws.sock");
        (dir, path)
    }

    #[tokio::test]
    async fn the_file_comes_and_goes() {
        let (_dir, path) = place();
        let (listener, file) = bind(&path).expect("it is free");
        assert!(path.exists() && file.path() == path);
        drop((listener, file));
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced() {
        let (_dir, path) = place();
        drop(std::os::unix::net::UnixListener::bind(&path).expect("it is free"));
        assert!(path.exists(), "as after a kill");
        let bound = bind(&path).expect("nobody listens");
        std::os::unix::net::UnixStream::connect(&path).expect("somebody listens");
        drop(bound);
    }

    #[tokio::test]
    async fn a_socket_in_use_stays() {
        let (_dir, path) = place();
        let first = bind(&path).expect("it is free");
        let error = bind(&path).expect_err("somebody listens");
        assert_eq!(error.to_string(), "another process listens on this socket");
        std::os::unix::net::UnixStream::connect(&path).expect("the first one listens");
        drop(first);
    }

    #[tokio::test]
    async fn a_socket_with_a_full_backlog_is_in_use() {
        let (_dir, path) = place();
        let listener = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
        listener.bind(&SockAddr::unix(&path).expect("a path")).expect("it is free");
        listener.listen(0).expect("a backlog");
        let _waiting = std::os::unix::net::UnixStream::connect(&path).expect("room for one");
        assert!(bind(&path).is_err() && path.exists());
    }

    #[tokio::test]
    async fn any_other_file_stays() {
        let (_dir, path) = place();
        fs::write(&path, "mine").expect("a file");
        let error = bind(&path).expect_err("it is a file");
        assert_eq!(error.to_string(), "the file exists and is not a socket");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "mine");
    }

    #[tokio::test]
    async fn a_file_of_another_process_stays_at_the_end() {
        let (_dir, path) = place();
        let first = bind(&path).expect("it is free");
        fs::remove_file(&path).expect("it is there");
        let second = bind(&path).expect("it is free again");
        drop(first);
        assert!(path.exists());
        drop(second);
    }
}
