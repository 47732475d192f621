//! One word of a fixed set.

use super::setting::{InvalidValue, Setting, Typed};
use crate::config::nearest::nearest;

/// An enum whose variants are words of the configuration.
pub(crate) trait Choice: Copy + PartialEq + 'static {
    /// Every variant with its word.
    const ALL: &'static [(&'static str, Self)];
}

/// All words of a choice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words;

/// All of them.
pub(crate) const fn words() -> Words {
    Words
}

impl<T: Choice> Setting for T {
    type Rule = Words;

    fn read(_: &Words, typed: &Typed) -> Result<Self, InvalidValue> {
        let text = typed.text().ok_or_else(|| typed.invalid())?;
        let found = T::ALL.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let near = nearest(text, T::ALL.iter().map(|(word, _)| *word));
            near.map_or_else(|| typed.invalid(), |word| typed.invalid_because(format!("did you mean {word}?")))
        })
    }

    fn show(&self, _: &Words) -> String {
        let word = T::ALL.iter().find(|(_, value)| value == self).map_or("", |(word, _)| word);
        format!("\"{word}\"")
    }

    /// `gap, latest or disconnect`
    fn allowed(_: &Words) -> String {
        let words: Vec<_> = T::ALL.iter().map(|(word, _)| *word).collect();
        match words.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LogFormat;

    /// `Ok`: the value as it is shown again. `Err`: the hint.
    #[track_caller]
    fn check<T: Choice>(rule: Words, typed: &Typed, expect: Result<&str, &str>) {
        let shown = T::read(&rule, typed).map(|value| value.show(&rule));
        let shown = shown.map_err(|wrong| wrong.hint.unwrap_or_default());
        assert_eq!(shown.as_deref().map_err(String::as_str), expect, "{typed}");
    }

    #[test]
    fn known_words() {
        let rule = words();
        check::<LogFormat>(rule, &Typed::Bare("json".to_owned()), Ok("\"json\""));
        check::<LogFormat>(rule, &Typed::Quoted("text".to_owned()), Ok("\"text\""));
        check::<LogFormat>(rule, &Typed::Bare("jsn".to_owned()), Err("did you mean json?"));
        check::<LogFormat>(rule, &Typed::Bare("JSON".to_owned()), Err("did you mean json?"));
        check::<LogFormat>(rule, &Typed::Bare("yaml".to_owned()), Err(""));
        check::<LogFormat>(rule, &Typed::Integer(1), Err(""));
        assert_eq!(LogFormat::allowed(&rule), "text or json");
    }
}
