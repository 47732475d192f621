//! The TOML file: from its text to what was typed for each key, with line numbers.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::ConfigError;
use super::name::{KeyName, SectionPath};
use super::nearest::nearest;
use super::source::{Given, Source, Sources};
use super::table::SECTIONS;
use super::value::Typed;

/// Names the file where `--config` does not.
pub(crate) const VARIABLE: &str = "WS_SERVER_CONFIG";

/// Most syntax errors that are reported: those after the first often only follow from it.
const SYNTAX_ERRORS_MAX: usize = 8;

/// Reads the file, if one is named. A file that is named and cannot be read is a mistake.
pub(crate) fn read(sources: &Sources, mistakes: &mut Vec<ConfigError>) -> Vec<Given> {
    let Some((path, named_by)) = chosen(sources) else {
        return Vec::new();
    };
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => {
            mistakes.push(ConfigError {
                source: named_by,
                key: String::new(),
                found: format!("{path:?}, which cannot be read: {error}"),
                allowed: "a file that can be read".to_owned(),
                hint: None,
            });
            return Vec::new();
        }
    };
    match String::from_utf8(bytes) {
        Ok(text) => Walk::new(&path, &text).document(mistakes),
        Err(error) => {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = line_of(valid, valid.len());
            mistakes.push(syntax(&path, line, "a byte that is not UTF-8"));
            Vec::new()
        }
    }
}

fn chosen(sources: &Sources) -> Option<(PathBuf, Source)> {
    let flag = sources.config.clone().map(|path| (path, Source::Flag("--config".to_owned())));
    let variable = |name: &OsStr| (PathBuf::from(name), Source::Variable(VARIABLE.to_owned()));
    flag.or_else(|| sources.variable(VARIABLE).map(variable))
}

fn line_of(text: &[u8], offset: usize) -> usize {
    1 + text[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}

fn syntax(path: &Path, line: usize, found: &str) -> ConfigError {
    ConfigError {
        source: Source::File(path.to_owned(), Some(line)),
        key: String::new(),
        found: found.to_owned(),
        allowed: "TOML, https://toml.io".to_owned(),
        hint: None,
    }
}

/// One pass over the document.
struct Walk<'a> {
    path: &'a Path,
    text: &'a str,
    given: Vec<Given>,
    mistakes: Vec<ConfigError>,
}

impl<'a> Walk<'a> {
    fn new(path: &'a Path, text: &'a str) -> Self {
        Self { path, text, given: Vec::new(), mistakes: Vec::new() }
    }

