//! Checks whether the values fit together, and sets defaults that follow from other keys.

mod api;
mod auth;
mod claude;
mod redis;
mod requirements;

use self::api::validate_api;
use self::auth::validate_auth;
use self::claude::validate_claude;
use self::redis::validate_redis;
use self::requirements::validate_requirements;
use crate::config::channels::Channels;
use crate::config::error::{ConfigError, any_invalid};
use crate::config::loaded::Loaded;
use crate::config::name::{KeyName, SectionPath};
use crate::config::namespaces::Namespaces;
use crate::config::sections::{EngineType, Limits};
use crate::config::source::Source;
use crate::config::value::{Setting, words};

/// Sets the defaults that follow from other keys. Contradictions go to `mistakes`.
pub(crate) fn validate(loaded: &mut Loaded, mistakes: &mut Vec<ConfigError>) {
    leave_room(loaded, mistakes);
    turn_sqlite_on(loaded, mistakes);
    let found = contradictions(loaded, mistakes);
    mistakes.extend(found);
    let found = validate_auth(loaded, mistakes);
    mistakes.extend(found);
    let found = validate_api(loaded, mistakes);
    mistakes.extend(found);
    let found = validate_claude(loaded, mistakes);
    mistakes.extend(found);
    let found = validate_redis(loaded, mistakes);
    mistakes.extend(found);
    let found = validate_requirements(loaded, mistakes);
    mistakes.extend(found);
}

/// A buffer that must hold messages of the largest size: the key, its field, how many of them, and why.
type Room = (&'static str, fn(&mut Limits) -> &mut usize, usize, &'static str);

const ROOM: [Room; 4] = [
    ("outbox_bytes_max", |l| &mut l.outbox_bytes_max, 1, "the answer to the largest message must fit in it"),
    ("broadcast_log_bytes_max", |l| &mut l.broadcast_log_bytes_max, 1, "the largest broadcast must fit in it"),
    ("channel_log_bytes_max", |l| &mut l.channel_log_bytes_max, 2, "the largest publication must fit in half of it"),
    ("channel_logs_bytes_max", |l| &mut l.channel_logs_bytes_max, 2, "the largest publication must fit in half of it"),
];

/// A buffer that is not set grows with the size of messages; one that is set too small is a mistake.
fn leave_room(loaded: &mut Loaded, mistakes: &mut Vec<ConfigError>) {
    let message = KeyName::new("limits", "message_bytes_max");
    for (key, field, times, why) in ROOM {
        let name = KeyName::new("limits", key);
        let bytes_min = times * loaded.config.limits.message_bytes_max;
        let bytes = field(&mut loaded.config.limits);
        if *bytes >= bytes_min || any_invalid(mistakes, &[message.clone(), name.clone()]) {
            continue;
        }
        let least = if times == 2 { format!("twice {message}") } else { message.to_string() };
        if let Some(source) = loaded.origins.get(&name) {
            mistakes.push(ConfigError {
                source: source.clone(),
                key: name.to_string(),
                found: format!("{bytes} bytes, less than {least} ({bytes_min} bytes)"),
                allowed: format!("at least {least}"),
                hint: Some(why.to_owned()),
            });
        } else {
            *bytes = bytes_min;
            loaded.origins.insert(name, Source::Key(least));
        }
    }
}

/// `--data-dir` and its variable are all that a durable server needs: they also choose the engine, over earlier
/// sources. Of two variables neither is later, so one for another engine is a contradiction.
fn turn_sqlite_on(loaded: &mut Loaded, mistakes: &mut Vec<ConfigError>) {
    let (dir, engine) = (KeyName::new("engine.sqlite", "dir"), KeyName::new("engine", "type"));
    let source = match loaded.origins.get(&dir) {
        Some(source @ Source::Flag(_)) => source.clone(),
        Some(source @ Source::Variable(name)) if *name != dir.variable() => source.clone(),
        _ => return,
    };
    let chosen = &mut loaded.config.engine.r#type;
    match loaded.origins.get(&engine) {
        Some(other @ Source::Variable(_)) if *chosen != EngineType::Sqlite && matches!(source, Source::Variable(_)) => {
            mistakes.push(ConfigError {
                source: other.clone(),
                key: engine.to_string(),
                found: format!("{}, while {source} asks for sqlite", chosen.show(&words())),
                allowed: "\"sqlite\", or no data directory".to_owned(),
                hint: None,
            });
        }
        _ => {
            *chosen = EngineType::Sqlite;
            loaded.origins.insert(engine, source);
        }
    }
}

