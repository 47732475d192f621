//! Links between the documents lead to existing files, and to headings in them.

use std::fs;
use std::path::Path;

use super::{document, root};

/// A link, to the repository or elsewhere.
#[derive(Debug)]
pub(super) struct Link {
    /// The path from the root of the repository, or a URL; empty where it is the document itself.
    pub(super) target: String,
    /// The heading in it; empty for all of it.
    heading: String,
}

/// The links of a document, in their order.
pub(super) fn links(path: &str) -> Vec<Link> {
    let text = document(path);
    let prose = text.split("```").step_by(2);
    let written = prose.flat_map(|part| part.split("](").skip(1)).filter_map(|after| Some(after.split_once(')')?.0));
    written.map(|written| link(path, written)).collect()
}

fn link(from: &str, written: &str) -> Link {
    if written.contains("://") {
        return Link { target: written.to_owned(), heading: String::new() };
    }
    let (file, heading) = written.split_once('#').unwrap_or((written, ""));
    let folder = Path::new(from).parent().unwrap_or(Path::new(""));
    let target = if file.is_empty() { from.to_owned() } else { plain(&folder.join(file)) };
    Link { target, heading: heading.to_owned() }
}

/// A path without `..`.
fn plain(path: &Path) -> String {
    let mut parts = Vec::new();
    for part in path {
        match part.to_str() {
            Some("..") => drop(parts.pop()),
            Some(".") | None => {}
            Some(part) => parts.push(part),
        }
    }
    parts.join("/")
}

/// The anchors that GitHub gives to the headings of a document.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.split("```").step_by(2).flat_map(str::lines).filter(|line| line.starts_with('#'));
    let name = |heading: &str| -> String {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|letter| letter.is_alphanumeric() || "-_ ".contains(*letter));
        kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
    };
    headings.map(name).collect()
}

#[test]
fn links_lead_somewhere() {
    let docs = fs::read_dir(root().join("docs")).expect("a folder");
    let docs = docs.map(|entry| format!("docs/{}", entry.expect("readable").file_name().to_string_lossy()));
    let others = ["README.md", "crates/ws-proto/README.md", "crates/ws-bench/README.md"].map(str::to_owned);
    let mut dead = Vec::new();
    for path in docs.filter(|path| path.ends_with(".md")).chain(others) {
        for link in links(&path).into_iter().filter(|link| !link.target.contains("://")) {
            let is_there = root().join(&link.target).exists();
            if !is_there || (!link.heading.is_empty() && !anchors(&document(&link.target)).contains(&link.heading)) {
                dead.push(format!("{path}: {}#{}", link.target, link.heading));
            }
        }
    }
    assert!(dead.is_empty(), "links that lead nowhere:\n  {}", dead.join("\n  "));
}
