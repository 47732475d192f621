//! From the configuration to the verifier of tokens: reads the configured keys.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ws_auth::{Key, KeyError, Verifier, VerifierOptions};

use crate::config::{AuthKey, Config, ConfigError, Source};

/// Longest file with a key, in bytes.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Any audience is accepted, on purpose.
pub(crate) const ANY: &str = "*";

/// Reads the keys of `[[auth.keys]]`.
///
/// # Errors
/// All mistakes: files that cannot be read, and contents that are not keys.
pub fn keys(config: &Config) -> Result<Vec<Key>, Vec<ConfigError>> {
    let read = config.auth.keys.iter().enumerate().map(|(number, key)| key_of(number, key));
    let (keys, mistakes): (Vec<_>, Vec<_>) = read.partition(Result::is_ok);
    if mistakes.is_empty() {
        Ok(keys.into_iter().flatten().collect())
    } else {
        Err(mistakes.into_iter().filter_map(Result::err).map(|mistake| *mistake).collect())
    }
}

/// The verifier of tokens, with these keys. `None`: there are no keys, and no URL of published ones.
#[must_use]
pub fn verifier(config: &Config, keys: Vec<Key>) -> Option<Arc<Verifier>> {
    let auth = &config.auth;
    if keys.is_empty() && auth.jwks_url.is_none() {
        return None;
    }
    let audience = auth.audience.clone().filter(|audience| audience != ANY);
    let issuer = auth.issuer.clone();
    Some(Arc::new(Verifier::new(VerifierOptions { keys, audience, issuer, leeway: auth.leeway })))
}

fn key_of(number: usize, key: &AuthKey) -> Result<Key, Box<ConfigError>> {
    let (algorithm, kid) = (key.algorithm, key.kid.clone());
    let mistake = |name: &str, found: String, allowed: &str| {
        let source = Source::Key(format!("auth.keys.{number}.{name}"));
        Box::new(ConfigError { source, key: String::new(), found, allowed: allowed.to_owned(), hint: None })
    };
    let file = |name: &str, path: &Path| {
        read(path).map_err(|why| mistake(name, format!("{path:?}, which {why}"), "a file with a key, of at most 64KiB"))
    };
    let in_file = |name: &'static str, path: &Path| {
        let path = format!("{path:?}");
        move |error: KeyError| mistake(name, format!("{path} with {error}"), "a key for this algorithm")
    };
    match (&key.secret, &key.secret_file, &key.public_key_file) {
        (Some(secret), ..) => Key::secret(algorithm, secret.reveal().as_bytes(), kid)
            .map_err(|error| mistake("secret", error.to_string(), "a secret for this algorithm")),
        (None, Some(path), _) => {
            let secret = file("secret_file", path)?;
            Key::secret(algorithm, without_line_break(&secret), kid).map_err(in_file("secret_file", path))
        }
        (None, None, Some(path)) => {
            let pem = file("public_key_file", path)?;
            Key::public_pem(algorithm, &pem, kid).map_err(in_file("public_key_file", path))
        }
        // Loading the configuration has ruled this out.
        (None, None, None) => Err(mistake("algorithm", "nothing to check tokens with".to_owned(), "a secret or a key")),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let length = fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.len();
    if length > KEY_FILE_BYTES_MAX {
        return Err(format!("has {length} bytes"));
    }
    let bytes = fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.is_empty() { Err("is empty".to_owned()) } else { Ok(bytes) }
}

/// Editors put one at the end of a file; it is not part of the secret.
fn without_line_break(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use ws_auth::Algorithm;

    use super::*;
    use crate::config::Secret;

    fn check(key: AuthKey, expect: Result<(), &str>) {
        let mut config = Config::default();
        config.auth.keys.push(key);
        let result = keys(&config).map(drop).map_err(|mistakes| mistakes[0].to_string().replace("\n    ", " | "));
        assert_eq!(result, expect.map_err(str::to_owned));
    }

    #[test]
    fn keys_that_cannot_be_used() {
        check(AuthKey { secret: Some(Secret::new("x")), ..AuthKey::default() }, Ok(()));
        check(
            AuthKey { secret_file: Some("/nowhere/secret".into()), ..AuthKey::default() },
            Err("auth.keys.0.secret_file: found \"/nowhere/secret\", which cannot be read: No such file or directory \
                 (os error 2) | allowed: a file with a key, of at most 64KiB"),
        );
        let no_pem = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        check(
            AuthKey { algorithm: Algorithm::Es256, public_key_file: Some(no_pem.into()), ..AuthKey::default() },
            Err(&format!(
                "auth.keys.0.public_key_file: found {no_pem:?} with no PEM public key for ES256 | allowed: a key for \
                 this algorithm"
            )),
        );
    }

    #[test]
    fn a_line_break_at_the_end_is_not_the_secret() {
        for (file, secret) in [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a"), ("\n", "")] {
            assert_eq!(without_line_break(file.as_bytes()), secret.as_bytes());
        }
    }
}