fn contradictions(loaded: &Loaded, mistakes: &[ConfigError]) -> Vec<ConfigError> {
    let namespaces = loaded.config.namespaces.iter().map(|(name, options)| (Namespaces::path(name), options));
    let sections = std::iter::once(("channels".into(), &loaded.config.channels)).chain(namespaces);
    sections.filter_map(|(section, options)| join_leave_without_presence(loaded, mistakes, section, options)).collect()
}

/// `join_leave` needs `presence`: the server knows who comes and goes from who is there.
fn join_leave_without_presence(
    loaded: &Loaded,
    mistakes: &[ConfigError],
    section: SectionPath,
    options: &Channels,
) -> Option<ConfigError> {
    let names = ["join_leave", "presence"].map(|key| KeyName::new(section.clone(), key));
    let inherited = names.iter().filter(|name| !loaded.origins.contains_key(name));
    let inherited = inherited.map(|name| KeyName::new("channels", &name.key)).collect::<Vec<_>>();
    if options.presence || !options.join_leave || any_invalid(mistakes, &names) || any_invalid(mistakes, &inherited) {
        return None;
    }
    let [join_leave, presence] = names;
    let (name, found, allowed) = if loaded.origins.contains_key(&join_leave) {
        (join_leave, format!("true, while {presence} is false"), "true only with presence = true")
    } else {
        (presence, format!("false, while {join_leave} is true, as in [channels]"), "false only with join_leave = false")
    };
    // A namespace that sets neither inherits both from [channels], where the mistake is reported.
    let source = loaded.origins.get(&name)?.clone();
    let (found, allowed) = (found, allowed.to_owned());
    let hint = Some("without presence nobody knows who comes and goes".to_owned());
    Some(ConfigError { source, key: name.to_string(), found, allowed, hint })
}

#[cfg(test)]
mod tests {
    use super::EngineType;
    use crate::config::resolve::tests::{check, resolved};
    use crate::config::{Config, Sources};

    #[test]
    fn buffers_hold_a_message() {
        let outbox = "WS_SERVER__LIMITS__OUTBOX_BYTES_MAX: limits.outbox_bytes_max: found 8192 bytes, less than \
                      limits.message_bytes_max (65536 bytes) | allowed: at least limits.message_bytes_max | \
                      the answer to the largest message must fit in it";
        check(&[("LIMITS__OUTBOX_BYTES_MAX", "8KiB")], &[outbox]);
        check(&[("LIMITS__OUTBOX_BYTES_MAX", "8KiB"), ("LIMITS__MESSAGE_BYTES_MAX", "8KiB")], &[]);
        check(&[("LIMITS__OUTBOX_BYTES_MAX", "64KiB"), ("LIMITS__BROADCAST_LOG_BYTES_MAX", "64KiB")], &[]);
        let logs = |key: &str, variable: &str, bytes: &str, least: &str| {
            format!(
                "WS_SERVER__LIMITS__{variable}: limits.{key}: found {bytes} bytes, less than twice \
                 limits.message_bytes_max ({least} bytes) | allowed: at least twice limits.message_bytes_max | \
                 the largest publication must fit in half of it"
            )
        };
        check(
            &[("LIMITS__CHANNEL_LOG_BYTES_MAX", "64KiB")],
            &[&logs("channel_log_bytes_max", "CHANNEL_LOG_BYTES_MAX", "65536", "131072")],
        );
        check(
            &[("LIMITS__CHANNEL_LOGS_BYTES_MAX", "1MiB"), ("LIMITS__MESSAGE_BYTES_MAX", "1MiB")],
            &[&logs("channel_logs_bytes_max", "CHANNEL_LOGS_BYTES_MAX", "1048576", "2097152")],
        );
        check(&[("LIMITS__CHANNEL_LOG_BYTES_MAX", "128KiB"), ("LIMITS__CHANNEL_LOGS_BYTES_MAX", "1MiB")], &[]);
    }

    #[test]
    fn buffers_follow_the_size_of_messages() {
        let limits = resolved(&[("limits", "message_bytes_max", "64MiB")]).limits;
        assert_eq!(limits.outbox_bytes_max, 64 << 20);
        assert_eq!(limits.broadcast_log_bytes_max, 64 << 20);
        assert_eq!(limits.channel_log_bytes_max, 128 << 20);
        assert_eq!(limits.channel_logs_bytes_max, 128 << 20);
    }

