//! Checks whether the keys for tokens, and the files of TLS, fit together.

use crate::config::auth_key::AuthKey;
use crate::config::auth_keys::AuthKeys;
use crate::config::error::{ConfigError, any_invalid};
use crate::config::loaded::Loaded;
use crate::config::name::KeyName;

/// Contradictions in `[[auth.keys]]` and `[tls]`.
pub(crate) fn validate_auth(loaded: &Loaded, mistakes: &[ConfigError]) -> Vec<ConfigError> {
    let keys = loaded.config.auth.keys.iter().enumerate();
    let unusable = keys.filter_map(|(number, key)| unusable(loaded, mistakes, number, key));
    let duplicates = duplicates(loaded).map(|(first, number)| {
        let name = KeyName::new(AuthKeys::path(number), "kid");
        let found = format!("the same id and algorithm as auth.keys.{first}");
        mistake_at(loaded, name, found, "an id that no other key of this algorithm has")
    });
    unusable.chain(duplicates).chain(incomplete_pair(loaded)).collect()
}

/// A key must have exactly one source, of the kind that its algorithm takes.
fn unusable(loaded: &Loaded, mistakes: &[ConfigError], number: usize, key: &AuthKey) -> Option<ConfigError> {
    let sources = [
        ("secret", key.secret.is_some()),
        ("secret_file", key.secret_file.is_some()),
        ("public_key_file", key.public_key_file.is_some()),
    ];
    let names = ["algorithm", "secret", "secret_file", "public_key_file"];
    let names = names.map(|name| KeyName::new(AuthKeys::path(number), name));
    if any_invalid(mistakes, &names) {
        return None;
    }
    let given: Vec<_> = sources.iter().filter(|(_, is_given)| *is_given).map(|(name, _)| *name).collect();
    let algorithm = key.algorithm.as_str();
    let (takes, is_right) = match key.algorithm.is_symmetric() {
        true => ("secret or secret_file", matches!(given[..], ["secret" | "secret_file"])),
        false => ("public_key_file", matches!(given[..], ["public_key_file"])),
    };
    if is_right {
        return None;
    }
    let found = if given.is_empty() { "nothing to check tokens with".to_owned() } else { given.join(" and ") };
    let name = KeyName::new(AuthKeys::path(number), given.first().unwrap_or(&"algorithm"));
    let hint = match given[..] {
        ["public_key_file"] => Some("a public key is for RS, PS, ES or EdDSA: say which in algorithm".to_owned()),
        _ => None,
    };
    Some(ConfigError {
        hint,
        ..mistake_at(loaded, name, found, &format!("{takes}, and nothing else, for {algorithm}"))
    })
}

/// Keys with the same id and algorithm: the number of the first one, and of the other.
fn duplicates(loaded: &Loaded) -> impl Iterator<Item = (usize, usize)> {
    let keys = &loaded.config.auth.keys;
    let same = |a: &AuthKey, b: &AuthKey| a.kid.is_some() && a.kid == b.kid && a.algorithm == b.algorithm;
    keys.iter().enumerate().filter_map(move |(number, key)| {
        let first = keys[..number].iter().position(|other| same(other, key))?;
        Some((first, number))
    })
}

/// A certificate without a key, or a key without a certificate.
fn incomplete_pair(loaded: &Loaded) -> Option<ConfigError> {
    let tls = &loaded.config.tls;
    let (there, missing) = match (&tls.cert_file, &tls.key_file) {
        (Some(_), None) => ("cert_file", "key_file"),
        (None, Some(_)) => ("key_file", "cert_file"),
        _ => return None,
    };
    let found = format!("a file, while tls.{missing} is not set");
    Some(mistake_at(loaded, KeyName::new("tls", there), found, "both, or none"))
}

fn mistake_at(loaded: &Loaded, name: KeyName, found: String, allowed: &str) -> ConfigError {
    ConfigError { source: loaded.source(&name), key: name.to_string(), found, allowed: allowed.to_owned(), hint: None }
}

#[cfg(test)]
mod tests {
    use crate::config::resolve::tests::{check, resolved};
    use crate::config::{Config, Sources};

    const SECRET: (&str, &str) = ("AUTH__KEYS__0__SECRET", "swordfish");

