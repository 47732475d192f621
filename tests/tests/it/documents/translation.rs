//! A translation has the same parts, the same examples and the same links as the original.

use super::document;
use super::links::links;

const ORIGINAL: &str = "README.md";
const TRANSLATION: &str = "docs/README.zh-CN.md";

/// Levels of the headings, in their order, each with the number that it begins with.
fn headings(document: &str) -> Vec<String> {
    prose(document).filter(|line| line.starts_with('#')).map(outline).collect()
}

fn outline(heading: &str) -> String {
    heading.chars().take_while(|letter| "# .0123456789".contains(*letter)).collect()
}

/// Lines outside of code blocks.
fn prose(document: &str) -> impl Iterator<Item = &str> {
    document.split("```").step_by(2).flat_map(str::lines)
}

/// Code blocks as they are written, with their languages.
fn code(document: &str) -> Vec<&str> {
    document.split("```").skip(1).step_by(2).collect()
}

/// The number of bullets and of table rows.
fn units(document: &str) -> [usize; 2] {
    ["- ", "|"].map(|start| prose(document).filter(|line| line.starts_with(start)).count())
}

/// Where links lead, but for each document's link to the other, as seen from the root.
fn targets(path: &str) -> Vec<String> {
    let targets = links(path).into_iter().map(|link| link.target);
    let mut targets: Vec<_> = targets.filter(|target| ![ORIGINAL, TRANSLATION].contains(&target.as_str())).collect();
    targets.sort();
    targets
}

#[test]
fn the_chinese_readme_is_the_readme() {
    let (original, translation) = (document(ORIGINAL), document(TRANSLATION));
    assert_eq!(headings(&translation), headings(&original), "headings");
    for (translated, original) in code(&translation).iter().zip(code(&original)) {
        assert_eq!(*translated, original, "code blocks are not translated");
    }
    assert_eq!(code(&translation).len(), code(&original).len(), "code blocks");
    assert_eq!(units(&translation), units(&original), "bullets and rows of tables");
    assert_eq!(targets(TRANSLATION), targets(ORIGINAL), "links");
}
