//! From what was typed to what is meant: every given value goes to its key, the later over the earlier,
//! and then the values are checked against each other.

use std::collections::BTreeMap;

use super::Config;
use super::file::section_names;
use super::key::{Facts, KeyName, Section};
use super::mistake::Mistake;
use super::nearest::distance;
use super::sections::{Limits, SECTIONS};
use super::source::{Given, Source};

/// A configuration, and where its values come from. What has no origin is the default.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the server works with.
    pub config: Config,
    pub(crate) origins: BTreeMap<KeyName, Source>,
}

/// Applies `given` in its order. What cannot be applied goes to `mistakes`.
pub(crate) fn settle(given: Vec<Given>, mistakes: &mut Vec<Mistake>) -> Loaded {
    let mut loaded = Loaded { config: Config::default(), origins: BTreeMap::new() };
    for Given { source, name, typed } in given {
        let section = SECTIONS.iter().find(|section| section.owns(&name.section));
        let result = section.and_then(|section| section.set(&mut loaded.config, &name, &typed));
        match (result, section) {
            (Some(Ok(())), _) => {
                loaded.origins.insert(name, source);
            }
            (Some(Err(wrong)), Some(section)) => mistakes.push(bad_value(*section, source, &name, wrong)),
            _ => mistakes.push(unknown_key(source, &name)),
        }
    }
    leave_room(&mut loaded, mistakes);
    loaded
}

fn bad_value(section: &dyn Section, source: Source, name: &KeyName, wrong: super::value::Wrong) -> Mistake {
    let facts = section.facts().into_iter().find(|facts| facts.name == name.key).unwrap_or(&Facts::PLAIN);
    Mistake {
        source,
        key: name.to_string(),
        found: if facts.secret { "a value that is not shown".to_owned() } else { wrong.found },
        allowed: (facts.allowed)(),
        hint: wrong.hint.filter(|_| !facts.secret),
    }
}

fn unknown_key(source: Source, name: &KeyName) -> Mistake {
    let section = SECTIONS.iter().find(|section| section.owns(&name.section));
    let keys = section.map(|section| section.facts().iter().map(|f| f.name).collect::<Vec<_>>().join(", "));
    let allowed = match (keys, name.section.as_str()) {
        (Some(keys), "") => format!("{keys}, and the sections {}", section_names()),
        (Some(keys), _) => keys,
        (None, _) => format!("the sections {}", section_names()),
    };
    let hint = meant(name).map(|near| match source {
        Source::Variable(_) => format!("did you mean {}?", near.variable()),
        _ => format!("did you mean {near}?"),
    });
    Mistake { source, key: name.to_string(), found: "an unknown key".to_owned(), allowed, hint }
}

/// The nearest key, of any section: a key in the wrong section is a common slip.
fn meant(name: &KeyName) -> Option<KeyName> {
    let known = SECTIONS.iter().flat_map(|s| s.facts().into_iter().map(|f| KeyName::new(s.name(), f.name)));
    let scored = known.filter_map(|known| {
        let elsewhere = usize::from(known.section != name.section);
        Some((distance(&name.key, &known.key)? + elsewhere, known))
    });
    scored.min_by_key(|(score, _)| *score).map(|(_, known)| known)
}

/// What must hold the largest message: the key, its field, and why.
type Room = (&'static str, fn(&mut Limits) -> &mut usize, &'static str);

const ROOM: [Room; 2] = [
    ("outbox_bytes_max", |l| &mut l.outbox_bytes_max, "the answer to the largest message must fit in it"),
    ("broadcast_log_bytes_max", |l| &mut l.broadcast_log_bytes_max, "the largest broadcast must fit in it"),
];