    fn document(mut self, mistakes: &mut Vec<ConfigError>) -> Vec<Given> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        let mut line_before = 0;
        for error in errors.iter().take(SYNTAX_ERRORS_MAX) {
            let line = line_of(self.text.as_bytes(), error.span().map_or(0, |span| span.start));
            let found = format!("a syntax error: {}", error.message());
            if line != line_before {
                self.mistakes.push(syntax(self.path, line, &found));
            }
            line_before = line;
        }
        // After a syntax error, the rest of the table is a guess of the parser.
        if errors.is_empty() {
            self.table(&"".into(), table.get_ref());
        }
        // The parser sorts by name; people read from top to bottom.
        self.given.sort_by(|a, b| a.source.cmp(&b.source));
        mistakes.append(&mut self.mistakes);
        self.given
    }

    fn table(&mut self, section: &SectionPath, table: &DeTable<'_>) {
        for (key, value) in table {
            let name = KeyName::new(section.clone(), key.get_ref());
            let path = name.to_section();
            let is_key = SECTIONS.iter().any(|s| s.owns(section) && s.facts().iter().any(|f| f.name == name.key));
            match value.get_ref() {
                DeValue::Array(items) if is_list(&path) => self.list(&path, items),
                _ if is_list(&path) => self.no_section(&path, value),
                DeValue::Table(inner) if leads_to_section(&path) => {
                    self.given.push(Given { source: self.source(key.span().start), name, typed: Typed::Section });
                    self.table(&path, inner);
                }
                DeValue::Table(_) if !is_key => self.unknown_section(&path, key),
                _ if leads_to_section(&path) => self.no_section(&path, value),
                _ => {
                    let (source, typed) = (self.source(value.span().start), typed(value.get_ref()));
                    self.given.push(Given { source, name, typed });
                }
            }
        }
    }

    /// Each entry is a section of its own, by its number.
    fn list(&mut self, path: &SectionPath, items: &[Spanned<DeValue<'_>>]) {
        for (number, item) in items.iter().enumerate() {
            let DeValue::Table(inner) = item.get_ref() else {
                self.no_section(path, item);
                continue;
            };
            let name = KeyName::new(path.clone(), &number.to_string());
            let entry = name.to_section();
            self.given.push(Given { source: self.source(item.span().start), name, typed: Typed::Section });
            self.table(&entry, inner);
        }
    }

    fn unknown_section<T>(&mut self, path: &SectionPath, key: &Spanned<T>) {
        let path = path.to_string();
        let known = SECTIONS.iter().flat_map(|section| [Some(section.name()), group(section.name())]).flatten();
        self.mistakes.push(ConfigError {
            source: self.source(key.span().start),
            key: path.clone(),
            found: "an unknown section".to_owned(),
            allowed: section_names(),
            hint: nearest(&path, known).map(|near| format!("did you mean [{near}]?")),
        });
    }

    fn no_section(&mut self, path: &SectionPath, value: &Spanned<DeValue<'_>>) {
        self.mistakes.push(ConfigError {
            source: self.source(value.span().start),
            key: path.to_string(),
            found: match value.get_ref() {
                DeValue::Table(_) => typed(value.get_ref()).to_string(),
                // The entries of this list are keys for tokens, so the value may be a secret.
                _ if is_list(path) => "something that is not a section".to_owned(),
                other => typed(other).to_string(),
            },
            allowed: format!("a section: {}", sections_at(path)),
            hint: None,
        });
    }

    fn source(&self, offset: usize) -> Source {
        Source::File(self.path.to_owned(), Some(line_of(self.text.as_bytes(), offset)))
    }
}

/// `[limits], [auth], [[auth.keys]], [actions]`
pub(crate) fn section_names() -> String {
    let named = SECTIONS.iter().filter(|section| !section.name().is_empty());
    named.map(|section| section.title()).collect::<Vec<_>>().join(", ")
}

/// `[drain]`; `[engine.memory]` for `engine`
fn sections_at(path: &SectionPath) -> String {
    if SECTIONS.iter().any(|section| section.owns(path)) {
        return format!("[{path}]");
    }
    let inside = SECTIONS.iter().filter(|section| path.leads_to(&section.name().into()));
    inside.map(|section| section.title()).collect::<Vec<_>>().join(", ")
}

