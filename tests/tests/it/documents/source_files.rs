//! Source files that the documents name exist: a file that moves takes its name in the documents along.

use std::fs;
use std::path::Path;

use super::{document, root};

/// All Rust files of the repository, from its root.
fn rust_files(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path.to_string_lossy().into_owned());
        }
    }
}

#[test]
fn source_files_that_documents_name_exist() {
    let mut files = Vec::new();
    ["crates", "tests"].iter().for_each(|folder| rust_files(&root().join(folder), &mut files));
    let is_there = |name: &str| files.iter().any(|file| file.ends_with(&format!("/{name}")));
    let documents = fs::read_dir(root().join("docs")).expect("a folder");
    let mut missing = Vec::new();
    for entry in documents {
        let path = format!("docs/{}", entry.expect("readable").file_name().to_string_lossy());
        let text = if path.ends_with(".md") { document(&path) } else { continue };
        let prose: String = text.split("```").step_by(2).collect();
        let names = prose.split('`').skip(1).step_by(2).filter(|name| name.ends_with(".rs") && !name.contains(' '));
        missing.extend(names.filter(|name| !is_there(name)).map(|name| format!("{path}: {name}")));
    }
    assert!(missing.is_empty(), "files that are not there:\n  {}", missing.join("\n  "));
}
