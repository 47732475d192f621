//! `Retry-After` of HTTP (RFC 9110, section 10.2.3), in seconds. A date is not read: it would need the server's clock.

use std::time::Duration;

/// The longest wait that a server can ask for.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// What the header says, at most one hour; `None` for what is no number of seconds.
pub(super) fn parse(value: &str) -> Option<Duration> {
    let digits = value.trim();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // More digits than a number has are more than an hour as well.
    let seconds = digits.parse().unwrap_or(u64::MAX);
    Some(Duration::from_secs(seconds).min(WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_up_to_an_hour() {
        let check =
            |value: &str, seconds: Option<u64>| assert_eq!(parse(value), seconds.map(Duration::from_secs), "{value}");
        check("0", Some(0));
        check(" 17 ", Some(17));
        check("3600", Some(3600));
        check("3601", Some(3600));
        check("99999999999999999999999", Some(3600));
        check("", None);
        check("-1", None);
        check("+5", None);
        check("1.5", None);
        check("Fri, 31 Dec 1999 23:59:59 GMT", None);
    }
}
