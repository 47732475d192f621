//! The fenced blocks of a Markdown document, in order, each with its purpose.

const FENCE: &str = "```";
const STOP: &str = "<!-- stop -->";

/// What a reader does with a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `json`: sends the requests, and receives everything else. One frame per line, or one frame over several lines.
    Frames,
    /// `toml`: adds it to `ws-server.toml`.
    Config,
    /// `bash`: runs each line.
    Commands,
    /// `console`: runs what follows a `$`, and expects the lines after it.
    Console,
    /// `python`: saves it under the name in its first line.
    Python,
    /// `js`: runs it as a module of a page.
    Browser,
    /// No language: expects the running program to print these lines.
    Printed,
    /// `<!-- stop -->`, which is not rendered: stops the running program with Ctrl+C, as the text beside it says.
    Stop,
}

/// A block.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) kind: Kind,
    /// The line where it begins in the document, for messages.
    pub(super) line: usize,
    pub(super) text: String,
}

/// All blocks of a document.
///
/// # Panics
/// If a block is in a language that this test cannot check.
pub(super) fn blocks(document: &str) -> Vec<Block> {
    let mut lines = document.lines().zip(1..);
    let mut blocks = Vec::new();
    while let Some((line, number)) = lines.next() {
        if line == STOP {
            blocks.push(Block { kind: Kind::Stop, line: number, text: String::new() });
        }
        let Some(language) = line.strip_prefix(FENCE) else { continue };
        let kind = kind(language).unwrap_or_else(|| panic!("line {number}: nothing checks {language:?}"));
        let inside = lines.by_ref().map(|(line, _)| line).take_while(|line| *line != FENCE);
        blocks.push(Block { kind, line: number, text: inside.map(|line| format!("{line}\n")).collect() });
    }
    blocks
}

/// The document without its blocks in these languages; its lines keep their numbers.
pub(super) fn without(document: &str, languages: &[&str]) -> String {
    let mut is_left_out = false;
    let kept = document.lines().map(|line| {
        is_left_out |= line.strip_prefix(FENCE).is_some_and(|language| languages.contains(&language));
        let kept = if is_left_out { "" } else { line };
        is_left_out &= line != FENCE;
        kept
    });
    kept.map(|line| format!("{line}\n")).collect()
}

fn kind(language: &str) -> Option<Kind> {
    Some(match language {
        "json" => Kind::Frames,
        "toml" => Kind::Config,
        "bash" => Kind::Commands,
        "console" => Kind::Console,
        "python" => Kind::Python,
        "js" => Kind::Browser,
        "" => Kind::Printed,
        _ => return None,
    })
}

/// The frames of a `json` block.
pub(super) fn frames(text: &str) -> Vec<&str> {
    if text.starts_with("{\n") { vec![text] } else { text.lines().collect() }
}

/// The commands of a `console` block, each with the lines that it prints.
pub(super) fn commands(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut commands: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command, Vec::new())),
            (None, Some((_, printed))) => printed.push(line),
            (None, None) => panic!("a console block begins with a command: {line}"),
        }
    }
    commands
}
