//! The value of a figure, and how it is shown.

use crate::measure::Quantiles;

/// One value with its unit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Count(u64),
    PerSecond(f64),
    Seconds(f64),
    Micros(f64),
    Kib(f64),
    Bytes(f64),
    /// 1.0 is one core that is busy all the time.
    Cores(f64),
    Latency(Quantiles),
    /// One figure divided by another of the same kind.
    Ratio(f64),
    Word(&'static str),
    Flag(bool),
}

/// The value in a table.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Count(count) => grouped(*count),
        Value::PerSecond(rate) if *rate < 100.0 => format!("{rate:.2}/s"),
        Value::PerSecond(rate) => format!("{}/s", grouped(rate.round() as u64)),
        Value::Seconds(seconds) => format!("{seconds:.2} s"),
        Value::Micros(us) => micros(*us),
        Value::Kib(kib) => format!("{kib:.2} KiB"),
        Value::Bytes(bytes) => format!("{bytes:.0} bytes"),
        Value::Cores(cores) => format!("{:.0} % of one core", cores * 100.0),
        Value::Latency(q) => q.named().map(|(name, us)| format!("{name} {}", micros(us))).join("   "),
        Value::Ratio(ratio) => format!("{ratio:.2} ×"),
        Value::Word(word) => (*word).to_owned(),
        Value::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
    }
}

/// About three digits, in a suitable unit.
pub(super) fn micros(us: f64) -> String {
    let (value, unit) = match us {
        us if us < 1e3 => (us, "µs"),
        us if us < 1e6 => (us / 1e3, "ms"),
        us => (us / 1e6, "s"),
    };
    let decimals = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.decimals$} {unit}")
}

/// 1234567 as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_in_thousands() {
        assert_eq!([0, 999, 1000, 123_456, 1_234_567].map(grouped), ["0", "999", "1,000", "123,456", "1,234,567"]);
    }
}
