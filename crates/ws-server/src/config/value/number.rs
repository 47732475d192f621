//! Counts and sizes: whole numbers with bounds. A size may have a unit: `64KiB`.

use super::setting::{InvalidValue, Setting, Typed};

pub(crate) const KIB: u64 = 1024;
pub(crate) const MIB: u64 = 1024 * KIB;
pub(crate) const GIB: u64 = 1024 * MIB;

const UNITS: &[(&str, u64)] = &[("GiB", GIB), ("MiB", MIB), ("KiB", KIB), ("B", 1)];

/// The bounds of a whole number, both included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    min: u64,
    max: u64,
    bytes: bool,
    zero: Option<&'static str>,
}

/// So many things.
pub(crate) const fn count(min: u64, max: u64) -> Number {
    Number { min, max, bytes: false, zero: None }
}

/// So many bytes.
pub(crate) const fn bytes(min: u64, max: u64) -> Number {
    Number { min, max, bytes: true, zero: None }
}

impl Number {
    /// Allows 0 too, with a meaning of its own.
    pub(crate) const fn zero(self, meaning: &'static str) -> Self {
        Self { zero: Some(meaning), ..self }
    }

    fn read(&self, typed: &Typed) -> Result<u64, InvalidValue> {
        let number = match typed {
            Typed::Integer(number) => u64::try_from(*number).ok(),
            Typed::Bare(text) | Typed::Quoted(text) if self.bytes => size(typed, text.trim_ascii())?,
            Typed::Bare(text) => whole(text.trim_ascii()),
            Typed::Quoted(text) if whole(text).is_some() => {
                return Err(typed.invalid_because("write a number without quotes"));
            }
            Typed::Quoted(_) | Typed::Boolean(_) | Typed::List(_) | Typed::Section | Typed::Other(_) => None,
        };
        number.filter(|number| self.takes(*number)).ok_or_else(|| typed.invalid())
    }

    fn takes(&self, number: u64) -> bool {
        (self.min..=self.max).contains(&number) || (number == 0 && self.zero.is_some())
    }

    fn show(&self, number: u64) -> String {
        if self.bytes && number >= KIB { quoted_size(number) } else { grouped(number) }
    }

    fn allowed(&self) -> String {
        let range = if self.bytes {
            let (min, max) = (self.show(self.min), self.show(self.max));
            format!("a size from {min} to {max}: a number of bytes, or with B, KiB, MiB or GiB").replace('"', "")
        } else {
            format!("a whole number from {} to {}", grouped(self.min), grouped(self.max))
        };
        or_zero(range, self.zero, "0")
    }
}

impl Setting for usize {
    type Rule = Number;

    fn read(rule: &Number, typed: &Typed) -> Result<Self, InvalidValue> {
        Self::try_from(rule.read(typed)?).map_err(|_| typed.invalid())
    }

    fn show(&self, rule: &Number) -> String {
        rule.show(*self as u64)
    }

    fn allowed(rule: &Number) -> String {
        rule.allowed()
    }
}

impl Setting for u32 {
    type Rule = Number;

    fn read(rule: &Number, typed: &Typed) -> Result<Self, InvalidValue> {
        Self::try_from(rule.read(typed)?).map_err(|_| typed.invalid())
    }

    fn show(&self, rule: &Number) -> String {
        rule.show(u64::from(*self))
    }

    fn allowed(rule: &Number) -> String {
        rule.allowed()
    }
}

/// `64KiB`, `65_536`. KB is refused, because it means 1000 to some programs and 1024 to others.
fn size(typed: &Typed, text: &str) -> Result<Option<u64>, InvalidValue> {
    let (digits, unit) = number_and_unit(text);
    let known = UNITS.iter().find(|(name, _)| *name == unit);
    match (whole(digits), known) {
        (Some(number), Some((_, factor))) => Ok(number.checked_mul(*factor)),
        (Some(number), None) if unit.is_empty() => Ok(Some(number)),
        (Some(_), None) => Err(typed.invalid_because(unit_hint(digits, unit))),
        (None, _) => Ok(None),
    }
}

fn unit_hint(digits: &str, unit: &str) -> String {
    let meant = unit.trim_start().to_ascii_lowercase();
    match meant.chars().next() {
        Some(first @ ('k' | 'm' | 'g')) => {
            format!("write {digits}{}iB (units of 1024), or the number of bytes", first.to_ascii_uppercase())
        }
        _ => "the units are B, KiB, MiB and GiB".to_owned(),
    }
}