    #[test]
    fn keys_have_what_their_algorithm_takes() {
        check(&[SECRET], &[]);
        check(&[("AUTH__KEYS__0__SECRET_FILE", "/s")], &[]);
        check(&[("AUTH__KEYS__0__PUBLIC_KEY_FILE", "/p"), ("AUTH__KEYS__0__ALGORITHM", "ES256")], &[]);
        check(
            &[("AUTH__KEYS__0__PUBLIC_KEY_FILE", "/p")],
            &[
                "WS_SERVER__AUTH__KEYS__0__PUBLIC_KEY_FILE: auth.keys.0.public_key_file: found public_key_file | allowed: \
               secret or secret_file, and nothing else, for HS256 | a public key is for RS, PS, ES or EdDSA: say which in algorithm",
            ],
        );
        check(
            &[SECRET, ("AUTH__KEYS__0__ALGORITHM", "RS256")],
            &[
                "WS_SERVER__AUTH__KEYS__0__SECRET: auth.keys.0.secret: found secret | allowed: public_key_file, and nothing else, for RS256",
            ],
        );
        check(
            &[SECRET, ("AUTH__KEYS__0__SECRET_FILE", "/s")],
            &[
                "WS_SERVER__AUTH__KEYS__0__SECRET: auth.keys.0.secret: found secret and secret_file | allowed: secret or secret_file, and nothing else, for HS256",
            ],
        );
        check(
            &[("AUTH__KEYS__0__KID", "a")],
            &[
                "WS_SERVER__AUTH__KEYS__0__KID: auth.keys.0.algorithm: found nothing to check tokens with | allowed: secret or secret_file, and nothing else, for HS256",
            ],
        );
        check(
            &[("AUTH__KEYS__1__SECRET", "swordfish")],
            &[
                "auth.keys.0: auth.keys.0.algorithm: found nothing to check tokens with | allowed: secret or secret_file, and nothing else, for HS256",
            ],
        );
    }

    #[test]
    fn a_secret_stays_one() {
        let long = "swordfish".repeat(1000);
        check(
            &[("AUTH__KEYS__0__SECRET", &long)],
            &[
                "WS_SERVER__AUTH__KEYS__0__SECRET: auth.keys.0.secret: found a value that is not shown | allowed: a text of \
               1 to 4096 bytes without control characters, or \"\" (none)",
            ],
        );
        let config = resolved(&[("auth.keys.0", "secret", "swordfish")]);
        assert_eq!(config.auth.keys[0].secret.as_ref().map(|secret| secret.reveal()), Some("swordfish"));
        assert!(!format!("{config:?}").contains("swordfish"));
    }

    #[test]
    fn names_of_keys() {
        let kid = ("AUTH__KEYS__0__KID", "a");
        let second = [("AUTH__KEYS__1__SECRET", "x"), ("AUTH__KEYS__1__KID", "a")];
        check(
            &[SECRET, kid, second[0], second[1]],
            &[
                "WS_SERVER__AUTH__KEYS__1__KID: auth.keys.1.kid: found the same id and algorithm as auth.keys.0 | allowed: \
               an id that no other key of this algorithm has",
            ],
        );
        check(&[SECRET, kid, second[0], second[1], ("AUTH__KEYS__1__ALGORITHM", "HS512")], &[]);
        check(&[SECRET, second[0]], &[]);
    }

    #[test]
    fn numbers_of_keys() {
        for number in ["64", "00", "+1", "-1", "X", "4294967296"] {
            let variable = format!("WS_SERVER__AUTH__KEYS__{number}__SECRET").into();
            let sources = Sources { env: [(variable, "x".into())].into(), ..Sources::default() };
            let mistakes = Config::load(&sources).expect_err("a mistake");
            assert!(mistakes[0].found == "an unknown key" && mistakes.len() == 1, "{number}: {mistakes:?}");
        }
        assert_eq!(resolved(&[("auth.keys.1", "secret", "b"), ("auth.keys.0", "secret", "a")]).auth.keys.len(), 2);
    }

    #[test]
    fn tls_is_a_pair() {
        check(&[("TLS__CERT_FILE", "/c"), ("TLS__KEY_FILE", "/k")], &[]);
        check(
            &[("TLS__CERT_FILE", "/c")],
            &[
                "WS_SERVER__TLS__CERT_FILE: tls.cert_file: found a file, while tls.key_file is not set | allowed: both, or none",
            ],
        );
        check(
            &[("TLS__KEY_FILE", "/k")],
            &[
                "WS_SERVER__TLS__KEY_FILE: tls.key_file: found a file, while tls.cert_file is not set | allowed: both, or none",
            ],
        );
    }

    #[test]
    fn the_key_set_comes_securely() {
        check(&[("AUTH__JWKS_URL", "https://id.example/keys"), ("AUTH__AUDIENCE", "chat")], &[]);
        check(
            &[("AUTH__JWKS_URL", "http://id.example/keys")],
            &[
                "WS_SERVER__AUTH__JWKS_URL: auth.jwks_url: found \"http://id.example/keys\" | allowed: an https URL, or an \
               http URL on loopback, without a name and password, or \"\" (none) | over http, anybody in between could \
               insert keys of their own",
            ],
        );
    }
}
