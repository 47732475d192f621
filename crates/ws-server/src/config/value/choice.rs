//! One word out of a few.

use super::{Setting, Typed, Wrong};
use crate::config::nearest::nearest;

/// An enum whose variants are words of the configuration.
pub(crate) trait Choice: Copy + PartialEq + 'static {
    /// Every variant with its word.
    const ALL: &'static [(&'static str, Self)];
}

impl<T: Choice> Setting for T {
    type Rule = ();

    fn read((): &(), typed: &Typed) -> Result<Self, Wrong> {
        let text = typed.text().ok_or_else(|| typed.wrong())?;
        let found = T::ALL.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let near = nearest(text, T::ALL.iter().map(|(word, _)| *word));
            near.map_or_else(|| typed.wrong(), |word| typed.wrong_because(format!("did you mean {word}?")))
        })
    }

    fn show(&self, (): &()) -> String {
        let word = T::ALL.iter().find(|(_, value)| value == self).map_or("", |(word, _)| word);
        format!("\"{word}\"")
    }

    fn allowed((): &()) -> String {
        let words: Vec<_> = T::ALL.iter().map(|(word, _)| *word).collect();
        words.join(" or ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LogFormat;

    /// `Ok`: the value as it is shown again. `Err`: the hint.
    #[track_caller]
    fn check(typed: &Typed, expect: Result<&str, &str>) {
        let shown = LogFormat::read(&(), typed).map(|value| value.show(&()));
        let shown = shown.map_err(|wrong| wrong.hint.unwrap_or_default());
        assert_eq!(shown.as_deref().map_err(String::as_str), expect, "{typed}");
    }

    #[test]
    fn words() {
        check(&Typed::Bare("json".to_owned()), Ok("\"json\""));
        check(&Typed::Quoted("text".to_owned()), Ok("\"text\""));
        check(&Typed::Bare("jsn".to_owned()), Err("did you mean json?"));
        check(&Typed::Bare("JSON".to_owned()), Err("did you mean json?"));
        check(&Typed::Bare("yaml".to_owned()), Err(""));
        check(&Typed::Integer(1), Err(""));
        assert_eq!(LogFormat::allowed(&()), "text or json");
    }
}