/// `"64KiB"` where that is exact, else the number.
fn quoted_size(number: u64) -> String {
    let exact = UNITS.iter().find(|(unit, factor)| *unit != "B" && number.is_multiple_of(*factor));
    match exact {
        Some((unit, factor)) => format!("\"{}{unit}\"", number / factor),
        None => grouped(number),
    }
}

/// `100_000`, as TOML takes it.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('_');
        }
        out.push(digit);
    }
    out
}

/// Reads digits with underscores between them, as in TOML. `None` also for numbers over 64 bits.
pub(super) fn whole(text: &str) -> Option<u64> {
    let proper = text.split('_').all(|group| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit()));
    proper.then(|| text.replace('_', "").parse().ok())?
}

/// Splits `250ms` into the digits and the unit.
pub(super) fn number_and_unit(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len()))
}

/// Adds `, or 0 (no limit)` to a range that allows zero too.
pub(super) fn or_zero(range: String, zero: Option<&str>, shown: &str) -> String {
    match zero {
        Some(meaning) => format!("{range}, or {shown} ({meaning})"),
        None => range,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Number = bytes(KIB, 64 * MIB);
    const COUNT: Number = count(2, 1000).zero("no limit");

    fn bare(text: &str) -> Typed {
        Typed::Bare(text.to_owned())
    }

    fn quoted(text: &str) -> Typed {
        Typed::Quoted(text.to_owned())
    }

    /// `Ok`: the value as it is shown again. `Err`: the hint.
    #[track_caller]
    fn check(rule: Number, typed: &Typed, expect: Result<&str, &str>) {
        let shown = usize::read(&rule, typed).map(|value| value.show(&rule));
        let shown = shown.map_err(|wrong| wrong.hint.unwrap_or_default());
        assert_eq!(shown.as_deref().map_err(String::as_str), expect, "{typed}");
    }

    #[test]
    fn sizes() {
        check(SIZE, &bare("64KiB"), Ok("\"64KiB\""));
        check(SIZE, &quoted("64MiB"), Ok("\"64MiB\""));
        check(SIZE, &bare("65_536"), Ok("\"64KiB\""));
        check(SIZE, &quoted("1500B"), Ok("1_500"));
        check(SIZE, &Typed::Integer(1024), Ok("\"1KiB\""));
        check(SIZE, &Typed::Integer(1023), Err(""));
        check(SIZE, &Typed::Integer(-1), Err(""));
        check(SIZE, &bare("65MiB"), Err(""));
        check(SIZE, &bare("99999999999GiB"), Err(""));
        check(SIZE, &bare("64KB"), Err("write 64KiB (units of 1024), or the number of bytes"));
        check(SIZE, &bare("64 mb"), Err("write 64MiB (units of 1024), or the number of bytes"));
        check(SIZE, &bare("64apples"), Err("the units are B, KiB, MiB and GiB"));
        check(SIZE, &bare("1.5MiB"), Err("the units are B, KiB, MiB and GiB"));
        check(SIZE, &bare(""), Err(""));
        check(SIZE, &Typed::Other("a table".to_owned()), Err(""));
    }

    #[test]
    fn counts() {
        check(COUNT, &bare("1_000"), Ok("1_000"));
        check(COUNT, &bare("0"), Ok("0"));
        check(COUNT, &Typed::Integer(2), Ok("2"));
        check(COUNT, &Typed::Integer(1), Err(""));
        check(COUNT, &bare("1001"), Err(""));
        check(COUNT, &bare("1__0"), Err(""));
        check(COUNT, &bare("_10"), Err(""));
        check(COUNT, &bare("+10"), Err(""));
        check(COUNT, &bare("ten"), Err(""));
        check(COUNT, &quoted("10"), Err("write a number without quotes"));
    }

    #[test]
    fn what_is_allowed() {
        assert_eq!(COUNT.allowed(), "a whole number from 2 to 1_000, or 0 (no limit)");
        let size = "a size from 1KiB to 64MiB: a number of bytes, or with B, KiB, MiB or GiB";
        assert_eq!(SIZE.allowed(), size);
    }
}