    /// The engine and its directory under this environment and this command line.
    #[track_caller]
    fn engine(env: &[(&str, &str)], flag: Option<&str>, expect: Result<(EngineType, &str), &str>) {
        let env = env.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let sources = Sources { env, ..Sources::default() }.flag("--data-dir", flag.map(str::to_owned));
        let engine = Config::load(&sources).map(|config| (config.engine.r#type, config.engine.sqlite.dir));
        let engine = engine.map_err(|mistakes| mistakes[0].to_string().replace("\n    ", " | "));
        assert_eq!(engine, expect.map(|(engine, dir)| (engine, dir.into())).map_err(str::to_owned));
    }

    #[test]
    fn a_data_directory_turns_sqlite_on() {
        use EngineType::{Memory, Sqlite};
        let (short, long) = ("WS_SERVER_DATA_DIR", "WS_SERVER__ENGINE__SQLITE__DIR");
        let chosen = "WS_SERVER__ENGINE__TYPE";
        engine(&[], None, Ok((Memory, "./data")));
        engine(&[], Some("/d"), Ok((Sqlite, "/d")));
        engine(&[(short, "/d")], None, Ok((Sqlite, "/d")));
        engine(&[(short, "/d")], Some("/e"), Ok((Sqlite, "/e")));
        engine(&[(long, "/d"), (chosen, "memory")], None, Ok((Memory, "/d")));
        engine(&[(long, "/d"), (chosen, "sqlite")], None, Ok((Sqlite, "/d")));
        engine(&[(chosen, "sqlite")], None, Ok((Sqlite, "./data")));
        engine(&[(chosen, "memory")], Some("/d"), Ok((Sqlite, "/d")));
        let contradiction = "WS_SERVER__ENGINE__TYPE: engine.type: found \"memory\", while WS_SERVER_DATA_DIR asks for \
                             sqlite | allowed: \"sqlite\", or no data directory";
        engine(&[(chosen, "memory"), (short, "/d")], None, Err(contradiction));
        let empty = "--data-dir: engine.sqlite.dir: found \"\" | allowed: a path";
        engine(&[], Some(""), Err(empty));
    }

    #[test]
    fn join_leave_needs_presence() {
        let why = "without presence nobody knows who comes and goes";
        let (set, unset) = ("allowed: true only with presence = true", "allowed: false only with join_leave = false");
        let channels = format!(
            "WS_SERVER__CHANNELS__JOIN_LEAVE: channels.join_leave: found true, while channels.presence is false | {set} | {why}"
        );
        let (off, on) = (("CHANNELS__PRESENCE", "false"), ("CHANNELS__JOIN_LEAVE", "true"));
        check(&[off], &[]);
        check(&[on], &[]);
        check(&[off, on], &[&channels]);
        check(&[off, on, ("NAMESPACES__CHAT__ON_LAG", "latest")], &[&channels]);
        check(&[off, on, ("NAMESPACES__CHAT__PRESENCE", "true")], &[&channels]);
        check(
            &[off, ("NAMESPACES__CHAT__JOIN_LEAVE", "true")],
            &[&format!(
                "WS_SERVER__NAMESPACES__CHAT__JOIN_LEAVE: namespaces.chat.join_leave: found true, while namespaces.chat.presence is false | {set} | {why}"
            )],
        );
        check(
            &[on, ("NAMESPACES__CHAT__PRESENCE", "false")],
            &[&format!(
                "WS_SERVER__NAMESPACES__CHAT__PRESENCE: namespaces.chat.presence: found false, while namespaces.chat.join_leave is true, as in [channels] | {unset} | {why}"
            )],
        );
        check(&[on, ("NAMESPACES__CHAT__PRESENCE", "false"), ("NAMESPACES__CHAT__JOIN_LEAVE", "false")], &[]);
    }

    #[test]
    fn what_is_invalid_contradicts_nothing() {
        let presence = "WS_SERVER__CHANNELS__PRESENCE: channels.presence: found \"no\" | allowed: true or false | \
                        write false";
        check(&[("CHANNELS__PRESENCE", "no"), ("CHANNELS__JOIN_LEAVE", "true")], &[presence]);
    }
}
