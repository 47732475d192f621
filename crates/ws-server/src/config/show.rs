//! Prints the configuration, for `print-config`, and the reference of all keys.

use super::key::Facts;
use super::loaded::Loaded;
use super::name::KeyName;
use super::section::{Section, Value};
use super::source::Source;
use super::table::SECTIONS;

impl Loaded {
    /// The effective configuration as TOML, which loads to the same values. A note says where a value comes from. A
    /// value without a note is the default; in a namespace, a note says if it is inherited. Secrets are left out.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut out = "# The effective configuration. Values without a note are defaults.\n".to_owned();
        for section in SECTIONS {
            for (path, keys) in section.show(&self.config) {
                out.push('\n');
                if !path.words().is_empty() {
                    // A list has no numbers in the file.
                    let title = if section.title().starts_with("[[") { section.title() } else { format!("[{path}]") };
                    out.push_str(&format!("{title}\n"));
                }
                for value in keys {
                    let origin = self.origins.get(&KeyName::new(path.clone(), value.facts.name));
                    out.push_str(&line(&value, origin, section.inherits()));
                }
            }
        }
        out
    }
}

fn line(value: &Value, origin: Option<&Source>, inherits: Option<&str>) -> String {
    let Value { facts, toml, is_partial } = value;
    let note = match origin {
        None => inherits.map(|section| format!("  # as in [{section}]")).unwrap_or_default(),
        Some(source @ Source::Key(_)) => format!("  # raised to {source}"),
        Some(source) => format!("  # from {source}"),
    };
    match (facts.secret, origin) {
        (false, _) if *is_partial => format!("# {} = {toml} is not shown whole{note}\n", facts.name),
        (false, _) => format!("{} = {toml}{note}\n", facts.name),
        (true, Some(_)) => format!("# {} is set and not shown{note}\n", facts.name),
        (true, None) => format!("# {} is not set\n", facts.name),
    }
}

/// Every key as a line of a Markdown table: key, default, what is allowed, meaning, other names.
/// `docs/OPERATIONS.md` holds exactly these lines; a test compares them.
#[must_use]
pub fn reference() -> String {
    let mut out = "| key | default | allowed | meaning | environment, flag |\n|---|---|---|---|---|\n".to_owned();
    for section in SECTIONS {
        match section.inherits() {
            Some(from) => out.push_str(&row_of_all(section.name(), from)),
            None => section.facts().into_iter().for_each(|facts| out.push_str(&row(*section, facts))),
        }
    }
    out
}

fn row(section: &dyn Section, facts: &Facts) -> String {
    let name = KeyName::new(section.name(), facts.name);
    let variable = name.variable();
    let names = [Some(variable.as_str()), facts.variable, facts.flag];
    let names: Vec<_> = names.iter().flatten().map(|name| format!("`{name}`")).collect();
    let default = if facts.default.is_empty() { "none".to_owned() } else { format!("`{}`", facts.default) };
    let (allowed, names) = ((facts.allowed)(), names.join(", "));
    format!("| `{name}` | {default} | {allowed} | {} | {names} |\n", facts.about)
}

/// One line for a section that inherits the keys of another.
fn row_of_all(section: &str, from: &str) -> String {
    let (name, like) = (KeyName::new(section, "KEY"), format!("as `{from}.KEY`"));
    let variable = name.variable();
    format!("| `{name}` | {like} | {like} | Any key of `[{from}]`, for this section alone. | `{variable}` |\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(secret: bool, toml: &str) -> Value {
        let facts = Box::leak(Box::new(Facts { name: "key", secret, ..Facts::PLAIN }));
        Value { facts, toml: toml.to_owned(), is_partial: false }
    }

    #[track_caller]
    fn check(secret: bool, origin: Option<&Source>, expect: &str) {
        assert_eq!(line(&value(secret, "\"5s\""), origin, None), expect);
    }

    #[test]
    fn lines() {
        let variable = Source::Variable("WS_SERVER__KEY".to_owned());
        check(false, None, "key = \"5s\"\n");
        check(false, Some(&variable), "key = \"5s\"  # from WS_SERVER__KEY\n");
        check(false, Some(&Source::File("a\nb".into(), Some(7))), "key = \"5s\"  # from a?b:7\n");
        check(false, Some(&Source::Key("limits.x".to_owned())), "key = \"5s\"  # raised to limits.x\n");
        check(true, Some(&variable), "# key is set and not shown  # from WS_SERVER__KEY\n");
        check(true, None, "# key is not set\n");
        let partial = Value { is_partial: true, ..value(false, "\"https://a?…\"") };
        assert_eq!(
            line(&partial, Some(&variable), None),
            "# key = \"https://a?…\" is not shown whole  # from WS_SERVER__KEY\n"
        );
    }

    #[test]
    fn inherited_lines() {
        let line = |origin| line(&value(false, "1"), origin, Some("channels"));
        assert_eq!(line(None), "key = 1  # as in [channels]\n");
        assert_eq!(line(Some(&Source::Variable("A".to_owned()))), "key = 1  # from A\n");
    }

    #[test]
    fn a_row_has_every_name() {
        let reference = reference();
        let addr = reference.lines().find(|line| line.starts_with("| `addr` | `0.0.0.0:3000` |"));
        assert!(addr.is_some_and(|row| row.ends_with("| `WS_SERVER__ADDR`, `WEBSOCKET_ADDR`, `--addr` |")));
    }
}
