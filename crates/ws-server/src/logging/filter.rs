//! `RUST_LOG`: what is logged.

use std::ffi::OsStr;

use tracing_subscriber::EnvFilter;

use crate::config::{ConfigError, Source, Sources, Warning, nearest};

const VARIABLE: &str = "RUST_LOG";
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What is logged.
pub type Filter = EnvFilter;

/// Crates that log, our own first.
const CRATES: [&str; 15] = [
    "ws_server",
    "ws_core",
    "ws_transport",
    "ws_engine_sqlite",
    "ws_auth",
    "ws_proto",
    "hyper",
    "hyper_util",
    "tungstenite",
    "tokio_tungstenite",
    "reqwest",
    "rustls",
    "tokio_rustls",
    "tokio",
    "mio",
];

/// Reads `RUST_LOG`, `info` by default, and warns of modules that do not exist.
///
/// # Errors
///
/// One mistake: a value that is not a filter, or one that would log nothing because it names only modules that do not
/// exist (a misspelled level among them).
pub fn filter(sources: &Sources) -> Result<(Filter, Vec<Warning>), Vec<ConfigError>> {
    let Some(text) = sources.variable(VARIABLE).unwrap_or(OsStr::new("info")).to_str() else {
        return Err(mistake("text that is not UTF-8".to_owned(), None));
    };
    if let Some((word, level)) = text.split(',').find_map(|word| Some((word, nearly_a_level(word)?))) {
        return Err(mistake(format!("{word:?}"), Some(format!("did you mean {level}?"))));
    }
    let filter = Filter::builder().parse(text).map_err(|error| mistake(format!("{text:?}, {error}"), None))?;
    let words = || text.split(',').map(str::trim).filter(|word| !word.is_empty());
    let unknown: Vec<_> = words().filter_map(unknown_module).collect();
    if !unknown.is_empty() && unknown.len() == words().count() {
        let hint = nearest(unknown[0], CRATES).map(|near| format!("did you mean {near}?"));
        return Err(mistake(format!("{text:?}, which would log nothing at all"), hint));
    }
    let warning =
        |module| Warning::new(Source::Variable(VARIABLE.to_owned()), format!("no module here is called {module}"));
    Ok((filter, unknown.into_iter().map(warning).collect()))
}

/// The module in a part of the filter, if no crate has it. Filters on spans are not checked.
fn unknown_module(word: &str) -> Option<&str> {
    let module = match word.split_once('=') {
        Some((module, _)) => module.trim(),
        None if LEVELS.iter().any(|level| word.eq_ignore_ascii_case(level)) || is_number(word) => return None,
        None => word,
    };
    let covers = |name: &str| match module.strip_prefix(name) {
        Some(inside) => inside.is_empty() || inside.starts_with("::"),
        None => name.starts_with(module),
    };
    (!module.contains(['[', '{', '}', ']']) && !CRATES.into_iter().any(covers)).then_some(module)
}

/// Levels may be numbers, 0 to 5.
fn is_number(word: &str) -> bool {
    word.parse::<u8>().is_ok()
}

fn mistake(found: String, hint: Option<String>) -> Vec<ConfigError> {
    vec![ConfigError {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// `Ok`: the filter. `Err`: the hint.
    #[track_caller]
    fn check(value: &str, expect: Result<&str, &str>) {
        let env = [(VARIABLE.into(), value.into())].into();
        let filter = filter(&Sources { env, ..Sources::default() });
        let shown = filter.map(|(filter, warnings)| {
            warnings.iter().fold(filter.to_string(), |all, warning| format!("{all} | {warning}"))
        });
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
        check("ws=debug", Ok("ws=debug"));
        check("ws_transport::socket=debug", Ok("ws_transport::socket=debug"));
        check("[connection]=debug", Ok("[connection]=debug"));
    }

    #[test]
    fn a_log_that_would_stay_empty_is_no_filter() {
        check("nonsense", Err(""));
        check("my_app=debug,other", Err(""));
        check("ws_sever=debug", Err("did you mean ws_server?"));
        check("ws_serverx", Err("did you mean ws_server?"));
        check("info,my_app=debug", Ok("my_app=debug,info | RUST_LOG: no module here is called my_app"));
        check("off", Ok("off"));
        check("3", Ok("info"));
    }
}
