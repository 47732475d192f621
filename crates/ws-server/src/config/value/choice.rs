//! One word of a fixed set.

use super::setting::{InvalidValue, Setting, Typed};
use crate::config::nearest::nearest;

/// An enum whose variants are words of the configuration.
pub(crate) trait Choice: Copy + PartialEq + 'static {
    /// Every variant with its word.
    const ALL: &'static [(&'static str, Self)];
}

/// Which of the words a key takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words<T> {
    except: Option<T>,
}

/// All of them.
pub(crate) const fn words<T>() -> Words<T> {
    Words { except: None }
}

impl<T: Choice> Words<T> {
    /// All but this one.
    pub(crate) fn but(self, value: T) -> Self {
        Self { except: Some(value) }
    }

    fn taken(&self) -> impl Iterator<Item = (&'static str, T)> {
        T::ALL.iter().copied().filter(|(_, value)| self.except != Some(*value))
    }
}

impl<T: Choice> Setting for T {
    type Rule = Words<T>;

    fn read(rule: &Words<T>, typed: &Typed) -> Result<Self, InvalidValue> {
        let text = typed.text().ok_or_else(|| typed.invalid())?;
        let found = rule.taken().find(|(word, _)| *word == text);
        found.map(|(_, value)| value).ok_or_else(|| {
            let near = nearest(text, rule.taken().map(|(word, _)| word));
            near.map_or_else(|| typed.invalid(), |word| typed.invalid_because(format!("did you mean {word}?")))
        })
    }

    fn show(&self, _: &Words<T>) -> String {
        let word = T::ALL.iter().find(|(_, value)| value == self).map_or("", |(word, _)| word);
        format!("\"{word}\"")
    }

    /// `gap, latest or disconnect`
    fn allowed(rule: &Words<T>) -> String {
        let words: Vec<_> = rule.taken().map(|(word, _)| word).collect();
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
    use crate::config::{Access, LogFormat};

    /// `Ok`: the value as it is shown again. `Err`: the hint.
    #[track_caller]
    fn check<T: Choice>(rule: Words<T>, typed: &Typed, expect: Result<&str, &str>) {
        let shown = T::read(&rule, typed).map(|value| value.show(&rule));
        let shown = shown.map_err(|wrong| wrong.hint.unwrap_or_default());
        assert_eq!(shown.as_deref().map_err(String::as_str), expect, "{typed}");
    }

    #[test]
    fn known_words() {
        let rule = words::<LogFormat>();
        check(rule, &Typed::Bare("json".to_owned()), Ok("\"json\""));
        check(rule, &Typed::Quoted("text".to_owned()), Ok("\"text\""));
        check(rule, &Typed::Bare("jsn".to_owned()), Err("did you mean json?"));
        check(rule, &Typed::Bare("JSON".to_owned()), Err("did you mean json?"));
        check(rule, &Typed::Bare("yaml".to_owned()), Err(""));
        check(rule, &Typed::Integer(1), Err(""));
        assert_eq!(LogFormat::allowed(&rule), "text or json");
    }

    #[test]
    fn all_but_one() {
        let (all, some) = (words(), words().but(Access::Subscriber));
        let text = |text: &str| Typed::Quoted(text.to_owned());
        check(all, &text("subscriber"), Ok("\"subscriber\""));
        check(some, &text("subscriber"), Err(""));
        check(some, &text("subscribers"), Err(""));
        check(all, &text("subscribers"), Err("did you mean subscriber?"));
        check(some, &text("nobody"), Ok("\"nobody\""));
        assert_eq!(Access::allowed(&all), "anyone, authenticated, granted, subscriber or nobody");
        assert_eq!(Access::allowed(&some), "anyone, authenticated, granted or nobody");
    }
}
