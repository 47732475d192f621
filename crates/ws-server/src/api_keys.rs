//! `[api]`: the keys of the HTTP API, from the configuration and from files.

use ws_transport::{ApiKey, ApiRights};

use crate::config::{Config, ConfigError, Source};
use crate::key_file;

const ALLOWED: &str = "a key in printable ASCII without spaces";

/// The keys, that of `api.key` first.
///
/// # Errors
/// All mistakes: files that cannot be read, and keys that no header can carry.
pub fn keys(config: &Config) -> Result<Vec<ApiKey>, Vec<ConfigError>> {
    let first = config.api.key.iter().map(|key| {
        let key = key.reveal().as_bytes().to_vec();
        api_key("api.key", "api.key", ApiRights::Admin, Ok(key))
    });
    let others = config.api.keys.iter().enumerate().map(|(number, entry)| {
        let place = format!("api.keys.{number}");
        let name = entry.name.as_deref().unwrap_or(&place);
        match (&entry.key, &entry.key_file) {
            (None, Some(path)) => {
                let read = key_file::read(path).map_err(|why| format!("{path:?}, which {why}"));
                api_key(&format!("{place}.key_file"), name, entry.rights, read)
            }
            (key, _) => {
                let key = key.as_ref().map_or(&[][..], |key| key.reveal().as_bytes());
                api_key(&format!("{place}.key"), name, entry.rights, Ok(key.to_vec()))
            }
        }
    });
    let (keys, mistakes): (Vec<_>, Vec<_>) = first.chain(others).partition(Result::is_ok);
    match mistakes.is_empty() {
        true => Ok(keys.into_iter().flatten().collect()),
        false => Err(mistakes.into_iter().filter_map(Result::err).map(|mistake| *mistake).collect()),
    }
}

fn api_key(
    place: &str,
    name: &str,
    rights: ApiRights,
    read: Result<Vec<u8>, String>,
) -> Result<ApiKey, Box<ConfigError>> {
    let mistake = |found, allowed: &str| {
        let source = Source::Key(place.to_owned());
        Box::new(ConfigError { source, key: String::new(), found, allowed: allowed.to_owned(), hint: None })
    };
    let read = read.map_err(|found| mistake(found, key_file::ALLOWED))?;
    let key = key_file::without_line_break(&read);
    match !key.is_empty() && key.iter().all(u8::is_ascii_graphic) {
        true => Ok(ApiKey::new(name, rights, key)),
        false => Err(mistake("a key that no header can carry".to_owned(), ALLOWED)),
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
        let named = config::ApiKey { name: Some("ci".to_owned()), rights: ApiRights::Read, ..entry() };
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
