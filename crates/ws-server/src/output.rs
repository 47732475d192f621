//! What commands print. Lost output is an error; lost diagnostics are not.

use std::io::{self, Write, stderr, stdout};
use std::sync::mpsc::channel;
use std::thread;

use crate::limits::STDERR_TIMEOUT;

/// Writes to standard output and flushes it.
///
/// # Errors
/// When it cannot be written. A reader that has closed the pipe is no error.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = stdout().lock();
    ignore_broken_pipe(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Turns a broken pipe into success: the reader has seen enough.
///
/// # Errors
/// All others.
pub fn ignore_broken_pipe(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes to standard error, for a bounded time, and ignores failures: exit codes do not depend on it.
pub fn print_diagnostics(text: String) {
    let (over, is_over) = channel::<()>();
    let print = move || {
        let _ = stderr().write_all(text.as_bytes());
        drop(over);
    };
    if thread::Builder::new().spawn(print).is_ok() {
        let _ = is_over.recv_timeout(STDERR_TIMEOUT);
    }
}
