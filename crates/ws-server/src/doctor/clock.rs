//! The clock: times of publications and the expiry of tokens depend on it. It is compared with that of the identity
//! provider, if there is one, with the newest file of the database, and with the monotonic clock during the run.

use std::time::{Duration, Instant, SystemTime};

use reqwest::header::DATE;

use super::report::Check;
use super::socket;
use crate::config::{Config, EngineType};
use crate::limits::DOCTOR_ANSWER_TIMEOUT;

const WHAT: &str = "clock";

const SET_IT: &str = "set the clock, and keep it right with NTP (timedatectl, chronyc)";

/// 2026-01-01. A clock without a battery begins at 1970.
const EARLIEST_UNIX_S: u64 = 1_767_225_600;

/// A step that NTP does not make while the clock is nearly right.
const STEP_MAX: Duration = Duration::from_millis(500);

/// How inexact a time in an HTTP header is.
const ROUNDING: Duration = Duration::from_secs(2);

/// systemd-timesyncd creates it once it has set the clock.
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";

/// Both clocks at the start of the run.
#[derive(Clone, Copy, Debug)]
pub(super) struct StartedAt {
    system: SystemTime,
    monotonic: Instant,
}

impl StartedAt {
    pub(super) fn now() -> Self {
        StartedAt { system: SystemTime::now(), monotonic: Instant::now() }
    }

    /// How far the system's clock has moved against the monotonic one.
    fn step(&self) -> Duration {
        difference(self.system + self.monotonic.elapsed(), SystemTime::now())
    }
}

pub(super) async fn check(config: &Config, started: StartedAt) -> Check {
    let now = SystemTime::now();
    if unix_s(now) < EARLIEST_UNIX_S {
        return Check::problem(WHAT, "it is years behind", SET_IT);
    }
    if let Some(ahead) = written(config).and_then(|written| written.duration_since(now).ok()).filter(is_much) {
        let found = format!("the database was written {} s in the future, so the clock was set back", ahead.as_secs());
        return Check::warning(WHAT, found, SET_IT);
    }
    if started.step() > STEP_MAX {
        return Check::warning(WHAT, format!("it was set by {} ms just now", started.step().as_millis()), SET_IT);
    }
    match provider(config).await {
        Some(theirs) => compare(SystemTime::now(), theirs, config.auth.leeway),
        None if std::path::Path::new(SYNCHRONISED).exists() => Check::fine(WHAT, "synchronised (systemd-timesyncd)"),
        None => Check::fine(WHAT, "plausible and steady; nothing here says whether it is synchronised"),
    }
}

fn is_much(ahead: &Duration) -> bool {
    *ahead > STEP_MAX
}

/// When the database was last written.
fn written(config: &Config) -> Option<SystemTime> {
    let sqlite = (config.engine.r#type == EngineType::Sqlite).then_some(&config.engine.sqlite)?;
    let files = std::fs::read_dir(&sqlite.dir).ok()?;
    files.filter_map(|file| file.ok()?.metadata().ok()?.modified().ok()).max()
}

/// The time of the identity provider: its clock decides when tokens expire.
async fn provider(config: &Config) -> Option<SystemTime> {
    let url = config.auth.jwks_url.as_ref()?;
    let client = socket::client().timeout(DOCTOR_ANSWER_TIMEOUT).build().ok()?;
    let answer = client.get(url.reveal()).send().await.ok()?;
    httpdate::parse_http_date(answer.headers().get(DATE)?.to_str().ok()?).ok()
}

/// The provider's time is in whole seconds, and was on its way for a moment.
fn compare(ours: SystemTime, theirs: SystemTime, leeway: Duration) -> Check {
    let apart = difference(ours, theirs);
    let found = format!("{} s from the clock of the identity provider", apart.as_secs());
    match apart > leeway + ROUNDING {
        true => Check::problem(WHAT, format!("{found}, more than auth.leeway ({} s)", leeway.as_secs()), SET_IT),
        false => Check::fine(WHAT, found),
    }
}

fn difference(a: SystemTime, b: SystemTime) -> Duration {
    a.duration_since(b).unwrap_or_else(|error| error.duration())
}

fn unix_s(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict;
    use super::*;

    #[test]
    fn a_provider_s_clock_may_differ_by_the_leeway() {
        let now = SystemTime::now();
        let check = |ours: SystemTime, theirs| compare(ours, theirs, Duration::from_secs(5)).verdict;
        assert_eq!(check(now, now), Verdict::Fine);
        assert_eq!(check(now + Duration::from_secs(7), now), Verdict::Fine);
        assert_eq!(check(now, now + Duration::from_secs(8)), Verdict::Problem);
        assert_eq!(check(now + Duration::from_secs(8), now), Verdict::Problem);
    }

    #[tokio::test]
    async fn a_clock_that_was_set_is_noticed() {
        let started = StartedAt { system: SystemTime::now() - Duration::from_secs(60), monotonic: Instant::now() };
        assert_eq!(check(&Config::default(), started).await.verdict, Verdict::Warning);
        assert_eq!(check(&Config::default(), StartedAt::now()).await.verdict, Verdict::Fine);
    }
}
