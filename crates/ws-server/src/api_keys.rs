//! `[api]`: the keys of the HTTP API, from the configuration and from files.

use ws_transport::{ApiKey, ApiRights};

use crate::config::{Config, ConfigError, Source};
use crate::key_file;

/// The keys, that of `api.key` first.
///
/// # Errors
/// All mistakes: files that cannot be read, keys that no header can carry, and a key that stands twice: which rights it
/// has would depend on the order.
pub fn keys(config: &Config) -> Result<Vec<ApiKey>, Vec<ConfigError>> {
    let (mut keys, mut mistakes, mut seen) = (Vec::new(), Vec::new(), Vec::<(String, Vec<u8>)>::new());
    for Entry { place, name, rights, read } in entries(config) {
        let checked = read.and_then(|key| unlike(&seen, checked(key)?));
        match checked {
            Ok(key) => {
                keys.push(ApiKey::new(&name, rights, &key));
                seen.push((place, key));
            }
            Err((found, allowed)) => {
                let (source, allowed) = (Source::Key(place), allowed.to_owned());
                mistakes.push(ConfigError { source, key: String::new(), found, allowed, hint: None });
            }
        }
    }
    if mistakes.is_empty() { Ok(keys) } else { Err(mistakes) }
}

/// Says in the log that the API is on.
pub(crate) fn log(config: &Config) {
    let keys = usize::from(config.api.key.is_some()) + config.api.keys.len();
    if keys > 0 {
        tracing::info!(keys, "the HTTP API is on, at /api/v1");
    }
}

/// What was found, and what is allowed instead.
type Wrong = (String, &'static str);

/// A key as it is configured.
struct Entry {
    /// The configuration's key that holds it.
    place: String,
    name: String,
    rights: ApiRights,
    read: Result<Vec<u8>, Wrong>,
}

fn entries(config: &Config) -> impl Iterator<Item = Entry> {
    let first = config.api.key.iter().map(|key| {
        let place = "api.key".to_owned();
        Entry { name: place.clone(), place, rights: ApiRights::Admin, read: Ok(key.reveal().into()) }
    });
    first.chain(config.api.keys.iter().enumerate().map(|(number, entry)| {
        let of_list = format!("api.keys.{number}");
        let name = entry.name.clone().unwrap_or_else(|| of_list.clone());
        let (place, read) = match (&entry.key, &entry.key_file) {
            (None, Some(path)) => {
                let read = key_file::read(path).map_err(|why| (format!("{path:?}, which {why}"), key_file::ALLOWED));
                (format!("{of_list}.key_file"), read)
            }
            // Loading the configuration has ruled out that there is none.
            (key, _) => {
                let key = key.as_ref().map(|key| key.reveal().into()).unwrap_or_default();
                (format!("{of_list}.key"), Ok(key))
            }
        };
        Entry { place, name, rights: entry.rights, read }
    }))
}

/// A key that a header can carry.
fn checked(read: Vec<u8>) -> Result<Vec<u8>, Wrong> {
    let key = key_file::without_line_break(&read);
    match !key.is_empty() && key.iter().all(u8::is_ascii_graphic) {
        true => Ok(key.to_vec()),
        false => Err(("a key that no header can carry".to_owned(), "a key in printable ASCII without spaces")),
    }
}

/// A key that no earlier place has.
fn unlike(seen: &[(String, Vec<u8>)], key: Vec<u8>) -> Result<Vec<u8>, Wrong> {
    match seen.iter().find(|(_, other)| *other == key) {
        Some((place, _)) => Err((format!("the same key as {place}"), "a key that no other entry has")),
        None => Ok(key),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::config::{self, Secret};

    fn entry() -> config::ApiKey {
        config::ApiKey { key: Some(Secret::new("k")), ..config::ApiKey::default() }
    }

    #[track_caller]
    fn check(key: Option<&str>, entries: Vec<config::ApiKey>, expect: Result<&[(&str, ApiRights)], &str>) {
        let mut config = Config::default();
        config.api.key = key.map(Secret::new);
        config.api.keys = entries;
        let found = keys(&config).map_err(|mistakes| mistakes[0].to_string().replace("\n    ", " | "));
        let found = found.map(|keys| keys.iter().map(|key| (key.name().to_owned(), key.rights())).collect::<Vec<_>>());
        let expect = expect.map(|keys| keys.iter().map(|(name, rights)| ((*name).to_owned(), *rights)).collect());
        assert_eq!(found, expect.map_err(str::to_owned));
    }

    #[test]
    fn keys_with_their_names_and_rights() {
        check(None, vec![], Ok(&[]));
        let key = Some(Secret::new("b"));
        let named = config::ApiKey { name: Some("ci".to_owned()), rights: ApiRights::Read, key, ..entry() };
        let all = [("api.key", ApiRights::Admin), ("ci", ApiRights::Read), ("api.keys.1", ApiRights::Publish)];
        check(Some("a"), vec![named, entry()], Ok(&all));
    }

    #[test]
    fn keys_from_files() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(b"sesame\n").expect("a write");
        let in_file = config::ApiKey { key: None, key_file: Some(file.path().to_owned()), ..entry() };
        check(None, vec![in_file.clone()], Ok(&[("api.keys.0", ApiRights::Publish)]));
        let missing = config::ApiKey { key_file: Some("/nowhere/key".into()), ..in_file };
        check(
            None,
            vec![missing],
            Err(
                "api.keys.0.key_file: found \"/nowhere/key\", which cannot be read: No such file or directory (os error 2) \
                 | allowed: a file with a key, of at most 64KiB",
            ),
        );
    }

    #[test]
    fn a_key_stands_once() {
        let twice = "found the same key as api.key | allowed: a key that no other entry has";
        check(Some("k"), vec![entry()], Err(&format!("api.keys.0.key: {twice}")));
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(b"k\n").expect("a write");
        let in_file = config::ApiKey { key: None, key_file: Some(file.path().to_owned()), ..entry() };
        check(Some("k"), vec![in_file], Err(&format!("api.keys.0.key_file: {twice}")));
    }

    #[test]
    fn keys_that_no_header_can_carry() {
        for key in ["a b", "schlüssel"] {
            check(
                Some(key),
                vec![],
                Err("api.key: found a key that no header can carry | allowed: a key in printable ASCII without spaces"),
            );
        }
    }
}
