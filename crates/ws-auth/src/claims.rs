//! The claims of a token and their validation (RFC 7519, section 4.1; PROTOCOL section 7).

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use ws_core::{Claims, Grants};

use crate::limits::{SECONDS_MAX, USER_BYTES_MAX};

/// The claims this server reads, unvalidated. Others are ignored. Null counts as absent in a list, `info`, `aud` and
/// `iss`, but not in claims that limit a token: there it would lift the limit.
#[derive(Debug, Deserialize)]
pub(crate) struct RawClaims {
    #[serde(default, deserialize_with = "present")]
    sub: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    exp: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    iat: Option<Value>,
    #[serde(default)]
    aud: Option<Value>,
    #[serde(default)]
    iss: Option<Value>,
    #[serde(default)]
    info: Option<Box<RawValue>>,
    #[serde(default)]
    channels: Option<Value>,
    #[serde(default)]
    subscribe: Option<Value>,
    #[serde(default)]
    publish: Option<Value>,
    #[serde(default)]
    presence: Option<Value>,
    #[serde(default)]
    history: Option<Value>,
    #[serde(default)]
    actions: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    channel: Option<Value>,
}

/// What the claims of a token are checked against.
#[derive(Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) audience: Option<&'a str>,
    pub(crate) issuer: Option<&'a str>,
    pub(crate) leeway: Duration,
    /// Milliseconds since 1970.
    pub(crate) now_ms: u64,
}

impl RawClaims {
    /// Validates the claims.
    ///
    /// # Errors
    /// What is wrong with them. An expired token is not an error: `Claims::has_expired` tells.
    pub(crate) fn validate(self, expected: &Expected<'_>) -> Result<Claims, String> {
        let expires_at_ms = time(self.exp.as_ref(), "exp")?;
        for (claim, name) in [(&self.nbf, "nbf"), (&self.iat, "iat")] {
            let from_ms = time(claim.as_ref(), name)?;
            if from_ms.is_some_and(|from_ms| expected.now_ms.saturating_add(expected.leeway_ms()) < from_ms) {
                return Err(format!("the token is not valid yet (`{name}`)"));
            }
        }
        check_audience(self.aud.as_ref(), expected.audience)?;
        check_issuer(self.iss.as_ref(), expected.issuer)?;
        Ok(Claims {
            user: user(self.sub.as_ref())?,
            info: self.info.filter(|info| info.get() != "null"),
            expires_at_ms,
            valid_until_ms: expires_at_ms.map(|at_ms| at_ms.saturating_add(expected.leeway_ms())),
            channels: list(self.channels.as_ref(), "channels")?,
            grants: Grants {
                subscribe: list(self.subscribe.as_ref(), "subscribe")?.into_iter().collect(),
                publish: list(self.publish.as_ref(), "publish")?.into_iter().collect(),
                presence: list(self.presence.as_ref(), "presence")?.into_iter().collect(),
                history: list(self.history.as_ref(), "history")?.into_iter().collect(),
                actions: list(self.actions.as_ref(), "actions")?.into_iter().collect(),
            },
            channel: match self.channel.as_ref() {
                None => None,
                Some(Value::String(channel)) => Some(channel.clone()),
                Some(_) => return Err("`channel` must be a string".to_owned()),
            },
        })
    }
}

impl Expected<'_> {
    fn leeway_ms(&self) -> u64 {
        u64::try_from(self.leeway.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A claim that is present, even if it is null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// A time in seconds since 1970, with or without a fraction, in milliseconds.
fn time(claim: Option<&Value>, name: &str) -> Result<Option<u64>, String> {
    let Some(claim) = claim else { return Ok(None) };
    match claim.as_f64().filter(|seconds| *seconds >= 0.0) {
        None => Err(format!("`{name}` must be a number of seconds since 1970")),
        // Probably milliseconds: the token would be valid for thousands of years.
        Some(seconds) if seconds > SECONDS_MAX => {
            Err(format!("`{name}` is after the year 9999: it must be in seconds, not milliseconds"))
        }
        Some(seconds) => Ok(Some((seconds * 1000.0) as u64)),
    }
}

fn check_audience(claim: Option<&Value>, audience: Option<&str>) -> Result<(), String> {
    let Some(audience) = audience else { return Ok(()) };
    let is_ours = match claim {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(several)) => several.iter().any(|one| one == audience),
        _ => false,
    };
    if is_ours { Ok(()) } else { Err("the token is for another audience (`aud`)".to_owned()) }
}

fn check_issuer(claim: Option<&Value>, issuer: Option<&str>) -> Result<(), String> {
    match issuer {
        Some(issuer) if claim.is_none_or(|claim| claim != issuer) => {
            Err("the token is from another issuer (`iss`)".to_owned())
        }
        _ => Ok(()),
    }
}

fn user(claim: Option<&Value>) -> Result<String, String> {
    let Some(Value::String(user)) = claim else {
        return Err("`sub` must be a string: the name of the user".to_owned());
    };
    if user.is_empty() || user.len() > USER_BYTES_MAX || user.contains(char::is_control) {
        return Err(format!("`sub` must be 1 to {USER_BYTES_MAX} bytes long, without control characters"));
    }
    Ok(user.clone())
}

fn list(claim: Option<&Value>, name: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("`{name}` must be a list of strings");
    match claim {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => {
            items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}
