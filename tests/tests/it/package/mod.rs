//! What is published, as it is used: the Debian package in a Debian, the container image in an empty root.
//!
//! The packages are made by the code of `cargo xtask dist`, from the server that these tests were built with. That one
//! is not static; where it runs without a C library of its own, the test adds the machine's.

mod deb;
mod image;
mod root;

use std::path::Path;
use std::process::{Command, Output};

use xtask::dist::Release;

use crate::SERVER;

/// A release of this version, with a stripped server.
fn release(out: &Path) -> Release {
    Release::new(SERVER.into(), out.to_owned()).and_then(Release::stripped).expect("a release")
}

/// Runs a command to its end; gives what it printed.
#[track_caller]
fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("it starts");
    let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {status}\n{out}\n{err}");
    out.into_owned()
}

#[test]
fn operations_shows_the_unit_and_the_containerfile() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("a text");
    let operations = read("docs/OPERATIONS.md");
    for (language, file) in [("ini", "ws-server.service"), ("dockerfile", "Containerfile")] {
        let block = format!("```{language}\n{}```\n", read(&format!("crates/ws-server/package/{file}")));
        assert!(operations.contains(&block), "docs/OPERATIONS.md shows {file} as it is");
    }
}
