//! After how much silence a proxy cuts a connection, measured: a WebSocket is opened through it, and nobody says
//! anything until it ends.
//!
//! A server that runs sends a heartbeat first, which says that the proxy waits for longer than that: all that matters.
//! If the addresses are free, a server with heartbeats off, in which nobody may do anything, listens on them meanwhile,
//! so that the whole time is measured.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::ports::Use;
use super::report::Check;
use super::socket::{Frame, Socket};
use crate::app::App;
use crate::config::{Access, Api, Auth, Config, EngineType};
use crate::limits::DOCTOR_ANSWER_TIMEOUT;

const WHAT: &str = "idle cut";

/// How the silence ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// The connection was cut after this time.
    Cut(Duration),
    /// The server's heartbeat came after this time.
    Heartbeat(Duration),
    /// It was still open after the longest time.
    Open(Duration),
}

pub(super) async fn check(url: &str, config: &Config, used: Use, idle_max: Duration) -> Check {
    let measured = match used {
        Use::Taken => measure(url, idle_max).await,
        Use::Free => measure_alone(url, config, idle_max).await,
    };
    match measured {
        Ok(ended) => judge(ended, config.heartbeat.interval),
        Err(why) => Check::problem(
            WHAT,
            format!("{url} cannot be measured: {why}"),
            "the proxy must pass on the handshake to this server; docs/OPERATIONS.md has examples",
        ),
    }
}

/// Measures with a server of our own on the configured addresses.
async fn measure_alone(url: &str, config: &Config, idle_max: Duration) -> Result<Ended, String> {
    let app = App::bind(&silent(config)).await.map_err(|error| error.to_string())?;
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(app.run(async { drop(stopped.await) }));
    let ended = measure(url, idle_max).await;
    drop(stop);
    server.await.map_err(|error| error.to_string())?;
    ended
}

/// The configuration, but silent and closed: no heartbeats, nothing stored, nobody may do anything.
fn silent(config: &Config) -> Config {
    let mut silent = config.clone();
    silent.heartbeat.interval = Duration::ZERO;
    silent.drain.grace = Duration::ZERO;
    silent.auth = Auth { allowed_origins: config.auth.allowed_origins.clone(), ..Auth::default() };
    silent.api = Api::default();
    silent.metrics.addr = None;
    silent.namespaces.clear();
    silent.engine.r#type = EngineType::Memory;
    for mode in [
        &mut silent.channels.subscribe,
        &mut silent.channels.publish,
        &mut silent.channels.read_history,
        &mut silent.channels.read_presence,
        &mut silent.actions.broadcast,
        &mut silent.actions.get_connections,
    ] {
        *mode = Access::NOBODY;
    }
    silent
}

/// Opens a WebSocket and waits. Only the greeting of the server is expected.
async fn measure(url: &str, idle_max: Duration) -> Result<Ended, String> {
    let mut socket = Socket::open(url).await?;
    let greeting = timeout(DOCTOR_ANSWER_TIMEOUT, socket.next()).await.map_err(|_| "the server says nothing")?;
    is_connected(greeting.ok_or("the connection ended at once")?)?;
    let began = Instant::now();
    Ok(match timeout(idle_max, socket.next()).await {
        Err(_) => Ended::Open(idle_max),
        Ok(Some(frame)) if frame.opcode != Frame::CLOSE => Ended::Heartbeat(began.elapsed()),
        Ok(_) => Ended::Cut(began.elapsed()),
    })
}

fn is_connected(frame: Frame<'_>) -> Result<(), String> {
    let said: Value = serde_json::from_slice(frame.payload).unwrap_or_default();
    match (said["data"]["event"].as_str(), said["error"]["message"].as_str()) {
        (Some("connected"), _) => Ok(()),
        (_, Some(refusal)) => Err(format!("the server refuses: {refusal}")),
        _ => Err("it is not a ws-server that answers".to_owned()),
    }
}

fn judge(ended: Ended, interval: Duration) -> Check {
    let s = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    match ended {
        Ended::Open(idle_max) => Check::fine(WHAT, format!("not cut within {} of silence", s(idle_max))),
        Ended::Heartbeat(at) => {
            Check::fine(WHAT, format!("not cut before the server's heartbeat, after {} of silence", s(at)))
        }
        Ended::Cut(at) if interval.is_zero() => Check::warning(
            WHAT,
            format!("cut after {} of silence, and heartbeats are off", s(at)),
            "set heartbeat.interval to less than that",
        ),
        // A heartbeat may be late by an eighth of the interval.
        Ended::Cut(at) if at > interval + interval / 4 => Check::fine(
            WHAT,
            format!("cut after {} of silence; heartbeat.interval ({}) is shorter", s(at), s(interval)),
        ),
        Ended::Cut(at) => Check::problem(
            WHAT,
            format!("cut after {} of silence; heartbeat.interval is {}", s(at), s(interval)),
            "let the proxy wait for longer (docs/OPERATIONS.md), or lower heartbeat.interval to half of that",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict;
    use super::*;

    #[test]
    fn verdicts() {
        let check = |ended, interval_s| judge(ended, Duration::from_secs(interval_s)).verdict;
        let s = Duration::from_secs;
        assert_eq!(check(Ended::Open(s(120)), 25), Verdict::Fine);
        assert_eq!(check(Ended::Heartbeat(s(25)), 25), Verdict::Fine);
        assert_eq!(check(Ended::Cut(s(60)), 25), Verdict::Fine);
        assert_eq!(check(Ended::Cut(s(60)), 0), Verdict::Warning);
        assert_eq!(check(Ended::Cut(s(26)), 25), Verdict::Problem);
        assert_eq!(check(Ended::Cut(s(5)), 25), Verdict::Problem);
    }

    #[test]
    fn the_server_in_between_is_silent_and_closed() {
        let silent = silent(&Config::default());
        assert!(silent.heartbeat.interval.is_zero() && silent.auth.anonymous);
        assert_eq!((silent.channels.publish, silent.actions.broadcast), (Access::NOBODY, Access::NOBODY));
    }
}
