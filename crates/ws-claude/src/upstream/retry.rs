//! How long to wait before a request is sent again. No clock and no chance of its own: both come in as values.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use super::limits::{BACKOFF_MAX, BACKOFF_MIN};

/// How much longer than the provider said, at most: so that not everybody comes back at once.
const SPREAD: f64 = 0.2;

/// The wait before the next request. `nth` retries came before it; `chance` lies in `0.0..1.0`.
pub(super) fn wait(said: Option<Duration>, nth: u32, chance: f64) -> Duration {
    match said {
        Some(said) => said.mul_f64(1.0 + SPREAD * chance),
        None => {
            let whole = BACKOFF_MIN.saturating_mul(1 << nth.min(16)).min(BACKOFF_MAX);
            whole.mul_f64(0.5 + 0.5 * chance)
        }
    }
}

/// What the provider says in `retry-after`: seconds, also with a fraction, or a date, which counts from the response's own
/// date; or in `retry-after-ms`, which is more exact. Nonsense counts as absent, and so does what is in the past.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let exact = headers.get("retry-after-ms").and_then(|ms| ms.to_str().ok()?.trim().parse::<f64>().ok());
    if let Some(exact) = exact.and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok()) {
        return Some(exact);
    }
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let at = httpdate::parse_http_date(text).ok()?;
    let date = headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    at.duration_since(date.unwrap_or(now)).ok()
}

/// What the provider says in `x-should-retry`, which counts more than the status.
pub(super) fn should_retry(headers: &HeaderMap) -> Option<bool> {
    match headers.get("x-should-retry")?.to_str().ok()?.trim() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn waits_are_spread() {
        let check = |said: Option<u64>, nth, chance, expect_ms| {
            let wait = wait(said.map(Duration::from_millis), nth, chance);
            assert_eq!(wait, Duration::from_millis(expect_ms), "{said:?}, {nth}, {chance}");
        };
        check(None, 0, 0.0, 250);
        check(None, 0, 1.0, 500);
        check(None, 1, 0.0, 500);
        check(None, 1, 0.5, 750);
        check(None, 4, 1.0, 8_000);
        check(None, 5, 1.0, 8_000);
        check(None, u32::MAX, 0.0, 4_000);
        check(Some(0), 3, 0.9, 0);
        check(Some(10_000), 3, 0.0, 10_000);
        check(Some(10_000), 0, 0.5, 11_000);
        check(Some(30_000), 0, 1.0, 36_000);
    }

    #[test]
    fn retry_after_is_seconds_a_fraction_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 29 Nov 2026 12:00:00 GMT").expect("a date");
        let check = |text: &str, date: Option<&str>, expect_ms: Option<u64>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(text).expect("a value"));
            date.map(|date| headers.insert(DATE, HeaderValue::from_str(date).expect("a value")));
            assert_eq!(retry_after(&headers, now), expect_ms.map(Duration::from_millis), "{text}, {date:?}");
        };
        check("12", None, Some(12_000));
        check(" 0.25 ", None, Some(250));
        check("0", None, Some(0));
        check("86400", None, Some(86_400_000));
        check("Sun, 29 Nov 2026 12:00:07 GMT", None, Some(7_000));
        check("Sun, 29 Nov 2026 12:00:07 GMT", Some("Sun, 29 Nov 2026 12:00:05 GMT"), Some(2_000));
        check("Sun, 29 Nov 2026 12:00:07 GMT", Some("soon"), Some(7_000));
        check("Sun, 29 Nov 2026 11:59:59 GMT", None, None);
        for nonsense in ["", "soon", "-1", "NaN", "inf", "1e300", "12s", "Sun, 99 Nov 2026 12:00:00 GMT"] {
            check(nonsense, None, None);
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
        for (ms, expect_ms) in [("1500", 1_500), ("-1", 2_000), ("soon", 2_000)] {
            let mut headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static("2"))]);
            headers.insert("retry-after-ms", HeaderValue::from_static(ms));
            assert_eq!(retry_after(&headers, now), Some(Duration::from_millis(expect_ms)), "{ms}");
        }
    }

    #[test]
    fn should_retry_is_true_or_false() {
        let check = |text: &'static str, expect| {
            let headers =
                HeaderMap::from_iter([("x-should-retry".parse().expect("a name"), HeaderValue::from_static(text))]);
            assert_eq!(should_retry(&headers), expect, "{text}");
        };
        check("true", Some(true));
        check(" false", Some(false));
        check("maybe", None);
        check("", None);
        assert_eq!(should_retry(&HeaderMap::new()), None);
    }
}
