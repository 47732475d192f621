//! Compares what a document shows with the actual output. Ids, epochs, times and tokens differ from run to run; but what is
//! the same twice in the document must be the same twice in the run, and what differs (times apart) must differ.

use std::collections::HashMap;

const TIME: &str = "<time>";

/// The words that differ from run to run: as in the document, and as in this run.
#[derive(Debug, Default)]
pub(super) struct Words(HashMap<String, String>);

impl Words {
    /// Whether `said` is what `shown` shows, white space apart. `…` stands for any text. If so, the words of `shown`
    /// stand for those of `said` from now on.
    pub(super) fn learn(&mut self, shown: &str, said: &str) -> bool {
        let ((shown, names), (said, values)) = (split(shown), split(said));
        // What `…` leaves out may have words too.
        let pairs = || names.iter().zip(&values).filter(|_| !shown.contains('…'));
        let is_like = is_like(&shown, &said) && pairs().all(|(name, value)| self.agrees(name, value));
        if is_like {
            self.0.extend(pairs().map(|(name, value)| (name.clone(), value.clone())));
        }
        is_like
    }

    fn agrees(&self, name: &str, value: &str) -> bool {
        match self.0.get(name) {
            Some(known) => known == value,
            None => placeholder(name) == Some(TIME) || self.0.values().all(|known| known != value),
        }
    }

    /// The text with the words of this run.
    pub(super) fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }
}

/// A text without white space and with a placeholder for each word that differs from run to run, and those words.
fn split(text: &str) -> (String, Vec<String>) {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-_.…".contains(letter);
    let (mut rest, mut plain, mut words) = (text, String::new(), Vec::new());
    while let Some(letter) = rest.chars().next() {
        let len = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len()).max(letter.len_utf8());
        let (word, after) = rest.split_at(len);
        match placeholder(word) {
            Some(placeholder) => {
                plain.push_str(placeholder);
                words.push(word.to_owned());
            }
            None => plain.push_str(word.trim()),
        }
        rest = after;
    }
    (plain, words)
}

fn placeholder(word: &str) -> Option<&'static str> {
    let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    match word.len() {
        _ if word.starts_with("eyJ") => Some("<token>"),
        36 if is_hex => Some("<id>"),
        16 if is_hex => Some("<epoch>"),
        13 if word.bytes().all(|byte| byte.is_ascii_digit()) => Some(TIME),
        _ => None,
    }
}

/// Whether `said` is `shown`, where `…` is any text.
fn is_like(shown: &str, said: &str) -> bool {
    let Some((first, last)) = shown.split_once('…') else { return shown == said };
    let Some(mut rest) = said.strip_prefix(first) else { return false };
    let mut parts = last.split('…').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    true
}

#[test]
fn what_differs_from_run_to_run_is_learned() {
    let mut words = Words::default();
    assert!(words.learn(r#"{"a": "b1cebc8876f42918", "n": 1}"#, r#"{"a":"0000000000000001","n":1}"#));
    assert!(!words.learn(r#"{"a":"b1cebc8876f42918"}"#, r#"{"a":"0000000000000002"}"#), "another epoch");
    assert!(!words.learn(r#"{"a":"b1cebc8876f42919"}"#, r#"{"a":"0000000000000001"}"#), "not another epoch");
    assert!(!words.learn(r#"{"n":1}"#, r#"{"n":2}"#), "another number");
    assert!(!words.learn(r#"{"t":1795587814633}"#, r#"{"t":"0000000000000001"}"#), "another kind");
    assert_eq!(words.fill("since b1cebc8876f42918"), "since 0000000000000001");
    assert!(words.learn("eyJ0eXAi…", "eyJ0eXAiOiJKV1Qi.eyJzdWIi.c2ln"));
    assert_eq!(words.fill("token eyJ0eXAi…"), "token eyJ0eXAiOiJKV1Qi.eyJzdWIi.c2ln");
    for (shown, said, expect) in
        [("a…c", "abc", true), ("a…c", "abcd", false), ("…", "", true), ("a…b…", "a1b2", true), ("a…b…", "a1", false)]
    {
        assert_eq!(words.learn(shown, said), expect, "{shown} {said}");
    }
}
