//! Who may do something: one mode, or a list of which any suffices.

use ws_core::{Access, Mode};

use super::setting::{InvalidValue, Setting, Typed};
use crate::config::nearest::nearest;

const NOBODY: &str = "nobody";

/// Words of other programs, and ours.
const SYNONYMS: [(&[&str], &str); 4] = [
    (&["everyone", "everybody", "all", "any", "public", "anonymous", "*", "true"], "anyone"),
    (&["user", "users", "logged_in", "auth", "authed"], "authenticated"),
    (&["token", "grant", "claim", "private"], "granted"),
    (&["none", "server", "noone", "no_one", "false", ""], NOBODY),
];

/// Which modes a key takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Modes {
    /// Whether `subscriber` is one of them.
    subscriber: bool,
}

/// All modes.
pub(crate) const fn modes() -> Modes {
    Modes { subscriber: true }
}

impl Modes {
    /// All but `subscriber`.
    pub(crate) const fn without_subscriber(self) -> Self {
        Self { subscriber: false }
    }

    fn taken(self) -> impl Iterator<Item = Mode> {
        Mode::ALL.into_iter().filter(move |mode| self.subscriber || *mode != Mode::Subscriber)
    }

    fn words(self) -> Vec<&'static str> {
        self.taken().map(Mode::as_str).chain([NOBODY]).collect()
    }

    /// `None`: nobody.
    fn mode(self, item: &Typed) -> Result<Option<Mode>, InvalidValue> {
        let text = item.text().ok_or_else(|| item.invalid())?;
        if text == NOBODY {
            return Ok(None);
        }
        self.taken().find(|mode| mode.as_str() == text).map(Some).ok_or_else(|| self.unknown(item, text))
    }

    fn unknown(self, item: &Typed, text: &str) -> InvalidValue {
        if text.contains(',') {
            return item.invalid_because("several modes are a list: [\"…\", \"…\"]");
        }
        if text == Mode::Subscriber.as_str() {
            return item.invalid_because("subscriber is for publish, read_history and read_presence");
        }
        let synonym = SYNONYMS.iter().find(|(words, _)| words.contains(&text)).map(|(_, word)| *word);
        let near = synonym.or_else(|| nearest(text, self.words()));
        near.map_or_else(|| item.invalid(), |word| item.invalid_because(format!("did you mean {word}?")))
    }
}

impl Setting for Access {
    type Rule = Modes;

    fn read(rule: &Modes, typed: &Typed) -> Result<Self, InvalidValue> {
        let items = typed.items();
        let mut access = Access::NOBODY;
        for item in &items {
            let Some(mode) = rule.mode(item)? else { continue };
            if access.has(mode) {
                return Err(item.invalid_because(format!("{} is listed twice", mode.as_str())));
            }
            access = access.or(mode);
        }
        let says_nobody = items.iter().any(|item| item.text() == Some(NOBODY));
        match (items.len(), says_nobody) {
            (0, _) => Err(typed.invalid_because("an empty list lets nobody: write \"nobody\"")),
            (1, _) | (_, false) => Ok(access),
            (_, true) => Err(typed.invalid_because("nobody stands alone: remove it, or the others")),
        }
    }

    fn show(&self, _: &Modes) -> String {
        let words: Vec<_> = self.modes().map(|mode| format!("\"{}\"", mode.as_str())).collect();
        match words.as_slice() {
            [] => format!("\"{NOBODY}\""),
            [word] => word.clone(),
            words => format!("[{}]", words.join(", ")),
        }
    }

    /// `anyone, authenticated, granted or nobody; or a list of those`
    fn allowed(rule: &Modes) -> String {
        let words = rule.words().join(", ");
        format!("{}, or a list of which any suffices", words.replace(", nobody", " or nobody"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Ok`: the value as it is shown again. `Err`: the hint.
    #[track_caller]
    fn check(rule: Modes, typed: &Typed, expect: Result<&str, &str>) {
        let shown = Access::read(&rule, typed).map(|value| value.show(&rule));
        let shown = shown.map_err(|wrong| wrong.hint.unwrap_or_default());
        assert_eq!(shown.as_deref().map_err(String::as_str), expect, "{typed:?}");
    }

    fn quoted(text: &str) -> Typed {
        Typed::Quoted(text.to_owned())
    }

    fn bare(text: &str) -> Typed {
        Typed::Bare(text.to_owned())
    }

    fn list(words: &[&str]) -> Typed {
        Typed::List(words.iter().map(|word| quoted(word)).collect())
    }

    #[test]
    fn one_mode() {
        for word in modes().words() {
            let shown = format!("\"{word}\"");
            check(modes(), &quoted(word), Ok(&shown));
            check(modes(), &bare(word), Ok(&shown));
            check(modes(), &list(&[word]), Ok(&shown));
        }
        check(modes(), &quoted("subscribers"), Err("did you mean subscriber?"));
        check(modes(), &quoted("Anyone"), Err("did you mean anyone?"));
        check(modes(), &quoted("everyone"), Err("did you mean anyone?"));
        check(modes(), &quoted("none"), Err("did you mean nobody?"));
        check(modes(), &quoted("ann"), Err(""));
        check(modes(), &Typed::Boolean(true), Err(""));
    }

    #[test]
    fn any_of_several() {
        check(modes(), &list(&["subscriber", "granted"]), Ok("[\"granted\", \"subscriber\"]"));
        check(modes(), &bare("subscriber, granted"), Ok("[\"granted\", \"subscriber\"]"));
        check(modes(), &list(&["granted", "anyone"]), Ok("[\"anyone\", \"granted\"]"));
        check(modes(), &list(&[]), Err("an empty list lets nobody: write \"nobody\""));
        check(modes(), &list(&["granted", "granted"]), Err("granted is listed twice"));
        check(modes(), &list(&["granted", "grnated"]), Err("did you mean granted?"));
        check(modes(), &quoted("subscriber, granted"), Err("several modes are a list: [\"…\", \"…\"]"));
        for mixed in [&["nobody", "granted"][..], &["granted", "nobody"], &["nobody", "nobody"]] {
            check(modes(), &list(mixed), Err("nobody stands alone: remove it, or the others"));
        }
        check(modes(), &Typed::List(vec![Typed::Integer(1)]), Err(""));
    }

    #[test]
    fn what_is_shown_reads_the_same() {
        for access in [Access::NOBODY, Access::ANYONE, Access::SUBSCRIBER.or(Mode::Granted)] {
            let shown = format!("x = {}", access.show(&modes())).parse::<toml::Table>().expect("TOML");
            let typed = match &shown["x"] {
                toml::Value::String(word) => quoted(word),
                toml::Value::Array(words) => list(&words.iter().filter_map(toml::Value::as_str).collect::<Vec<_>>()),
                other => panic!("{other}"),
            };
            assert_eq!(Access::read(&modes(), &typed), Ok(access));
        }
    }

    #[test]
    fn all_but_one() {
        let rule = modes().without_subscriber();
        let why = "subscriber is for publish, read_history and read_presence";
        check(rule, &quoted("subscriber"), Err(why));
        check(rule, &list(&["granted", "subscriber"]), Err(why));
        check(rule, &quoted("nobody"), Ok("\"nobody\""));
        let allowed = "anyone, authenticated, granted, subscriber or nobody, or a list of which any suffices";
        assert_eq!(Access::allowed(&modes()), allowed);
        assert_eq!(Access::allowed(&rule), allowed.replace(", subscriber", ""));
    }
}
