//! Why an answer fails, as clients may see it, and whether the same request may be sent again.
//!
//! An error has two readers. Clients get a code, the provider's name for it, its status and its words; what it says of the
//! server's key, account and rights (401, 402, 403) goes to the log alone. Neither gets a secret.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap};

use super::event::{ProviderError, json};
use super::http::request_id;
use super::limits::{EVENT_BYTES_MAX, MESSAGE_BYTES_MAX, NAME_BYTES_MAX};
use super::progress::{Failure, FailureCode};
use super::retry;
use super::secrets::Secrets;

/// The limit on what the account may spend is reached: no wait helps.
const SPEND_CAP: &str = "enforced_spend_limit_reached";

/// Errors that stay the same however often the request is sent.
const LASTING: [&str; 6] = [
    "invalid_request_error",
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "request_too_large",
];

/// Errors of the server's key, account and rights.
const OF_THE_ACCOUNT: [&str; 3] = ["authentication_error", "billing_error", "permission_error"];

/// The largest integer that every reader of JSON has (RFC 8259, section 6).
const INTEGER_MAX: u128 = (1 << 53) - 1;

/// A request that failed.
#[derive(Debug)]
pub(super) struct Rejection {
    pub(super) failure: Failure,
    /// Whether the same request can succeed later.
    pub(super) is_passing: bool,
    pub(super) request_id: Option<String>,
}

impl Failure {
    pub(super) fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Failure { code, message: message.into(), kind: None, status: None, retry_after_ms: None }
    }

    /// What took too long, and how long it had.
    pub(super) fn timeout(what: &str, had: Duration) -> Self {
        Failure::new(FailureCode::Timeout, format!("the provider sent {what} within {had:?}"))
    }

    /// The stream ended, and no stop reason had come.
    pub(super) fn no_stop_reason() -> Self {
        let failure = Failure::new(FailureCode::UpstreamFailed, "the provider's answer ended without a stop reason");
        Failure { status: Some(200), ..failure }
    }

    /// The connection broke off in the middle of the answer.
    pub(super) fn broke_off() -> Self {
        Failure {
            status: Some(200),
            ..Failure::new(FailureCode::UpstreamFailed, "the connection to the provider broke off")
        }
    }

    /// An event is too long.
    pub(super) fn event_too_long() -> Self {
        let message = format!("the provider sent an event of more than {EVENT_BYTES_MAX} bytes");
        Failure { status: Some(200), ..Failure::new(FailureCode::UpstreamFailed, message) }
    }
}

impl Rejection {
    /// The provider cannot be reached. The cause is for the log.
    pub(super) fn unreachable(cause: &str, secrets: &Secrets) -> Self {
        tracing::warn!(cause = secrets.mask(cause), "Claude's provider cannot be reached");
        let failure = Failure::new(FailureCode::UpstreamFailed, "the provider cannot be reached");
        Rejection { failure, is_passing: true, request_id: None }
    }

    /// The request cannot be made. The cause is for the log.
    pub(super) fn internal(cause: &str, secrets: &Secrets) -> Self {
        tracing::error!(cause = secrets.mask(cause), "the request to Claude's provider cannot be made");
        let failure = Failure::new(FailureCode::Internal, "the request to the provider cannot be made");
        Rejection { failure, is_passing: false, request_id: None }
    }

    /// A response that is no event stream.
    pub(super) fn response(status: StatusCode, headers: &HeaderMap, body: &[u8], secrets: &Secrets) -> Self {
        let error = json(&String::from_utf8_lossy(body)).as_ref().and_then(ProviderError::read).unwrap_or_default();
        let is_spend_cap = error.detail.as_deref() == Some(SPEND_CAP);
        let by_status = matches!(status.as_u16(), 408 | 409 | 429 | 500..);
        let request_id = request_id(headers);
        let said = retry::retry_after(headers, SystemTime::now());
        let code = match status.as_u16() {
            429 if !is_spend_cap => FailureCode::RateLimited,
            503 | 529 => FailureCode::Overloaded,
            408 | 504 => FailureCode::Timeout,
            _ => FailureCode::UpstreamFailed,
        };
        let aside = match status.as_u16() {
            200 => {
                let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("nothing");
                format!(" and {} in place of text/event-stream", secrets.shown(kind, NAME_BYTES_MAX))
            }
            300..400 => ", a redirect, which is not followed: see `claude.base_url`".to_owned(),
            _ => String::new(),
        };
        Rejection {
            is_passing: !is_spend_cap && retry::should_retry(headers).unwrap_or(by_status),
            ..Self::told(code, status, &aside, error, request_id, said, secrets)
        }
    }

    /// An `error` event in a stream.
    pub(super) fn event(error: ProviderError, secrets: &Secrets) -> Self {
        let kind = error.kind.as_deref().unwrap_or_default();
        let is_spend_cap = error.detail.as_deref() == Some(SPEND_CAP);
        let is_passing = !is_spend_cap && !LASTING.contains(&kind);
        let code = match kind {
            "rate_limit_error" if !is_spend_cap => FailureCode::RateLimited,
            "overloaded_error" => FailureCode::Overloaded,
            "timeout_error" => FailureCode::Timeout,
            _ => FailureCode::UpstreamFailed,
        };
        Rejection { is_passing, ..Self::told(code, StatusCode::OK, " and then an error", error, None, None, secrets) }
    }

    fn told(
        code: FailureCode,
        status: StatusCode,
        aside: &str,
        error: ProviderError,
        request_id: Option<String>,
        said: Option<Duration>,
        secrets: &Secrets,
    ) -> Self {
        let shown = |text: Option<String>, bytes_max| text.map(|text| secrets.shown(&text, bytes_max));
        let kind = shown(error.kind, NAME_BYTES_MAX);
        let words = shown(error.message, MESSAGE_BYTES_MAX).filter(|words| !words.trim().is_empty());
        let request_id = shown(request_id.or(error.request_id), NAME_BYTES_MAX);
        let is_of_the_account =
            matches!(status.as_u16(), 401..=403) || kind.as_deref().is_some_and(|kind| OF_THE_ACCOUNT.contains(&kind));
        let status = status.as_u16();
        let reason = match words {
            Some(words) if is_of_the_account => {
                let (kind, request_id) = (kind.as_deref(), request_id.as_deref());
                tracing::error!(status, kind, request_id, words, "Claude's provider refuses the key or the account");
                "; it refuses the server's key or account, the reason is in the server's log".to_owned()
            }
            Some(words) => format!(": {words}"),
            None => String::new(),
        };
        let named = kind.as_ref().map(|kind| format!(", {kind}")).unwrap_or_default();
        let failure = Failure {
            code,
            message: format!("the provider answered {status}{aside}{named}{reason}"),
            kind,
            status: Some(status),
            retry_after_ms: said.map(|said| said.as_millis().min(INTEGER_MAX) as u64),
        };
        Rejection { failure, is_passing: false, request_id }
    }
}
