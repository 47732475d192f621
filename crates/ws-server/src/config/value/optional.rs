//! A value that may be missing, which is written as an empty text.

use super::setting::{InvalidValue, Setting, Typed};

impl<T: Setting> Setting for Option<T> {
    type Rule = T::Rule;

    fn read(rule: &T::Rule, typed: &Typed) -> Result<Self, InvalidValue> {
        if typed.text() == Some("") { Ok(None) } else { T::read(rule, typed).map(Some) }
    }

    fn show(&self, rule: &T::Rule) -> String {
        self.as_ref().map_or_else(|| "\"\"".to_owned(), |value| value.show(rule))
    }

    fn is_redacted(&self) -> bool {
        self.as_ref().is_some_and(T::is_redacted)
    }

    fn allowed(rule: &T::Rule) -> String {
        format!("{}, or \"\" (none)", T::allowed(rule))
    }
}
