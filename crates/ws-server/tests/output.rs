//! The real binary and where its output goes: output that is lost is an error, and exit codes do not depend on standard
//! error. Nothing here binds a port.

use std::fs::OpenOptions;
use std::io::{PipeReader, Read, Write, pipe};
use std::process::{Command, Stdio};

const SECRET: (&str, &str) = ("WS_SERVER__AUTH__KEYS__0__SECRET", "a secret that is long enough to be one");

fn server(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ws-server"));
    command.env_clear().args(args).stdin(Stdio::null());
    command
}

/// A file on a disk that is always full.
fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").expect("Linux").into()
}

#[test]
fn output_that_is_lost_is_an_error() {
    let commands: [&[&str]; 6] =
        [&["version"], &["check-config"], &["print-config"], &["token", "--user", "ann"], &["--help"], &["--version"]];
    for args in commands {
        let output = server(args).envs([SECRET]).stdout(full()).output().expect("the binary runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {told}");
        assert!(told.contains("the output cannot be written: No space left"), "{args:?}: {told}");
        let output = server(args).envs([SECRET]).stdout(full()).stderr(full()).output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(1), "{args:?}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    for args in [&["print-config"][..], &["version"], &["--help"]] {
        let (reader, writer) = pipe().expect("a pipe");
        drop(reader);
        let output = server(args).stdout(writer).output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// A pipe that takes nothing more, and that nobody reads.
fn stuffed() -> (PipeReader, Stdio) {
    let (reader, mut writer) = pipe().expect("a pipe");
    // As many bytes as pipes have on Linux.
    writer.write_all(&[b'x'; 64 * 1024]).expect("room");
    (reader, writer.into())
}

/// The exit code, whatever standard error is.
#[track_caller]
fn check(args: &[&str], expect: i32) {
    let code =
        |stderr: Stdio| server(args).stdout(Stdio::null()).stderr(stderr).status().expect("the binary runs").code();
    assert_eq!(code(full()), Some(expect), "a full disk: {args:?}");
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    assert_eq!(code(writer.into()), Some(expect), "its reader is gone: {args:?}");
    let (mut reader, writer) = stuffed();
    assert_eq!(code(writer), Some(expect), "nobody reads: {args:?}");
    reader.read_to_end(&mut Vec::new()).expect("what was there");
}

#[test]
fn exit_codes_do_not_depend_on_standard_error() {
    let cases: [(&[&str], i32); 7] = [
        (&["--config", "/nowhere"], 78),
        (&["--config", "/nowhere", "check-config"], 78),
        (&["check-config"], 0),
        (&["--bogus"], 2),
        (&["token", "--user", "ann"], 1),
        (&["inspect", "/nowhere"], 1),
        // The log is on the way then.
        (&["--addr", "127.0.0.1:0", "--data-dir", "/proc/x"], 1),
    ];
    // Each waits for a while where nobody reads.
    std::thread::scope(|scope| {
        for (args, expect) in cases {
            scope.spawn(move || check(args, expect));
        }
    });
}
