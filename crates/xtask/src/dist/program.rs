//! Programs of the system, and what can go wrong with them and with files.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// Why a release was not made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// Which one.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// A program cannot be started.
    #[error("{program} cannot be started ({error}); docs/RELEASING.md lists what is needed")]
    Missing {
        /// Its name.
        program: String,
        /// Why.
        error: io::Error,
    },
    /// A program has failed; what it said is on standard error.
    #[error("{0} failed; docs/RELEASING.md lists what is needed")]
    Failed(String),
    /// The binary that was built needs the C library of this machine.
    #[error("the binary is not static")]
    NotStatic,
    /// There is no name for this architecture.
    #[error("no Debian name is known for the architecture {0}")]
    Architecture(&'static str),
}

/// For `map_err`: a file's error, with its path.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.display().to_string();
    move |error| Error::File { path, error }
}

/// Runs a program to its end. Its output goes to standard error, as the results are on standard output.
pub(super) fn run(command: &mut Command) -> Result<(), Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let ended = command.stdin(Stdio::null()).stdout(io::stderr()).status();
    match ended.map_err(|error| Error::Missing { program: program.clone(), error })? {
        status if status.success() => Ok(()),
        _ => Err(Error::Failed(program)),
    }
}

/// What a program prints.
pub(super) fn output(program: &str, args: impl IntoIterator<Item: AsRef<OsStr>>, dir: &Path) -> Result<String, Error> {
    let output = Command::new(program).args(args).current_dir(dir).stdin(Stdio::null()).output();
    let output = output.map_err(|error| Error::Missing { program: program.to_owned(), error })?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(Error::Failed(program.to_owned())),
    }
}
