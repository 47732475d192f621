//! When to ping a connection, and when to consider it dead (PROTOCOL section 2). Pure: all times are milliseconds on
//! the hub's clock, and come in as values.

/// How a connection is pinged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HeartbeatMode {
    /// A WebSocket Ping frame.
    #[default]
    Ping,
    /// `{"type":"ping"}`, for JavaScript in a browser, which cannot see Ping frames.
    App,
}

/// The settings of a server's heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// Silence, in milliseconds, after which the server sends a ping; 0: heartbeats are off.
    pub interval_ms: u64,
    /// Time for the answer, in milliseconds.
    pub timeout_ms: u64,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    /// Nothing before this time.
    Wait(u64),
    /// Send a ping.
    Ping,
    /// Nothing at all has arrived for interval + timeout.
    Dead,
}

impl Heartbeat {
    /// What to do about a connection, given when something last arrived from it, was last sent to it, and when it was
    /// last pinged.
    pub(crate) fn judge(&self, now: u64, heard: u64, spoke: u64, pinged: u64) -> Beat {
        if self.interval_ms == 0 {
            return Beat::Wait(u64::MAX);
        }
        let dead_at = heard + self.interval_ms + self.timeout_ms;
        let ping_at = heard.min(spoke).max(pinged) + self.interval_ms;
        if now >= dead_at {
            Beat::Dead
        } else if now >= ping_at {
            Beat::Ping
        } else {
            Beat::Wait(ping_at.min(dead_at))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule() {
        let heartbeat = Heartbeat { interval_ms: 25, timeout_ms: 10 };
        let check = |now, heard, spoke, pinged, expect| {
            assert_eq!(heartbeat.judge(now, heard, spoke, pinged), expect, "{now} {heard} {spoke} {pinged}");
        };
        check(0, 0, 0, 0, Beat::Wait(25));
        check(25, 0, 20, 0, Beat::Ping); // received nothing
        check(25, 20, 0, 0, Beat::Ping); // sent nothing
        check(30, 20, 10, 0, Beat::Wait(35)); // both within the interval
        check(26, 0, 25, 25, Beat::Wait(35)); // pinged: the next moment is the last one
        check(35, 0, 30, 25, Beat::Dead);
        check(35, 1, 30, 25, Beat::Wait(36));
        check(50, 26, 25, 25, Beat::Ping); // answered: the next round
    }

    #[test]
    fn off() {
        let heartbeat = Heartbeat { interval_ms: 0, timeout_ms: 10 };
        assert_eq!(heartbeat.judge(1_000_000, 0, 0, 0), Beat::Wait(u64::MAX));
    }
}
