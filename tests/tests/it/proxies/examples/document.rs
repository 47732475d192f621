//! Examples out of `docs/OPERATIONS.md`.

use std::path::Path;

/// The host of all examples.
pub(super) const HOST: &str = "chat.example.org";

/// The first block in this language after this heading, and before the next one.
pub(super) fn block(heading: &str, language: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/OPERATIONS.md");
    let text = std::fs::read_to_string(path).expect("the document");
    let mut lines = text.lines().skip_while(|line| *line != heading).skip(1);
    let section = lines.by_ref().take_while(|line| !line.starts_with("##"));
    let fence = format!("```{language}");
    let block = section.skip_while(|line| *line != fence).skip(1).take_while(|line| *line != "```");
    let block: String = block.map(|line| format!("{line}\n")).collect();
    assert!(!block.is_empty(), "{heading} has a block in {language}");
    block
}

/// The text with each of these replaced, everywhere. Each must be there.
pub(super) fn replaced(text: &str, pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from:?} is in {text}");
        text.replace(from, to)
    })
}
