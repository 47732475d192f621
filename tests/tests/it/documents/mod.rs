//! The documents keep their promises: examples do what they show, links lead somewhere, and translations are complete.

mod backends;
mod blocks;
mod likeness;
mod links;
mod operations;
mod reader;
mod served;
mod source_files;
mod translation;

use std::fs;
use std::path::{Path, PathBuf};

use blocks::{Block, Kind, blocks, without};
use reader::Reader;

/// A document, by its path in the repository.
fn document(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Follows the whole document.
async fn follow(path: &str) {
    let dir = tempfile::tempdir().expect("a folder");
    let mut reader = Reader::new(dir.path().to_owned());
    for block in blocks(&document(path)) {
        eprintln!("{path}:{}", block.line);
        reader.read(&block).await;
    }
    reader.stop().await;
    reader.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "node"), ignore = "Node.js is missing, or npm ci in tests/js")]
async fn the_readme_as_it_stands() {
    follow("README.md").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "python"), ignore = "Python is missing, or the packages of tests/py/requirements.txt")]
async fn the_guide_as_it_stands() {
    follow("docs/GUIDE.md").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_of_ws_proto_as_they_stand() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut reader = Reader::new(dir.path().to_owned());
    let text = "ws-server\n".to_owned();
    reader.read(&Block { kind: Kind::Commands, line: 0, text }).await;
    let text = without(&document("crates/ws-proto/README.md"), &["rust"]);
    let commands: Vec<_> = blocks(&text).into_iter().filter(|block| block.kind == Kind::Console).collect();
    assert!(!commands.is_empty(), "they are found");
    for block in &commands {
        reader.read(block).await;
    }
}
