//! What commands print. Output that is lost is an error; a complaint that nobody can read changes nothing else.

use std::io::{self, Write, stderr, stdout};
use std::sync::mpsc::channel;
use std::thread;

use crate::limits::COMPLAINT_TIMEOUT;

/// Writes to standard output, all the way.
///
/// # Errors
/// It cannot be written. A reader that went away has seen enough, and is none.
pub fn say(text: &str) -> io::Result<()> {
    let mut out = stdout().lock();
    quiet(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// A reader that has seen enough is no failure of ours.
///
/// # Errors
/// Those that are handed in, but for that.
pub fn quiet(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes to standard error as far as that is possible, and waits for it only so long: exit codes do not depend on it.
pub fn complain(text: String) {
    let (over, is_over) = channel::<()>();
    let print = move || {
        let _ = stderr().write_all(text.as_bytes());
        drop(over);
    };
    if thread::Builder::new().spawn(print).is_ok() {
        let _ = is_over.recv_timeout(COMPLAINT_TIMEOUT);
    }
}
