//! Checks what the configuration refers to, before a port is bound: files with keys and certificates, secrets, the
//! limit of open files.

use ws_auth::Key;
use ws_transport::{Tls, TlsFile};

use crate::config::{AuthKey, Config, ConfigError, EngineType, Source, Warning};
use crate::{api_keys, auth, claude, file_limit};

/// All mistakes in what it refers to.
#[must_use]
pub fn check(config: &Config) -> Vec<ConfigError> {
    let keys = auth::keys(config).map_or_else(|mistakes| mistakes, |keys| short_secrets(config, &keys));
    let api = api_keys::keys(config).err().unwrap_or_default();
    let files = config.tls.cert_file.as_ref().zip(config.tls.key_file.as_ref());
    let tls = files.map(|(cert_file, key_file)| Tls::check(cert_file, key_file)).unwrap_or_default();
    let tls = tls.into_iter().map(|(file, error)| {
        let (key, allowed) = match file {
            TlsFile::Certificate => ("tls.cert_file", "a certificate in PEM, followed by its intermediates"),
            TlsFile::Key => ("tls.key_file", "the private key of the certificate, in PEM"),
        };
        let (source, allowed) = (Source::Key(key.to_owned()), allowed.to_owned());
        ConfigError { source, key: String::new(), found: error.to_string(), allowed, hint: None }
    });
    let claude = claude::provider(config).err().unwrap_or_default();
    keys.into_iter().chain(api).chain(claude).chain(tls).chain(data_dir(config)).chain(file_limit::check()).collect()
}

/// The warning that the start would log about the certificate.
#[must_use]
pub fn warnings(config: &Config) -> Option<Warning> {
    let cert_file = config.tls.cert_file.as_ref()?;
    Tls::warning(cert_file).map(|warning| Warning::new(None, format!("tls.cert_file: {warning}")))
}

/// A file where the directory of the database should be, or on the way to it. It is created if nothing is there.
fn data_dir(config: &Config) -> Option<ConfigError> {
    let dir = &config.engine.sqlite.dir;
    let nearest = dir.ancestors().find(|path| path.symlink_metadata().is_ok())?;
    if config.engine.r#type != EngineType::Sqlite || nearest.is_dir() {
        return None;
    }
    let found = match nearest == dir {
        true => format!("{dir:?}, which is not a directory"),
        false => format!("{dir:?}, while {nearest:?} is not a directory"),
    };
    let (source, allowed) =
        (Source::Key("engine.sqlite.dir".to_owned()), "a directory, or a path where nothing is".to_owned());
    Some(ConfigError { source, key: String::new(), found, allowed, hint: None })
}

/// Anyone who has seen a token can try secrets offline, as fast as their machines hash.
fn short_secrets(config: &Config, keys: &[Key]) -> Vec<ConfigError> {
    let short = keys.iter().enumerate().filter(|(_, key)| key.is_short());
    let mistake = |(number, _): (usize, &Key)| {
        let keys: &[AuthKey] = &config.auth.keys;
        let name = if keys[number].secret.is_some() { "secret" } else { "secret_file" };
        ConfigError {
            source: Source::Key(format!("auth.keys.{number}.{name}")),
            key: String::new(),
            found: "a secret that can be guessed from a token".to_owned(),
            allowed: "at least 32 bytes from a random source".to_owned(),
            hint: Some("openssl rand -hex 32 makes one".to_owned()),
        }
    };
    short.map(mistake).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn a_file_is_no_data_directory() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let check = |dir: &str, r#type| {
            let mut config = Config::default();
            (config.engine.r#type, config.engine.sqlite.dir) = (r#type, dir.into());
            super::check(&config).into_iter().map(|mistake| mistake.found).next()
        };
        assert_eq!(check(file, EngineType::Memory), None);
        assert_eq!(check(file, EngineType::Sqlite), Some(format!("{file:?}, which is not a directory")));
        let below = format!("{file}/data/x");
        let found = format!("{below:?}, while {file:?} is not a directory");
        assert_eq!(check(&below, EngineType::Sqlite), Some(found));
        for dir in [env!("CARGO_MANIFEST_DIR"), "/tmp/nothing/is/here", "nothing-is-here", "./data"] {
            assert_eq!(check(dir, EngineType::Sqlite), None, "{dir}");
        }
    }

    #[test]
    fn short_secrets_are_mistakes() {
        let check = |bytes: usize| {
            let mut config = Config::default();
            let long = AuthKey { secret: Some(Secret::new("x".repeat(32))), ..AuthKey::default() };
            config.auth.keys =
                vec![long, AuthKey { secret: Some(Secret::new("x".repeat(bytes))), ..AuthKey::default() }];
            super::check(&config).iter().map(|mistake| mistake.source.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(check(31), ["auth.keys.1.secret"]);
        assert_eq!(check(32), Vec::<String>::new());
    }
}
