//! Small readings of raw JSON that serde's derive does not give.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// The string that `raw` is, or `None` when it is something else (or has a lone surrogate).
pub(crate) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let quoted = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if quoted.contains('\\') {
        serde_json::from_str(raw.get()).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(quoted))
    }
}

/// Whether `text`, valid JSON or not, can only be an object. serde's structs also accept arrays.
pub(crate) fn is_object(text: &str) -> bool {
    text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{')
}

/// Decodes an object out of `text`; the error says what is wrong, without a position in the text.
pub(crate) fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    if !is_object(text) {
        return Err("must be an object".to_owned());
    }
    serde_json::from_str(text).map_err(|error| without_position(&error))
}

/// serde_json's message less its " at line 1 column 7", which counts within the inner text only.
pub(crate) fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}
