//! From the configuration to Claude: the provider with its key, and the options of runs.

use std::sync::Arc;

use ws_claude::upstream::{Key, KeyError, Settings, SetupError, Upstream};
use ws_claude::{Provider, RunOptions};

use crate::config::{Config, ConfigError, Source};
use crate::key_file;
use crate::same_fields::same_fields;

/// The provider, ready to be asked. `None`: there is no key.
///
/// # Errors
/// A file that cannot be read, a key that no header can carry, or a name and password that exclude `bearer`.
pub(crate) fn provider(config: &Config) -> Result<Option<Arc<dyn Provider>>, Vec<ConfigError>> {
    let Some(key) = key(config).map_err(|mistake| vec![*mistake])? else { return Ok(None) };
    let settings = same_fields!(config.claude => Settings {
        auth, first_token_timeout, idle_timeout, retries_max, cache; base_url: config.claude.base_url.clone(); key: key
    });
    match Upstream::new(settings) {
        Ok(upstream) => Ok(Some(Arc::new(upstream))),
        Err(error) => {
            let name = if matches!(error, SetupError::TwoAuthorizations) { "auth" } else { "base_url" };
            Err(vec![*mistake(name, error.to_string(), "what a request can be sent with")])
        }
    }
}

/// The options of runs.
pub(crate) fn run_options(config: &Config) -> RunOptions {
    let claude = config.claude.clone();
    RunOptions {
        model: claude.model,
        models_allowed: claude.models_allowed,
        max_tokens: claude.max_tokens,
        effort: claude.effort,
        thinking: claude.thinking,
        system: claude.system,
        client_options: claude.client_options,
        context_bytes_max: claude.context_bytes_max,
        runs_max: claude.runs_max,
        runs_per_user_max: claude.runs_per_user_max,
        runs_per_channel_max: claude.runs_per_channel_max,
        run_timeout: claude.run_timeout,
        delta_interval: claude.delta_interval,
    }
}

/// Says in the log that Claude can be asked, and where.
pub(crate) fn log(config: &Config) {
    if config.claude.api_key.is_some() || config.claude.api_key_file.is_some() {
        let (model, base_url) = (&*config.claude.model, &config.claude.base_url);
        tracing::info!(model, %base_url, "Claude can be asked");
    }
}

fn key(config: &Config) -> Result<Option<Key>, Box<ConfigError>> {
    let (name, text) = match (&config.claude.api_key, &config.claude.api_key_file) {
        (Some(key), _) => ("api_key", key.reveal().to_owned()),
        (None, Some(path)) => {
            let read = key_file::read(path);
            let bytes =
                read.map_err(|why| mistake("api_key_file", format!("{path:?}, which {why}"), key_file::ALLOWED))?;
            // What is not UTF-8 no header can carry either.
            ("api_key_file", String::from_utf8(bytes).unwrap_or_else(|_| "\u{fffd}".to_owned()))
        }
        (None, None) => return Ok(None),
    };
    let wrong = |error: KeyError| mistake(name, format!("a key that {error}"), "a key in printable ASCII");
    Key::new(&text).map(Some).map_err(wrong)
}

fn mistake(name: &str, found: String, allowed: &str) -> Box<ConfigError> {
    let (source, allowed) = (Source::Key(format!("claude.{name}")), allowed.to_owned());
    Box::new(ConfigError { source, key: String::new(), found, allowed, hint: None })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::config::Secret;

    #[track_caller]
    fn check(change: impl FnOnce(&mut Config), expect: Result<bool, &str>) {
        let mut config = Config::default();
        change(&mut config);
        let found = provider(&config).map(|provider| provider.is_some());
        let found = found.map_err(|mistakes| mistakes[0].to_string().replace("\n    ", " | "));
        assert!(!format!("{found:?}").contains("swordfish"));
        assert_eq!(found, expect.map_err(str::to_owned));
    }

    fn file(text: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(text).expect("a write");
        file
    }

    #[test]
    fn a_key_turns_it_on() {
        check(|_| {}, Ok(false));
        check(|config| config.claude.api_key = Some(Secret::new("swordfish")), Ok(true));
        let of_file = file(b" swordfish\r\n");
        check(|config| config.claude.api_key_file = Some(of_file.path().to_owned()), Ok(true));
    }

    #[test]
    fn keys_that_cannot_be_sent() {
        let unsendable = "found a key that contains a character that no HTTP header can carry, such as a line break or a \
                          letter beyond ASCII | allowed: a key in printable ASCII";
        let expect = format!("claude.api_key: {unsendable}");
        check(|config| config.claude.api_key = Some(Secret::new("schl\u{fc}ssel")), Err(&expect));
        let of_file = file(b"sword\nfish");
        let expect = format!("claude.api_key_file: {unsendable}");
        check(|config| config.claude.api_key_file = Some(of_file.path().to_owned()), Err(&expect));
        let of_file = file(b" \n");
        let expect = "claude.api_key_file: found a key that is empty | allowed: a key in printable ASCII";
        check(|config| config.claude.api_key_file = Some(of_file.path().to_owned()), Err(expect));
    }
}
