//! Checks whether the keys of `[[api.keys]]` fit together.

use crate::config::api_key::ApiKey;
use crate::config::error::{ConfigError, any_invalid};
use crate::config::list::entry_path;
use crate::config::loaded::Loaded;
use crate::config::name::KeyName;

/// Contradictions in `[api]`.
pub(crate) fn validate_api(loaded: &Loaded, mistakes: &[ConfigError]) -> Vec<ConfigError> {
    let entries = loaded.config.api.keys.iter().enumerate();
    entries.filter_map(|(number, entry)| unusable(loaded, mistakes, number, entry)).collect()
}

/// An entry must have exactly one source.
fn unusable(loaded: &Loaded, mistakes: &[ConfigError], number: usize, entry: &ApiKey) -> Option<ConfigError> {
    let [key, key_file] = ["key", "key_file"].map(|name| KeyName::new(entry_path("api.keys", number), name));
    let found = match (&entry.key, &entry.key_file) {
        (None, None) => "no key",
        (Some(_), Some(_)) => "key and key_file",
        _ => return None,
    };
    let is_told = any_invalid(mistakes, &[key.clone(), key_file]);
    (!is_told).then(|| mistake_at(loaded, key, found.to_owned(), "key or key_file, and nothing else"))
}

fn mistake_at(loaded: &Loaded, name: KeyName, found: String, allowed: &str) -> ConfigError {
    ConfigError { source: loaded.source(&name), key: name.to_string(), found, allowed: allowed.to_owned(), hint: None }
}

#[cfg(test)]
mod tests {
    use crate::config::resolve::tests::check;

    #[test]
    fn an_entry_has_one_key() {
        check(&[("API__KEYS__0__KEY", "a"), ("API__KEYS__1__KEY_FILE", "/k")], &[]);
        check(
            &[("API__KEYS__0__NAME", "a")],
            &[
                "WS_SERVER__API__KEYS__0__NAME: api.keys.0.key: found no key | allowed: key or key_file, and nothing else",
            ],
        );
        check(
            &[("API__KEYS__0__KEY", "a"), ("API__KEYS__0__KEY_FILE", "/k")],
            &["WS_SERVER__API__KEYS__0__KEY: api.keys.0.key: found key and key_file | allowed: key or key_file, and \
               nothing else"],
        );
    }
}
