//! Checks where the key of Claude's API comes from.

use crate::config::error::{ConfigError, any_invalid};
use crate::config::loaded::Loaded;
use crate::config::name::KeyName;
use crate::config::source::Source;

/// Contradictions in `[claude]`.
pub(crate) fn validate_claude(loaded: &Loaded, mistakes: &[ConfigError]) -> Vec<ConfigError> {
    let [key, file] = ["api_key", "api_key_file"].map(|name| KeyName::new("claude", name));
    let claude = &loaded.config.claude;
    if any_invalid(mistakes, &[key.clone(), file]) {
        return Vec::new();
    }
    let source = loaded.source(&key);
    let (found, allowed) = match (&claude.api_key, &claude.api_key_file) {
        // A configuration file is shown around, and kept in repositories.
        (Some(_), _) if matches!(source, Source::File(..)) => {
            ("a key, which is not shown", "ANTHROPIC_API_KEY in the environment, or claude.api_key_file")
        }
        (Some(_), Some(_)) => ("api_key and api_key_file", "api_key or api_key_file"),
        _ => return Vec::new(),
    };
    let (found, allowed) = (found.to_owned(), allowed.to_owned());
    vec![ConfigError { source, key: key.to_string(), found, allowed, hint: None }]
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use crate::config::resolve::tests::check;
    use crate::config::{Config, Sources};

    #[test]
    fn the_key_has_one_place() {
        check(&[("CLAUDE__API_KEY", "swordfish")], &[]);
        check(&[("CLAUDE__API_KEY_FILE", "/k")], &[]);
        let both = "WS_SERVER__CLAUDE__API_KEY: claude.api_key: found api_key and api_key_file | allowed: api_key or \
                    api_key_file";
        check(&[("CLAUDE__API_KEY", "swordfish"), ("CLAUDE__API_KEY_FILE", "/k")], &[both]);
    }

    #[test]
    fn a_configuration_file_holds_no_key() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(b"[claude]\napi_key = \"swordfish\"\n").expect("a write");
        let mistakes = Config::load(&Sources { config: Some(file.path().to_owned()), ..Sources::default() });
        let mistakes = mistakes.expect_err("a mistake");
        let text = mistakes[0].to_string();
        assert!(mistakes.len() == 1 && text.contains("ANTHROPIC_API_KEY") && !text.contains("swordfish"), "{text}");
    }
}
