//! The log: text or JSON on standard error, filtered by `RUST_LOG` (default `info`).

use std::ffi::OsStr;
use std::io::{IsTerminal, stderr};

use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogFormat, Mistake, Source, Sources, nearest};

const VARIABLE: &str = "RUST_LOG";
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What is logged.
pub type Filter = EnvFilter;

/// Reads `RUST_LOG`; unset or empty, it is `info`.
///
/// # Errors
///
/// One mistake: a value that is no filter. A word that is nearly a level is an error too: as a filter it would name a
/// module that does not exist, and the log would stay empty.
pub fn filter(sources: &Sources) -> Result<Filter, Vec<Mistake>> {
    let value = sources.variable(VARIABLE).filter(|value| !value.is_empty());
    let Some(text) = value.unwrap_or(OsStr::new("info")).to_str() else {
        return Err(mistake("text that is not UTF-8".to_owned(), None));
    };
    if let Some((word, level)) = text.split(',').find_map(|word| Some((word, nearly_a_level(word)?))) {
        return Err(mistake(format!("{word:?}"), Some(format!("did you mean {level}?"))));
    }
    Filter::builder().parse(text).map_err(|error| mistake(format!("{text:?}, {error}"), None))
}

/// At `trace`, tungstenite writes down whole messages, with the tokens in them: that is left out, whatever the filter.
fn is_discreet(metadata: &Metadata<'_>) -> bool {
    *metadata.level() != Level::TRACE || !metadata.target().starts_with("tungstenite")
}

fn mistake(found: String, hint: Option<String>) -> Vec<Mistake> {
    vec![Mistake {
        source: Source::Variable(VARIABLE.to_owned()),
        key: String::new(),
        found,
        allowed: format!("one of {}, or MODULE=LEVEL, comma separated", LEVELS.join(", ")),
        hint,
    }]
}

/// `wrn`, `warning`, `err`.
fn nearly_a_level(word: &str) -> Option<&'static str> {
    let word = word.trim_ascii().to_ascii_lowercase();
    if word.is_empty() || LEVELS.contains(&word.as_str()) {
        return None;
    }
    let longer_or_shorter = |level: &&str| word.len() > 1 && (word.starts_with(level) || level.starts_with(&word));
    let modules = word.contains(['=', ':', '[', '_']);
    let near = LEVELS.into_iter().find(longer_or_shorter).or_else(|| nearest(&word, LEVELS));
    near.filter(|_| !modules)
}

/// Starts the log of the process. A second call changes nothing.
pub fn start(format: LogFormat, filter: Filter) {
    let colors = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    // Only a second call fails, as when tests start several servers in one process.
    let _ = match format {
        LogFormat::Text => log.with_ansi(colors).finish().with(filter_fn(is_discreet)).try_init(),
        LogFormat::Json => log.json().flatten_event(true).finish().with(filter_fn(is_discreet)).try_init(),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Ok`: the filter. `Err`: the hint.
    #[track_caller]
    fn check(value: &str, expect: Result<&str, &str>) {
        let env = [(VARIABLE.into(), value.into())].into();
        let filter = filter(&Sources { env, ..Sources::default() });
        let shown = filter.map(|filter| filter.to_string());
        let shown = shown.map_err(|mut mistakes| mistakes.pop().and_then(|mistake| mistake.hint).unwrap_or_default());
        assert_eq!(shown.as_deref().map_err(String::as_str), expect, "{value}");
    }

    #[test]
    fn filters() {
        check("", Ok("info"));
        check("WARN", Ok("warn"));
        check("ws_core=debug", Ok("ws_core=debug"));
        check("hyper", Ok("hyper=trace"));
        check("warning", Err("did you mean warn?"));
        check("info,err", Err("did you mean error?"));
        check("debgu", Err("did you mean debug?"));
        check("ws_core=loud", Err(""));
    }
}
