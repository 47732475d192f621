//! Durations: a whole number and a unit, `250ms`, `25s`, `5m`, `1h`, `7d`.

use std::time::Duration;

use super::number::{number_and_unit, or_zero, whole};
use super::setting::{InvalidValue, Setting, Typed};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// Units with their milliseconds, the largest first.
const UNITS: &[(&str, u64)] = &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// The bounds of a duration, both included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time {
    min: Duration,
    max: Duration,
    zero: Option<&'static str>,
}

pub(crate) const fn time(min: Duration, max: Duration) -> Time {
    Time { min, max, zero: None }
}

impl Time {
    /// Allows `0s` too, with a meaning of its own.
    pub(crate) const fn zero(self, meaning: &'static str) -> Self {
        Self { zero: Some(meaning), ..self }
    }

    fn takes(&self, duration: Duration) -> bool {
        (self.min..=self.max).contains(&duration) || (duration.is_zero() && self.zero.is_some())
    }
}

impl Setting for Duration {
    type Rule = Time;

    fn read(rule: &Time, typed: &Typed) -> Result<Self, InvalidValue> {
        if let Typed::Integer(number) = typed {
            return Err(typed.invalid_because(format!("a duration has a unit and quotes: \"{number}s\"")));
        }
        let text = typed.text().ok_or_else(|| typed.invalid())?;
        if whole(text).is_some() {
            return Err(typed.invalid_because(format!("a duration has a unit: {text}s")));
        }
        let duration = parse(text).filter(|duration| rule.takes(*duration));
        duration.ok_or_else(|| typed.invalid())
    }

    fn show(&self, _: &Time) -> String {
        format!("\"{}\"", plain(*self))
    }

    fn allowed(rule: &Time) -> String {
        let range = format!("a duration from {} to {}, in ms, s, m, h or d", plain(rule.min), plain(rule.max));
        or_zero(range, rule.zero, "0s")
    }
}

/// A duration as it is written in the configuration.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    parse(text.trim_ascii())
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = number_and_unit(text);
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    whole(digits)?.checked_mul(*factor).map(Duration::from_millis)
}

/// In the largest unit that is exact.
fn plain(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let exact = UNITS.iter().find(|(_, factor)| ms > 0 && ms.is_multiple_of(*factor));
    exact.map_or_else(|| "0s".to_owned(), |(unit, factor)| format!("{}{unit}", ms / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Time = time(MS, DAY).zero("off");

    /// `Ok`: the value as it is shown again. `Err`: the hint.
    #[track_caller]
    fn check(rule: Time, typed: &Typed, expect: Result<&str, &str>) {
        let shown = Duration::read(&rule, typed).map(|value| value.show(&rule));
        let shown = shown.map_err(|wrong| wrong.hint.unwrap_or_default());
        assert_eq!(shown.as_deref().map_err(String::as_str), expect, "{typed}");
    }

    #[test]
    fn durations() {
        let text = |text: &str| Typed::Quoted(text.to_owned());
        check(RULE, &text("250ms"), Ok("\"250ms\""));
        check(RULE, &text("25s"), Ok("\"25s\""));
        check(RULE, &text("300s"), Ok("\"5m\""));
        check(RULE, &text("24h"), Ok("\"1d\""));
        check(RULE, &text("1_500ms"), Ok("\"1500ms\""));
        check(RULE, &text("0s"), Ok("\"0s\""));
        check(RULE, &text("0ms"), Ok("\"0s\""));
        check(time(MS, DAY), &text("0s"), Err(""));
        check(RULE, &text("25h"), Err(""));
        check(RULE, &text("99999999999999999999d"), Err(""));
        check(RULE, &text("1.5s"), Err(""));
        check(RULE, &text("-1s"), Err(""));
        check(RULE, &text("5 s"), Err(""));
        check(RULE, &text("5M"), Err(""));
        check(RULE, &text("s"), Err(""));
        check(RULE, &text("25"), Err("a duration has a unit: 25s"));
        check(RULE, &Typed::Integer(25), Err("a duration has a unit and quotes: \"25s\""));
        check(RULE, &Typed::List(vec![]), Err(""));
    }

    #[test]
    fn what_is_allowed() {
        let allowed = "a duration from 1ms to 1d, in ms, s, m, h or d, or 0s (off)";
        assert_eq!(Duration::allowed(&RULE), allowed);
    }
}
