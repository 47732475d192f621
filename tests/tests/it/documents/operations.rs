//! The examples of OPERATIONS: configurations load, commands that check one print what is shown, and the variables of
//! the unit are keys.

use std::fs;
use std::path::Path;
use std::process::Command;

use ws_server::config::{Sources, load, report};

use super::blocks::{Block, Kind, blocks, commands, without};
use super::document;
use crate::SERVER;

const SECRET: (&str, &str) = ("WS_SERVER__AUTH__KEYS__0__SECRET", "a secret that is long enough to be one");

/// The document without its blocks in languages that are not ours.
fn examples() -> Vec<Block> {
    blocks(&without(&document("docs/OPERATIONS.md"), &["ini", "yaml", "nginx", "dockerfile", "haproxy", "caddyfile"]))
}

/// Loads a file with these variables; the report of its mistakes.
fn mistakes(toml: &str, variables: &[(&str, &str)]) -> Option<String> {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("ws-server.toml");
    fs::write(&path, toml).expect("a file");
    let env = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    load(&Sources { config: Some(path), env, ..Sources::default() }).err().map(|mistakes| report(&mistakes))
}

#[test]
fn every_configuration_loads() {
    let examples = examples();
    let configurations: Vec<_> = examples.iter().filter(|block| block.kind == Kind::Config).collect();
    assert!(configurations.len() >= 7, "they are found");
    for block in configurations {
        let has_keys = block.text.contains("auth.keys") || block.text.contains("jwks_url");
        let secret: &[_] = if has_keys { &[] } else { &[SECRET] };
        assert_eq!(mistakes(&block.text, secret), None, "docs/OPERATIONS.md:{}", block.line);
    }
}

#[test]
fn a_checked_configuration_prints_what_is_shown() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut checked = 0;
    for block in examples() {
        match block.kind {
            Kind::Config => fs::write(dir.path().join("ws-server.toml"), &block.text).expect("a file"),
            Kind::Console if block.text.contains("check-config") => {
                run(dir.path(), &block);
                checked += 1;
            }
            _ => {}
        }
    }
    assert_eq!(checked, 2, "a right one, and one with mistakes");
}

/// Runs a block in one shell, so that `$?` is the command's before.
fn run(dir: &Path, block: &Block) {
    let (lines, shown): (Vec<_>, Vec<_>) = commands(&block.text).into_iter().unzip();
    let path = format!("{}:/usr/bin:/bin", Path::new(SERVER).parent().expect("a folder").display());
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("exec 2>&1\n{}", lines.join("\n"))]).current_dir(dir).env_clear().env("PATH", path);
    let output = shell.output().expect("bash");
    let said = String::from_utf8(output.stdout).expect("text");
    // Warnings depend on the machine too.
    let said = said.lines().filter(|line| !line.starts_with("warning: "));
    assert_eq!(said.collect::<Vec<_>>(), shown.concat(), "docs/OPERATIONS.md:{}", block.line);
}