/// Where a buffer was not set, it follows the size of messages; where it was set too small, that is a mistake.
fn leave_room(loaded: &mut Loaded, mistakes: &mut Vec<Mistake>) {
    let message = KeyName::new("limits", "message_bytes_max");
    let message_bytes_max = loaded.config.limits.message_bytes_max;
    for (key, field, why) in ROOM {
        let name = KeyName::new("limits", key);
        let bytes = field(&mut loaded.config.limits);
        if *bytes >= message_bytes_max || any_unsure(mistakes, [&message, &name]) {
            continue;
        }
        if let Some(source) = loaded.origins.get(&name) {
            mistakes.push(Mistake {
                source: source.clone(),
                key: name.to_string(),
                found: format!("{bytes} bytes, less than {message} ({message_bytes_max} bytes)"),
                allowed: format!("at least {message}"),
                hint: Some(why.to_owned()),
            });
        } else {
            *bytes = message_bytes_max;
            loaded.origins.insert(name, Source::Key(message.to_string()));
        }
    }
}

/// Whether a mistake leaves open what one of these keys was meant to be: its own, or one of a whole source.
fn any_unsure(mistakes: &[Mistake], names: [&KeyName; 2]) -> bool {
    mistakes.iter().any(|m| m.key.is_empty() || names.iter().any(|name| name.to_string() == m.key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;
    use crate::config::value::Typed;

    /// The mistakes, one line each, that the value of a variable gives; and of a second one.
    #[track_caller]
    fn check(env: &[(&str, &str)], expect: &[&str]) {
        let env = env.iter().map(|(name, value)| (format!("WS_SERVER__{name}").into(), value.into())).collect();
        let result = Config::load(&Sources { env, ..Sources::default() });
        let mistakes = result.err().unwrap_or_default();
        let lines: Vec<_> = mistakes.iter().map(|m| m.to_string().replace("\n    ", " | ")).collect();
        assert_eq!(lines, expect);
    }

    #[test]
    fn unknown_keys() {
        let allowed =
            "found an unknown key | allowed: addr, log_format, and the sections [limits], [heartbeat], [drain]";
        check(&[("PORT", "1")], &[&format!("WS_SERVER__PORT: port: {allowed}")]);
        check(
            &[("DRAIN__GRASE", "1s")],
            &[
                "WS_SERVER__DRAIN__GRASE: drain.grase: found an unknown key | allowed: grace, reconnect_spread | did you mean WS_SERVER__DRAIN__GRACE?",
            ],
        );
        check(
            &[("GRACE", "1s")],
            &[&format!("WS_SERVER__GRACE: grace: {allowed} | did you mean WS_SERVER__DRAIN__GRACE?")],
        );
        check(
            &[("X__Y", "1")],
            &["WS_SERVER__X__Y: x.y: found an unknown key | allowed: the sections [limits], [heartbeat], [drain]"],
        );
    }

    #[test]
    fn buffers_hold_a_message() {
        let outbox = "WS_SERVER__LIMITS__OUTBOX_BYTES_MAX: limits.outbox_bytes_max: found 8192 bytes, less than \
                      limits.message_bytes_max (65536 bytes) | allowed: at least limits.message_bytes_max | \
                      the answer to the largest message must fit in it";
        check(&[("LIMITS__OUTBOX_BYTES_MAX", "8KiB")], &[outbox]);
        check(&[("LIMITS__OUTBOX_BYTES_MAX", "8KiB"), ("LIMITS__MESSAGE_BYTES_MAX", "8KiB")], &[]);
        check(&[("LIMITS__OUTBOX_BYTES_MAX", "64KiB"), ("LIMITS__BROADCAST_LOG_BYTES_MAX", "64KiB")], &[]);
    }

    #[test]
    fn buffers_follow_the_size_of_messages() {
        let name = KeyName::new("limits", "message_bytes_max");
        let given = Given { source: Source::Flag("-".to_owned()), name, typed: Typed::Bare("32MiB".to_owned()) };
        let mut mistakes = Vec::new();
        let loaded = settle(vec![given], &mut mistakes);
        assert_eq!(mistakes, []);
        assert_eq!(loaded.config.limits.outbox_bytes_max, 32 << 20);
        assert_eq!(loaded.config.limits.broadcast_log_bytes_max, 32 << 20);
    }
}
