//! Yes or no: `true`, `false`.

use super::setting::{InvalidValue, Setting, Typed};

impl Setting for bool {
    type Rule = ();

    fn read((): &(), typed: &Typed) -> Result<Self, InvalidValue> {
        match typed {
            Typed::Boolean(value) => Ok(*value),
            Typed::Bare(text) => text.trim_ascii().parse().map_err(|_| wrong(typed, text.trim_ascii())),
            Typed::Quoted(text) if text.parse::<Self>().is_ok() => {
                Err(typed.invalid_because(format!("write {text} without quotes")))
            }
            Typed::Quoted(text) => Err(wrong(typed, text)),
            Typed::Integer(number) => Err(wrong(typed, &number.to_string())),
            Typed::List(_) | Typed::Section | Typed::Other(_) => Err(typed.invalid()),
        }
    }

    fn show(&self, (): &()) -> String {
        self.to_string()
    }

    fn allowed((): &()) -> String {
        "true or false".to_owned()
    }
}

/// Hints for the words of other programs.
fn wrong(typed: &Typed, text: &str) -> InvalidValue {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => typed.invalid_because("write true"),
        "false" | "no" | "off" | "0" => typed.invalid_because("write false"),
        _ => typed.invalid(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Ok`: the value as it is shown again. `Err`: the hint.
    #[track_caller]
    fn check(typed: &Typed, expect: Result<&str, &str>) {
        let shown = bool::read(&(), typed).map(|value| value.show(&()));
        let shown = shown.map_err(|wrong| wrong.hint.unwrap_or_default());
        assert_eq!(shown.as_deref().map_err(String::as_str), expect, "{typed}");
    }

    #[test]
    fn switches() {
        let (bare, quoted) = (|text: &str| Typed::Bare(text.to_owned()), |text: &str| Typed::Quoted(text.to_owned()));
        check(&Typed::Boolean(true), Ok("true"));
        check(&bare("true"), Ok("true"));
        check(&bare(" false "), Ok("false"));
        check(&bare("TRUE"), Err("write true"));
        check(&bare("off"), Err("write false"));
        check(&bare(""), Err(""));
        check(&quoted("true"), Err("write true without quotes"));
        check(&quoted("yes"), Err("write true"));
        check(&Typed::Integer(0), Err("write false"));
        check(&Typed::Integer(2), Err(""));
        check(&Typed::List(vec![]), Err(""));
    }
}