/// `engine` of `engine.memory`: a prefix of sections that people may look for.
fn group(section: &'static str) -> Option<&'static str> {
    section.split_once('.').map(|(group, _)| group)
}

fn is_list(path: &SectionPath) -> bool {
    SECTIONS.iter().any(|section| section.lists_at(path))
}

fn leads_to_section(path: &SectionPath) -> bool {
    SECTIONS.iter().any(|s| s.owns(path) || path.leads_to(&s.name().into()))
}

fn typed(value: &DeValue<'_>) -> Typed {
    match value {
        DeValue::String(text) => Typed::Quoted(text.to_string()),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Typed::Other(number.to_string()), Typed::Integer),
        DeValue::Array(items) => Typed::List(items.iter().map(|item| typed(item.get_ref())).collect()),
        DeValue::Float(number) => Typed::Other(number.to_string()),
        DeValue::Boolean(value) => Typed::Boolean(*value),
        DeValue::Datetime(time) => Typed::Other(time.to_string()),
        DeValue::Table(_) => Typed::Other("a table".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line per key that was given and per mistake.
    #[track_caller]
    fn check(text: &str, expect: &[&str]) {
        let mut mistakes = Vec::new();
        let given = Walk::new(Path::new("f"), text).document(&mut mistakes);
        let given = given.iter().map(|g| format!("{} {} = {}", g.source, g.name, g.typed));
        let mistakes = mistakes.iter().map(|m| m.to_string().replace("\n    ", " | "));
        assert_eq!(given.chain(mistakes).collect::<Vec<_>>(), expect);
    }

    #[test]
    fn keys_with_their_lines() {
        check(
            "addr = 'a'\n\n[limits]\nb = 0x1_0\na = true\n",
            &["f:1 addr = \"a\"", "f:3 limits = a section", "f:4 limits.b = 16", "f:5 limits.a = true"],
        );
        check("limits.a = [\n1]\nx = 1.5\n", &["f:1 limits = a section", "f:1 limits.a = a list of 1", "f:3 x = 1.5"]);
        check("'x.y' = {}\n", &[&format!("f:1: \"x.y\": found an unknown section | allowed: {}", section_names())]);
        check("addr = {}\n", &["f:1 addr = a table"]);
    }

    #[test]
    fn namespaces() {
        check(
            "[namespaces.chat]\n\n['namespaces'.\"a.b\"]\nx = 1\n",
            &[
                "f:1 namespaces = a section",
                "f:1 namespaces.chat = a section",
                "f:3 namespaces.\"a.b\" = a section",
                "f:4 namespaces.\"a.b\".x = 1",
            ],
        );
        check("namespaces = { chat = {} }\n", &["f:1 namespaces = a section", "f:1 namespaces.chat = a section"]);
        check(
            "[namespaces.a.b]\n",
            &[
                "f:1 namespaces = a section",
                "f:1 namespaces.a = a section",
                &format!(
                    "f:1: namespaces.a.b: found an unknown section | allowed: {} | did you mean [namespaces.NAME]?",
                    section_names()
                ),
            ],
        );
    }

    #[test]
    fn lists_of_sections() {
        check(
            "[[auth.keys]]\nsecret = 'a'\n\n[[auth.keys]]\nkid = 'b'\nx = 1\n",
            &[
                "f:1 auth = a section",
                "f:1 auth.keys.0 = a section",
                "f:2 auth.keys.0.secret = \"a\"",
                "f:4 auth.keys.1 = a section",
                "f:5 auth.keys.1.kid = \"b\"",
                "f:6 auth.keys.1.x = 1",
            ],
        );
    }

    #[test]
    fn sections_that_are_none() {
        let unknown = |name: &str, meant: &str| {
            format!("f:1: {name}: found an unknown section | allowed: {} | did you mean [{meant}]?", section_names())
        };
        check("[limts]\na = 1\n", &[&unknown("limts", "limits")]);
        check("[namspaces.chat]\n", &[&unknown("namspaces", "namespaces")]);
        check("[engine.memroy]\n", &["f:1 engine = a section", &unknown("engine.memroy", "engine.memory")]);
        check("limits = 5", &["f:1: limits: found 5 | allowed: a section: [limits]"]);
        check("[[drain]]\n", &["f:1: drain: found a list of 1 | allowed: a section: [drain]"]);
        check("engine = 'memory'", &["f:1: engine: found \"memory\" | allowed: a section: [engine]"]);
        check(
            "[auth.keys]\n",
            &["f:1 auth = a section", "f:1: auth.keys: found a table | allowed: a section: [[auth.keys]]"],
        );
        check(
            "auth.keys = 5",
            &[
                "f:1 auth = a section",
                "f:1: auth.keys: found something that is not a section | allowed: a section: [[auth.keys]]",
            ],
        );
        check(
            "auth.keys = [1, {}]",
            &[
                "f:1 auth = a section",
                "f:1 auth.keys.1 = a section",
                "f:1: auth.keys: found something that is not a section | allowed: a section: [[auth.keys]]",
            ],
        );
        check("namespaces = []", &["f:1: namespaces: found a list of 0 | allowed: a section: [namespaces.NAME]"]);
        check(
            "namespaces.chat = 1",
            &["f:1 namespaces = a section", "f:1: namespaces.chat: found 1 | allowed: a section: [namespaces.chat]"],
        );
    }

    #[test]
    fn syntax_errors_have_lines() {
        let mut mistakes = Vec::new();
        let given = Walk::new(Path::new("f"), "addr = 'a'\nx = = 1\ny =\n").document(&mut mistakes);
        assert_eq!(given, []);
        let lines: Vec<_> = mistakes.iter().map(|m| m.source.to_string()).collect();
        assert_eq!(lines, ["f:2", "f:3"]);
        assert!(mistakes.iter().all(|m| m.found.starts_with("a syntax error: ")), "{mistakes:?}");
    }
}
