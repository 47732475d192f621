//! A configuration file to begin with: every key with its meaning and default, commented out.

use super::key::Facts;
use super::section::{Section, Value};
use super::sections::Config;
use super::table::SECTIONS;

const HEAD: &str = "\
# Configuration of ws-server. Keys that are commented out have their defaults. A change takes effect after a restart:
# ws-server check-config --config FILE, then systemctl restart ws-server
";

const COLUMNS: usize = 110;

/// The file. The `set` keys of the top of the file are not commented out and have these values, as TOML.
#[must_use]
pub fn template(set: &[(&str, &str)]) -> String {
    let (mut out, defaults) = (HEAD.to_owned(), Config::default());
    for section in SECTIONS {
        match (section.show(&defaults).first(), section.inherits()) {
            (Some((_, keys)), _) => {
                let is_top = section.name().is_empty();
                out.push_str(&if is_top { "\n".to_owned() } else { title(*section) });
                for Value { facts, toml, .. } in keys {
                    let value = set.iter().find(|(name, _)| is_top && *name == facts.name).map(|(_, value)| *value);
                    out.push_str(&comment(facts.about));
                    out.push_str(&value.map_or_else(
                        || format!("# {} = {toml}\n", facts.name),
                        |value| format!("{} = {value}\n", facts.name),
                    ));
                }
            }
            (None, Some(from)) => out.push_str(&format!(
                "\n# Any key of [{from}], for channels whose names begin with chat:\n# [namespaces.chat]\n"
            )),
            (None, None) => out.push_str(&example(*section)),
        }
    }
    out
}

/// The title stands, so that a key below it can be uncommented alone. That of an engine does not: it is a mistake unless
/// `engine.type` names that engine.
fn title(section: &dyn Section) -> String {
    let mark = if section.name().starts_with("engine.") { "# " } else { "" };
    format!("\n{mark}{}\n", section.title())
}

/// A section that may occur any number of times, and does not by default.
fn example(section: &dyn Section) -> String {
    let keys = |facts: &&Facts| format!("{}# {} = {:?}\n", comment(facts.about), facts.name, facts.default);
    format!("\n# {}\n{}", section.title(), section.facts().iter().map(keys).collect::<String>())
}

/// The text as a comment of several lines.
fn comment(text: &str) -> String {
    let mut out = String::new();
    let mut column = COLUMNS;
    for word in text.split(' ') {
        if column + 1 + word.len() > COLUMNS {
            out.push_str(if out.is_empty() { "#" } else { "\n#" });
            column = 1;
        }
        out.push(' ');
        out.push_str(word);
        column += 1 + word.len();
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::config::{Sources, load};

    #[track_caller]
    fn loaded(name: &str, text: &str) -> Config {
        let path = std::env::temp_dir().join(format!("ws-server-{}-{name}.toml", std::process::id()));
        std::fs::write(&path, text).expect("written");
        let loaded = load(&Sources { config: Some(path.clone()), ..Sources::default() });
        std::fs::remove_file(&path).expect("removed");
        loaded.unwrap_or_else(|mistakes| panic!("{}", crate::config::report(&mistakes))).config
    }

    #[test]
    fn it_loads_to_the_defaults() {
        assert_eq!(loaded("template", &template(&[])), Config::default());
        let expect = Config { addr: vec![SocketAddr::from(([127, 0, 0, 1], 3000)).into()], ..Config::default() };
        assert_eq!(loaded("template-set", &template(&[("addr", "[\"127.0.0.1:3000\"]")])), expect);
    }

    #[test]
    fn every_key_can_be_uncommented() {
        let text = template(&[]);
        // Not the lists, whose entries have no defaults that work, and not the engine that is not used by default.
        let is_left_out = |part: &&str| {
            ["# [[auth.keys]]", "# [[api.keys]]", "# [engine.sqlite]"].iter().any(|title| part.contains(title))
        };
        let parts: Vec<_> = text.split("\n\n").collect();
        assert_eq!(parts.iter().copied().filter(|part| is_left_out(part)).count(), 3, "they are found");
        let is_key = |rest: &str| rest.split_once(" = ").is_some_and(|(name, _)| !name.contains([' ', '`']));
        let uncomment = |line: &str| match line.strip_prefix("# ") {
            Some(rest) if is_key(rest) || rest.starts_with('[') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        };
        let parts = parts.into_iter().filter(|part| !is_left_out(part));
        let all: String = parts.flat_map(str::lines).map(uncomment).collect();
        let config = loaded("template-all", &all);
        assert!(config.namespaces.contains_key("chat"), "{all}");
        assert_eq!(Config { namespaces: Default::default(), ..config }, Config::default());
        assert!(all.lines().filter(|line| !line.starts_with('#')).count() > 50, "the keys are found");
    }

    #[test]
    fn lines_are_not_long() {
        let text = template(&[]);
        let long: Vec<_> = text.lines().filter(|line| line.len() > COLUMNS + 10).collect();
        assert!(long.is_empty(), "{long:#?}");
    }
}
